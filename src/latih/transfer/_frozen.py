"""The record of one freeze, and its undoing."""

from __future__ import annotations

import uuid
from collections.abc import Collection
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from torch import nn

from latih._checks import InputError
from latih._held import release

from ._freeze_table import FrozenRow, frozen_table

_MARK = "_freezes"


@dataclass(eq=False)
class Frozen:
    """What `freeze` did: a table to print, and the way back. As a context manager it undoes itself at the end."""

    model: nn.Module = field(repr=False)
    names: list[str]
    """The frozen parameters, as in `model.named_parameters()`."""
    rows: list[FrozenRow] = field(repr=False)
    """One a block, from the input to the output."""
    notes: list[str]
    """What the rows do not say: weights shared with trained layers, layers that are frozen in part."""
    _held: list[str] = field(repr=False)
    _flags: dict[str, bool] = field(repr=False)
    _token: str = field(repr=False)

    def undo(self) -> None:
        """Put back `requires_grad` and classes as they were, and modes as `train()` last said; once undone, do nothing.

        What has been replaced since then is left alone. Gradients that `freeze` dropped do not come back.

        Raises `InputError` while a later freeze of the same layers is in force.
        """
        marked = [module for module in self.model.modules() if self._token in module.__dict__.get(_MARK, ())]
        if any(module.__dict__[_MARK][-1] != self._token for module in marked):
            raise InputError("Frozen.undo(): some of its layers were frozen again later; undo the latest freeze first.")
        for module in marked:
            module.__dict__[_MARK].pop()
            if not module.__dict__[_MARK]:
                del module.__dict__[_MARK]
        modules = dict(self.model.named_modules(remove_duplicate=False))
        parameters = dict(self.model.named_parameters())
        for path in self._held:
            if path in modules:
                release(modules[path])
        for name, flag in self._flags.items():
            if name in parameters:
                parameters[name].requires_grad_(flag)
        self._held, self._flags = [], {}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.undo()

    def __str__(self) -> str:
        return frozen_table(self.rows, self.notes)


def mark(model: nn.Module, parameters: Collection[int]) -> str:
    """Note at the modules that own these parameters (by id) that one more freeze is in force; return its token."""
    token = uuid.uuid4().hex  # a copy of the model and its record go on to match, also in another process
    for module in model.modules():
        if any(id(parameter) in parameters for parameter in module.parameters(recurse=False)):
            module.__dict__.setdefault(_MARK, []).append(token)
    return token
