"""Hold out a part of the examples for validation."""

from __future__ import annotations

import torch
from torch import Tensor

from latih._checks import InputError

from ._base import Task
from ._random import permutation

_EPOCH = -1  # no epoch of training, so a split shares its order with none


def split(targets: Tensor, fraction: float, seed: int, task: Task) -> tuple[Tensor, Tensor]:
    """Choose which examples train and which validate; each part is in ascending order.

    For classes the parts keep the proportions (largest remainder), and every class with two examples or more is in
    both; a class with a single example stays in training (`split_notes` says so). For regression the choice is random.
    The same seed gives the same parts on every machine.

    Args:
        targets: (n,) int64 classes, or (n, outputs) values.
        fraction: Held out, above 0 and below 1.
        seed: Of the choice.
        task: "classification" or "regression".

    Returns:
        (train, valid): int64 indices; both hold at least one.

    Raises:
        InputError: For a fraction outside (0, 1), fewer than 2 examples, or classes that all have one example.

    >>> train, valid = split(torch.tensor([0] * 8 + [1] * 4), fraction=0.25, seed=0, task="classification")
    >>> len(train), len(valid)
    (9, 3)
    """
    if not 0 < fraction < 1:
        raise InputError(
            f"split(fraction={fraction!r}): fraction must lie between 0 and 1, both excluded; 0.1 holds out a tenth."
        )
    if len(targets) < 2:
        raise InputError(f"split(targets={len(targets)} examples): a split needs at least 2 examples; add data.")
    groups = targets if task == "classification" else torch.zeros(len(targets), dtype=torch.int64)
    held_out = _drawn(groups.cpu(), fraction, seed)
    return torch.nonzero(~held_out).flatten(), torch.nonzero(held_out).flatten()


def split_notes(targets: Tensor, task: Task, classes: tuple[str, ...] = ()) -> tuple[str, ...]:
    """What a user should know before a split: the classes that have one example and are therefore never validated."""
    if task != "classification":
        return ()
    labels, counts = targets.unique(return_counts=True)
    lone = [classes[label] if classes else str(label) for label in labels[counts == 1].tolist()]
    if not lone:
        return ()
    shown = ", ".join(lone[:5]) + (", ..." if len(lone) > 5 else "")
    return (f"{len(lone)} of {len(labels)} classes have a single example, kept for training: {shown}",)


def _drawn(groups: Tensor, fraction: float, seed: int) -> Tensor:
    """True for the examples held out of each group."""
    _, group, counts = groups.unique(return_inverse=True, return_counts=True)
    order = permutation(seed, _EPOCH, len(groups))
    by_group = order[group[order].argsort(stable=True)]
    place = torch.arange(len(groups)) - (counts.cumsum(0) - counts).repeat_interleave(counts)
    held_out = torch.empty(len(groups), dtype=torch.bool)
    held_out[by_group] = place < _quota(counts, fraction).repeat_interleave(counts)
    return held_out


def _quota(counts: Tensor, fraction: float) -> Tensor:
    """How many of each group to hold out: the largest remainders are rounded up."""
    splits = counts >= 2
    if not splits.any():
        raise InputError(
            f"split(targets={len(counts)} classes of one example): no example can be held out; "
            "add examples, or pass a validation set of your own."
        )
    exact = counts.double() * fraction
    quota = torch.where(splits, exact.floor().long().clamp(min=1).minimum(counts - 1), 0)
    left = int(fraction * counts[splits].sum().item() + 0.5) - int(quota.sum())
    remainder = torch.where(splits & (quota < counts - 1), exact - quota, -1.0)
    largest = remainder.argsort(descending=True, stable=True)[: max(left, 0)]
    quota[largest[remainder[largest] >= 0]] += 1
    return quota
