"""Has a weight ever been trained? A random draw is recognised by being nothing but one."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_FEWEST = 24
_MOST = 2**14
_SURE = 4.0
"""Standard errors beyond which rows or columns are of unequal size."""


def is_fresh(weight: Tensor) -> bool | None:
    """Whether `weight` looks like independent draws of one uniform or normal law, as an initialisation makes them.

    Two tests, both of which training fails soon. The law: Kolmogorov and Smirnov's distance to the uniform law of the
    same bound, or to the normal law of the same deviation, is at most 1.63 / sqrt(n) (1 % level). Equality: training
    makes some inputs and outputs count more than others; for independent draws the mean squares of rows (and columns)
    of m values scatter by (kurtosis - 1) / m relative to their mean, and no more. Orthogonal matrices, whose rows
    are more alike than chance makes them, are fresh too. None below 24 values, and for what is no matrix or kernel.
    """
    if weight.dim() < 2 or weight.numel() < _FEWEST or not weight.is_floating_point():
        return None
    rows = weight.detach().reshape(len(weight), -1)
    rows = rows[: max(_MOST // rows.shape[1], 1)].double().cpu()
    values = rows.flatten()
    values = values[values != 0]  # the row of a padding token
    if len(values) < _FEWEST or not bool(values.isfinite().all()):
        return None
    std = float(values.std(correction=0))
    if std == 0:
        return None
    kurtosis = float(((values - values.mean()) / std).pow(4).mean())
    squares = rows.square()
    even = all(_even(squares.mean(axis), squares.shape[axis], kurtosis) for axis in (0, 1))
    return even and min(_to_uniform(values), _to_normal(values, std)) <= 1.63 / math.sqrt(len(values))


def _even(means: Tensor, values: int, kurtosis: float) -> bool:
    count = len(means)
    if count < 2 or values < 2:
        return True
    statistic = float((means / means.mean() - 1).square().sum()) * values / max(kurtosis - 1, 1e-6)
    return (statistic - (count - 1)) / math.sqrt(2 * (count - 1)) < _SURE + 6 / math.sqrt(count)


def _to_uniform(values: Tensor) -> float:
    bound = float(values.abs().max()) * (1 + 1 / len(values))
    return _distance((values + bound) / (2 * bound))


def _to_normal(values: Tensor, std: float) -> float:
    plain = _distance(0.5 * (1 + torch.erf(values / std / math.sqrt(2))))
    # cut at two deviations, as truncated initialisations are
    inside = torch.erf(values / (std / 0.8796) / math.sqrt(2)) / math.erf(2 / math.sqrt(2))
    return min(plain, _distance(0.5 * (1 + inside)))


def _distance(probabilities: Tensor) -> float:
    """To the uniform law on [0, 1]."""
    ordered = probabilities.clamp(0, 1).sort().values
    steps = torch.arange(1, len(ordered) + 1, dtype=torch.float64) / len(ordered)
    return float(torch.maximum((steps - ordered).abs(), (ordered - steps + 1 / len(ordered)).abs()).max())
