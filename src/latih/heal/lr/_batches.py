"""The batches of a search: drawn once, so that every rate is tried on the same ones; some examples are held out."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from latih._checks import InputError
from latih.data import Examples, permutation
from latih.data.augment import Augment

Pair = tuple[Tensor, Tensor]
_SHARE, _MOST_HELD = 0.2, 512
_FEWEST_HELD = 10
"""Fewer examples than that judge nothing: then the training examples do."""
_PARTS = 16
"""In which the held-out examples are judged, so that the noise of a comparison is known."""
_PROBE = 128
"""Training examples on which a sweep is judged."""
_BYTES = 2**29


@dataclass(frozen=True)
class Batches:
    """What is trained on, in this order and then again, and what judges."""

    train: Sequence[Pair]
    probe: Sequence[Pair]
    """Training examples that judge a sweep: after each update the same ones."""
    held: Sequence[Pair]
    """Parts of what judges the candidates."""
    notes: tuple[str, ...] = ()

    def endless(self) -> Iterator[Pair]:
        """The training batches, again and again."""
        return itertools.cycle(self.train)


def draw(
    train: Examples, valid: Examples | None, *, batch_size: int, count: int, seed: int, augment: Augment
) -> Batches:
    """At most `count` batches of `train`, in seeded orders of as many epochs as that takes.

    A loader's batches are its own, from one pass. At most half a gigabyte is kept; beyond that, batches repeat.
    """
    if len(train) < 4:
        raise InputError(f"find_lr(train=...): {len(train)} examples are too few to compare rates; pass at least 4.")
    if hasattr(train, "loader"):  # order and size of its batches are the loader's own
        return _of_loader(train, valid, batch_size, count, seed)
    order, notes = permutation(seed, 0, len(train)), ()
    held = [] if valid is None else _judging(valid, seed)
    if valid is None:
        share = min(int(len(train) * _SHARE), _MOST_HELD)
        if share >= _FEWEST_HELD:
            held, order = [_fetched(train, order[:share])], order[share:]
        else:
            notes, held = (_few(len(train)),), [_fetched(train, order)]
    size = min(batch_size, len(order))
    pairs = []
    for epoch, index in _orders(order, seed, size, count):
        for inputs, targets, indices in train.batches(index, size):
            inputs = augment(inputs, indices, seed, epoch) if augment.steps else inputs
            pairs.append((inputs, targets))
        if _bytes(pairs) > _BYTES:
            break
    probe = _fetched(train, order[:_PROBE])
    return Batches(pairs, [probe], _parts(held), notes)


def _of_loader(train: Examples, valid: Examples | None, batch_size: int, count: int, seed: int) -> Batches:
    pairs: list[Pair] = []
    for inputs, targets, _ in train.batches(torch.arange(len(train)), getattr(train, "batch_size", batch_size)):
        pairs.append((inputs, targets))
        if len(pairs) >= count or _bytes(pairs) > _BYTES:
            break
    if len(pairs) > 1 and len(pairs[-1][1]) < len(pairs[0][1]):
        pairs.pop()  # the rest of an epoch weighs as much as a whole batch where batches repeat
    held, notes = [] if valid is None else _judging(valid, seed), ()
    if valid is None:
        every = max(round(1 / _SHARE), 1)
        held = pairs[every // 2 :: every] if len(pairs) >= every else []
        if sum(len(targets) for _, targets in held) >= _FEWEST_HELD:
            pairs = [one for place, one in enumerate(pairs) if place % every != every // 2]
            held = held[: max(1, _MOST_HELD // len(held[0][1]))]
        else:
            notes, held = (_few(sum(len(targets) for _, targets in pairs)),), pairs[:4]
    # spread over the pass: a loader that does not shuffle may begin with a single class
    probe = pairs[:: max(len(pairs) // max(_PROBE // len(pairs[0][1]), 1), 1)]
    mixed = [pairs[place] for epoch in range(-(-count // len(pairs))) for place in permutation(seed, epoch, len(pairs))]
    return Batches(mixed[:count], probe, _parts(held), notes)


def _orders(order: Tensor, seed: int, size: int, count: int) -> Iterator[tuple[int, Tensor]]:
    """(epoch, which examples) until there are `count` batches; every batch is a whole one."""
    whole = len(order) // size * size
    for epoch in range(-(-count * size // whole)):
        left = count * size - epoch * whole
        yield epoch, order[permutation(seed, epoch + 1, len(order))][: min(whole, left)]


def _judging(valid: Examples, seed: int) -> list[Pair]:
    if not hasattr(valid, "loader"):
        return [_fetched(valid, permutation(seed, 0, len(valid))[:_MOST_HELD])]
    pairs: list[Pair] = []
    for inputs, targets, _ in valid.batches(torch.arange(len(valid)), getattr(valid, "batch_size", 1)):
        pairs.append((inputs, targets))
        if sum(len(targets) for _, targets in pairs) >= _MOST_HELD:
            break
    return pairs


def _fetched(examples: Examples, index: Tensor) -> Pair:
    inputs, targets, _ = next(iter(examples.batches(index, len(index))))
    return inputs, targets


def _parts(pairs: Iterable[Pair]) -> list[Pair]:
    pairs = list(pairs)
    size = max(sum(len(targets) for _, targets in pairs) // _PARTS, 2)
    parts = []
    for inputs, targets in pairs:
        count = max(len(targets) // size, 1)
        parts += zip(inputs.tensor_split(count), targets.tensor_split(count), strict=True)
    return parts


def _bytes(pairs: Sequence[Pair]) -> int:
    return sum(one.numel() * one.element_size() for pair in pairs for one in pair)


def _few(count: int) -> str:
    return f"{count} examples are too few to hold some out: rates were judged on the training examples"
