"""Whether a loss reaches the watched model at all."""

from __future__ import annotations

from collections import deque
from collections.abc import Container, Iterator
from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import BackwardCFunction

Leaf: Any = type(torch.ones(1, requires_grad=True).view(1).grad_fn.next_functions[0][0])  # pyright: ignore
"""The node that adds to a parameter's gradient."""


class Reach:
    """Finds a parameter behind a loss, and tries the same way first the next time: losses are alike step by step."""

    def __init__(self) -> None:
        self._way: list[int] = []

    def first(self, loss: Tensor, parameters: Container[int]) -> Tensor | None:
        """One of the `parameters` (their ids) behind `loss`; None if it reaches none of them."""
        node: Any = loss.grad_fn
        for turn in self._way:
            edges = node.next_functions
            node = edges[turn][0] if turn < len(edges) else None
            if node is None:
                break
        if node is not None and type(node) is Leaf and id(node.variable) in parameters:
            return node.variable
        found, self._way = _search(loss, parameters)
        return found


def _search(loss: Tensor, parameters: Container[int]) -> tuple[Tensor | None, list[int]]:
    """The nearest parameter, and which edge to take at each node on the way to it.

    The last layer of the watched model is usually a few nodes away; only where another network lies behind it, that
    one is crossed.
    """
    waiting: deque[tuple[Any, tuple[int, ...]]] = deque([(loss.grad_fn, ())])
    seen = set()
    while waiting:
        node, way = waiting.popleft()
        if type(node) is Leaf:
            if id(node.variable) in parameters:
                return node.variable, list(way)
        elif node is not None and node not in seen:
            seen.add(node)
            waiting.extend((source, (*way, turn)) for turn, (source, _) in enumerate(node.next_functions))
    return None, []


def hides_parameters(loss: Tensor) -> bool:
    """Whether a reentrant checkpoint holds layers that the graph does not show."""
    return any(isinstance(node, BackwardCFunction) and "Checkpoint" in type(node).__name__ for node in _back(loss))


def _back(loss: Tensor) -> Iterator[Any]:
    waiting: list[Any] = [loss.grad_fn]
    seen = set()
    while waiting:
        node = waiting.pop()
        if node is not None and node not in seen:
            seen.add(node)
            yield node
            waiting.extend([source for source, _ in node.next_functions])
