"""Have targets anything to do with inputs? Nearest neighbours against shuffled targets."""

from __future__ import annotations

import math

import torch
from torch import Tensor

_DIRECTIONS = 16
_NEIGHBOURS = 3
_SHUFFLES = 100
_FEATURES = 4096
_KINDS = 512
"""Columns into which the counts of tokens fall."""
_FEWEST = 100


def association_p(inputs: Tensor, targets: Tensor) -> float | None:
    """p-value of "targets have nothing to do with inputs": how alike those of neighbours are, against shuffled ones.

    Neighbours are taken leave-one-out in the first 16 principal directions of the standardised inputs; alike means of
    one class, or a small squared difference. The distribution under the hypothesis is that of the same neighbours with
    shuffled targets, taken as normal (Schilling, 1986; Friedman and Rafsky, 1983). None below 100 examples.
    """
    count = len(inputs)
    wanted = _targets(targets)
    if count < _FEWEST or wanted is None or len(wanted) != count:
        return None
    points = _directions(_numbers(inputs))
    distances = torch.cdist(points, points)
    distances.fill_diagonal_(math.inf)
    near = distances.topk(_NEIGHBOURS, largest=False).indices
    seen = _alike(wanted, near)
    generator = torch.Generator().manual_seed(0)
    shuffled = torch.stack([_alike(wanted[torch.randperm(count, generator=generator)], near) for _ in range(_SHUFFLES)])
    spread = float(shuffled.std())
    if not spread > 0:
        return None
    z = (float(seen) - float(shuffled.mean())) / spread
    return 0.5 * math.erfc(z / math.sqrt(2)) if math.isfinite(z) else None


def _alike(wanted: Tensor, near: Tensor) -> Tensor:
    if wanted.is_floating_point():
        return -(wanted[near] - wanted[:, None]).square().mean()
    return (wanted[near] == wanted[:, None]).double().mean()


def _targets(targets: Tensor) -> Tensor | None:
    flat = targets.reshape(len(targets), -1) if targets.dim() else targets.reshape(1, 1)
    if not targets.is_floating_point():
        return flat[:, 0].long() if flat.shape[1] == 1 else None
    values = flat.double().nan_to_num(0.0, 0.0, 0.0)[:, :16]
    std, mean = torch.std_mean(values, dim=0)
    # ranks of a column: a few huge values shall not decide
    return ((values - mean) / std.clamp_min(1e-12)).clamp(-3, 3)


def _numbers(inputs: Tensor) -> Tensor:
    """(examples, features): counts of tokens where inputs are whole numbers of many kinds."""
    flat = inputs.reshape(len(inputs), -1)
    if not inputs.is_floating_point() and inputs.dtype != torch.uint8 and flat.shape[1] > 1 and int(flat.max()) > 32:
        counts = torch.zeros(len(flat), _KINDS, dtype=torch.float64)
        return counts.scatter_add_(1, flat.long() % _KINDS, torch.ones(flat.shape, dtype=torch.float64))
    if flat.shape[1] > _FEATURES:
        flat = flat[:, :: -(-flat.shape[1] // _FEATURES)]
    return flat.double().nan_to_num(0.0, 0.0, 0.0)


def _directions(values: Tensor) -> Tensor:
    std, mean = torch.std_mean(values, dim=0, correction=0)
    standard = (values - mean)[:, std > 1e-12 * (mean.abs() + 1)] / std[std > 1e-12 * (mean.abs() + 1)]
    if standard.shape[1] <= _DIRECTIONS:
        return standard
    products = standard @ standard.T if standard.shape[1] > len(standard) else standard.T @ standard
    kept = torch.linalg.eigh(products)[1][:, -_DIRECTIONS:]
    if standard.shape[1] > len(standard):
        kept = torch.linalg.qr(standard.T @ kept)[0]
    return standard @ kept
