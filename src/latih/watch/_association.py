"""Have the targets anything to do with the inputs? A test that no network is needed for."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import Tensor

SIZE = 384
"""Examples that the test is made on."""
FEWEST = 96
"""Examples below which it is not made."""
_FEATURES = 128
_NEIGHBOURS = 5
_TIMES = 60
"""Permutations from which mean and deviation under "unrelated" are taken."""


def association(inputs: Tensor, targets: Tensor) -> float:
    """p-value of "targets have nothing to do with inputs": the smaller of two tests, doubled (Bonferroni).

    Nearest neighbours (do close inputs have close targets?) see any local relation; distance covariance (Székely et
    al., 2007: do distances between inputs go with distances between targets?) sees weak relations that are spread
    over all examples. Both are compared with mean and deviation over permuted targets. The first is a sum of many
    parts, so its tail is normal; the second a sum of weighted squares, whose heaviest tail is that of a single one.

    Args:
        inputs: (n, ...) numbers, or whole numbers that are names (tokens).
        targets: (n,) classes, or (n, ...) values.

    >>> x = torch.arange(100.0).sin().reshape(100, 1)
    >>> association(x, x[:, 0]) < 1e-3
    True
    """
    between, apart = inputs_apart(inputs), _targets_apart(targets)
    n = len(between)
    rng = np.random.default_rng(0)
    near = np.argsort(between + np.where(np.eye(n), np.inf, 0.0), axis=1)[:, : min(_NEIGHBOURS, n - 1)]
    rows = np.arange(n)[:, None]
    centred, other = _centred(between), _centred(apart)

    def both(order: np.ndarray) -> tuple[float, float]:
        return -float(apart[order[rows], order[near]].mean()), float((centred * other[order][:, order]).mean())

    seen = both(np.arange(n))
    chance = np.array([both(rng.permutation(n)) for _ in range(_TIMES)])
    spread = np.maximum(chance.std(0), 1e-12 * np.abs(seen) + 1e-300)
    close, far = (np.array(seen) - chance.mean(0)) / spread
    square = max(1 + far * math.sqrt(2), 0.0)  # a squared normal variable has mean 1 and deviation sqrt(2)
    return min(1.0, 2 * min(math.erfc(close / math.sqrt(2)) / 2, math.erfc(math.sqrt(square / 2))))


def association_of(inputs: Tensor, targets: Tensor) -> tuple[float | None, int]:
    """p-value of `association` on at most 384 different examples, evenly spread, and how many they were.

    None below 96, where the tests see little.
    """
    inputs, targets = once(inputs, targets)
    if len(inputs) > SIZE:
        chosen = torch.linspace(0, len(inputs) - 1, SIZE).long()
        inputs, targets = inputs[chosen.to(inputs.device)], targets[chosen.to(targets.device)]
    return (association(inputs, targets), len(inputs)) if len(inputs) >= FEWEST else (None, 0)


def once(inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """Without examples that came again in a later epoch: as their own neighbours they would always agree.

    Names (whole numbers) are kept: there, equal inputs are what neighbours are.
    """
    if are_names(inputs):
        return inputs, targets
    rows = inputs.detach().reshape(len(inputs), -1).double().cpu().nan_to_num(0.0, 0.0, 0.0).numpy()
    kept = torch.from_numpy(np.sort(np.unique(rows, axis=0, return_index=True)[1]))
    return inputs[kept.to(inputs.device)], targets[kept.to(targets.device)]


def are_names(values: Tensor) -> bool:
    """Whether whole numbers stand for tokens; bytes are the brightness of pictures."""
    return not values.is_floating_point() and values.dtype != torch.uint8


def inputs_apart(inputs: Tensor) -> np.ndarray:
    """Distances between examples: Euclidean over standardised columns; between names, the share that differs."""
    rows = inputs.detach()[:SIZE].cpu().reshape(min(len(inputs), SIZE), -1)
    if are_names(rows):
        return _names_apart(rows[:, : _FEATURES * 8])
    values = rows.double().nan_to_num(0.0, 0.0, 0.0)
    values = values - values.mean(0)
    spread = values.std(0, correction=0)
    values = values / torch.where(spread > 1e-12 * spread.max(), spread, torch.inf)
    if values.shape[1] > _FEATURES:  # distances survive a random projection (Johnson and Lindenstrauss)
        generator = torch.Generator().manual_seed(0)
        values = values @ torch.randn(values.shape[1], _FEATURES, generator=generator, dtype=torch.float64)
    return torch.cdist(values, values).numpy()


def _names_apart(rows: Tensor) -> np.ndarray:
    """Positions at which two rows differ, and names that only one of them has, each as a share."""
    places = np.mean([(column[:, None] != column[None, :]).numpy() for column in rows.T], axis=0)
    if rows.shape[1] == 1:
        return places
    _, compact = rows.unique(return_inverse=True)
    counts = torch.zeros(len(rows), int(compact.max()) + 1, dtype=torch.float64)
    counts.scatter_add_(1, compact.reshape(rows.shape), torch.ones(rows.shape, dtype=torch.float64))
    return places + torch.cdist(counts, counts, p=1).numpy() / (2 * rows.shape[1])


def _targets_apart(targets: Tensor) -> np.ndarray:
    rows = targets.detach()[:SIZE].cpu().reshape(min(len(targets), SIZE), -1)
    if not rows.is_floating_point():
        return (rows[:, None] != rows[None, :]).double().mean(2).numpy()
    values = rows.double().nan_to_num(0.0, 0.0, 0.0)
    values = (values - values.mean(0)) / values.std(0, correction=0).clamp_min(1e-30)
    return torch.cdist(values[:, :_FEATURES], values[:, :_FEATURES]).numpy()


def _centred(distances: np.ndarray) -> np.ndarray:
    return distances - distances.mean(0) - distances.mean(1)[:, None] + distances.mean()
