"""Do targets come in random order? A runs test on neighbours."""

from __future__ import annotations

import math

import torch
from torch import Tensor


def order_p(targets: Tensor) -> float | None:
    """p-value of "the order is random" against "neighbours are alike"; None where there is nothing to compare.

    Classes: the number of equal neighbours, whose mean and variance over all orders are known
    exactly (Wald and Wolfowitz, 1940, for two classes). Values: the serial correlation of their ranks, normal with
    variance 1/N (Wald and Wolfowitz, 1943).

    >>> order_p(torch.arange(100) // 10) < 1e-9
    True
    """
    flat = targets.reshape(len(targets), -1) if targets.dim() else targets.reshape(1, 1)
    if len(flat) < 20 or flat.shape[1] != 1:
        return None
    values = flat[:, 0].double()
    if not targets.is_floating_point() or len(values.unique()) <= 20:
        return _classes(values)
    ranks = values.argsort().argsort().double()
    centred = ranks - ranks.mean()
    correlation = float((centred[1:] * centred[:-1]).sum() / centred.square().sum().clamp_min(1e-12))
    return _above(correlation * math.sqrt(len(values)))


def _classes(values: Tensor) -> float | None:
    n = len(values)
    counts = values.unique(return_counts=True)[1].double()
    if len(counts) < 2:
        return None
    two, three, four = (_falling(counts, k) for k in (2, 3, 4))
    equal = float(two.sum()) / (n * (n - 1))
    touching = float(three.sum()) / (n * (n - 1) * (n - 2))
    apart = float(four.sum() + two.sum().square() - two.square().sum()) / (n * (n - 1) * (n - 2) * (n - 3))
    variance = (n - 1) * equal * (1 - equal)
    variance += 2 * (n - 2) * (touching - equal**2) + (n - 2) * (n - 3) * (apart - equal**2)
    same = float((values[1:] == values[:-1]).sum())
    return _above((same - (n - 1) * equal) / math.sqrt(max(variance, 1e-9)))


def _falling(counts: Tensor, k: int) -> Tensor:
    """n(n-1)...(n-k+1)"""
    return torch.stack([counts - i for i in range(k)]).prod(0)


def _above(z: float) -> float:
    return 0.5 * math.erfc(z / math.sqrt(2))
