"""A block after which the random generators that a user's data hold are as they were."""

from __future__ import annotations

import random
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

_DEPTH = 5
"""Loader, batch sampler, sampler, data set, the data set inside it."""


@contextmanager
def same_order(*sources: Any) -> Iterator[None]:
    """Put back every generator that loaders, samplers and data sets hold, and end workers that were not there before.

    Generators of torch, numpy and Python are found in attributes, tuples, lists and dicts.
    """
    held = list(_reached(sources))
    states = [(one, _state(one)) for one in held if _is_generator(one)]
    loaders = [(one, getattr(one, "_iterator", None)) for one in held if isinstance(one, DataLoader)]
    try:
        yield
    finally:
        for one, state in states:
            _put_back(one, state)
        for loader, iterator in loaders:
            # persistent workers that live on would not draw the seed that the first epoch draws
            loader._iterator = iterator


def _reached(sources: Any) -> Iterator[Any]:
    seen: dict[int, Any] = {}
    waiting = [(one, 0) for one in sources]
    while waiting:
        one, depth = waiting.pop()
        if id(one) in seen or isinstance(one, str | bytes | int | float | Tensor | np.ndarray | nn.Module | type):
            continue
        seen[id(one)] = one
        yield one
        if depth < _DEPTH and not _is_generator(one):
            waiting += [(inner, depth + 1) for inner in _inside(one)]


def _inside(one: Any) -> list[Any]:
    if isinstance(one, dict):
        return list(one.values())[:1000]
    if isinstance(one, tuple | list):
        return list(one[:1000])
    return list(vars(one).values()) if hasattr(one, "__dict__") else []


def _is_generator(one: Any) -> bool:
    return isinstance(one, torch.Generator | np.random.Generator | np.random.RandomState | random.Random)


def _state(one: Any) -> Any:
    if isinstance(one, torch.Generator):
        return one.get_state()
    if isinstance(one, np.random.Generator):
        return one.bit_generator.state
    return one.getstate() if isinstance(one, random.Random) else one.get_state()


def _put_back(one: Any, state: Any) -> None:
    if isinstance(one, np.random.Generator):
        one.bit_generator.state = state
    elif isinstance(one, random.Random):
        one.setstate(state)
    else:
        one.set_state(state)
