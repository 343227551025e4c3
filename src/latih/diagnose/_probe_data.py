"""A sample of the training data, in the order in which it is fed, from whatever holds it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset

from latih._checks import InputError
from latih.tape import split_batch, tensors

MOST = 1000


class Drawn(NamedTuple):
    """What was drawn of the training data."""

    inputs: Tensor | None
    """(n, ...): of an evenly spaced sample; None where examples differ in shape or are made of several tensors."""
    targets: Tensor
    order: Tensor | None
    """Targets of the first examples in the order of the source; None where they would have to be loaded twice."""
    examples: int | None


def drawn(train: Any) -> Drawn | None:
    """At most 1,000 examples; None where looking would use them up, as with a generator.

    Raises `InputError` for what holds no pairs of inputs and targets.
    """
    if isinstance(train, tuple | list) and len(train) == 2 and _is_array(train[0]) and _is_array(train[1]):
        inputs, targets = (torch.as_tensor(one) for one in train)
        if len(inputs) != len(targets):
            raise InputError(
                f"check(train=...): {len(inputs)} inputs and {len(targets)} targets; there must be as many of both."
            )
        chosen = _spaced(len(inputs))
        return Drawn(inputs[chosen], targets[chosen], targets[:MOST], len(inputs))
    if hasattr(train, "batches") and hasattr(train, "targets") and hasattr(train, "__len__"):
        return _examples(train)
    if isinstance(train, DataLoader):
        return _loader(train)
    if isinstance(train, IterableDataset) or not hasattr(train, "__getitem__") or not hasattr(train, "__len__"):
        return None if hasattr(train, "__iter__") else _refuse(train)
    return _stacked([_pair(train[int(place)]) for place in _spaced(len(train))], None, len(train))


def _examples(train: Any) -> Drawn:
    """Examples that can be visited in any order, and know their targets."""
    chosen = _spaced(len(train))
    batch = next(iter(train.batches(chosen, len(chosen))))
    return Drawn(batch.inputs, train.targets[chosen], train.targets[:MOST], len(train))


def _loader(loader: DataLoader) -> Drawn | None:
    """The first examples that the loader would feed, without its workers; its generators stay as they were."""
    if isinstance(loader.dataset, IterableDataset):
        return None
    held = {one: one.get_state() for one in _generators(loader)}
    try:
        batches: Any = loader.batch_sampler if loader.batch_sampler is not None else ([one] for one in loader.sampler)
        places = list(itertools.islice(_flat(batches), MOST))
    finally:
        for generator, state in held.items():
            generator.set_state(state)
    pairs = [_pair(loader.dataset[place]) for place in places]
    found = _stacked(pairs, None, len(loader.dataset))  # pyright: ignore[reportArgumentType]
    return None if found is None else found._replace(order=found.targets)


def _flat(batches: Any) -> Iterator[Any]:
    for batch in batches:
        yield from batch


def _generators(loader: DataLoader) -> set[torch.Generator]:
    inside = (loader, loader.sampler, loader.batch_sampler, getattr(loader.batch_sampler, "sampler", None))
    found = (getattr(one, "generator", None) for one in inside)
    return {one for one in found if isinstance(one, torch.Generator)}


def _stacked(pairs: Sequence[tuple[Any, Any]], order: Tensor | None, examples: int | None) -> Drawn | None:
    targets = _stack([target for _, target in pairs])
    if targets is None:
        return None
    return Drawn(_stack([one for one, _ in pairs]), targets, order, examples)


def _stack(values: Sequence[Any]) -> Tensor | None:
    """One tensor of all, where each is one tensor and all have one shape."""
    try:
        each = [torch.as_tensor(one) for one in values]
        return torch.stack(each) if each else None
    except (TypeError, ValueError, RuntimeError):
        return None


def _pair(example: Any) -> tuple[Any, Any]:
    inputs, targets = None, None
    with suppress(InputError):
        inputs, targets = split_batch(example)
    if targets is None:
        raise InputError(
            f"check(train=...): an example is {type(example).__name__} and must be a pair; pass data that yields "
            "(input, target)."
        )
    inside = list(tensors(inputs))
    return (inside[0] if len(inside) == 1 else inputs), targets


def _spaced(count: int) -> Tensor:
    return torch.arange(count) if count <= MOST else torch.linspace(0, count - 1, MOST).long()


def _is_array(value: Any) -> bool:
    return hasattr(value, "__array__") and hasattr(value, "shape") and len(value.shape) > 0


def _refuse(train: Any) -> None:
    raise InputError(
        f"check(train={type(train).__name__}): train must hold pairs; pass a pair of arrays, a Dataset or a DataLoader."
    )
