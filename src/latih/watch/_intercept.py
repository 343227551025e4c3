"""Hear of every backward pass and of every scaled loss inside a block, whichever way they are asked for."""

from __future__ import annotations

import threading
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple, Protocol

import torch
from torch import Tensor
from torch.amp.grad_scaler import GradScaler


class Listener(Protocol):
    """Whoever wants to hear of backward passes; neither method may raise."""

    def before_backward(self, losses: Sequence[Tensor]) -> None:
        """The graph is still there, nothing has been differentiated."""

    def after_backward(self, losses: Sequence[Tensor]) -> None:
        """Gradients have been added."""


class Scaled(NamedTuple):
    """A loss before `GradScaler.scale`, and by how much it was scaled."""

    loss: Tensor
    scale: Tensor


_listeners: list[tuple[int, Listener]] = []
"""With the thread that opened the block."""
_running: set[int] = set()
"""Threads inside a backward pass; what a reentrant checkpoint differentiates there is part of it."""
_scaled: dict[int, tuple[weakref.ref[Tensor], Scaled]] = {}
_own: tuple[Any, Any] = (torch.autograd.backward, GradScaler.scale)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Tell `listener` of the backward passes inside the block.

    `Tensor.backward` and `torch.autograd.backward` end in the same function, which is replaced as long as anybody
    listens; so is `GradScaler.scale`, to know a loss as it was before it was scaled. Blocks may end in any order.
    """
    if not _listeners:
        _install()
    entry = threading.get_ident(), listener
    _listeners.append(entry)
    try:
        yield
    finally:
        _listeners.remove(entry)
        if not _listeners:
            _remove()


def unscaled(loss: Tensor) -> Scaled | None:
    """What `GradScaler.scale` made `loss` from; None for any other loss."""
    held = _scaled.get(id(loss)) if _scaled else None
    return held[1] if held is not None and held[0]() is loss else None


def _install() -> None:
    global _own
    _own = torch.autograd.backward, GradScaler.scale
    torch.autograd.backward = _backward
    GradScaler.scale = _scale  # pyright: ignore[reportAttributeAccessIssue]


def _remove() -> None:
    # somebody else may have wrapped ours meanwhile: theirs stays, and ours passes everything on
    if torch.autograd.backward is _backward:
        torch.autograd.backward = _own[0]
    if GradScaler.scale is _scale:
        GradScaler.scale = _own[1]
    _scaled.clear()


def _backward(tensors: Any, *args: Any, **kwargs: Any) -> None:
    losses = (tensors,) if isinstance(tensors, Tensor) else tuple(tensors) if isinstance(tensors, list | tuple) else ()
    thread = threading.get_ident()
    told = [] if thread in _running else [listener for owner, listener in _listeners if owner == thread]
    if not told:
        return _own[0](tensors, *args, **kwargs)
    for listener in told:
        listener.before_backward(losses)
    _running.add(thread)
    try:
        _own[0](tensors, *args, **kwargs)
    finally:
        _running.discard(thread)
    for listener in told:
        listener.after_backward(losses)
    return None


def _scale(self: Any, outputs: Any) -> Any:
    result = _own[1](self, outputs)
    if isinstance(outputs, Tensor) and result is not outputs:
        _scaled.clear()  # a loss is scaled just before it is differentiated: the last one is enough
        _scaled[id(result)] = weakref.ref(result), Scaled(outputs.detach(), self._scale)
    return result
