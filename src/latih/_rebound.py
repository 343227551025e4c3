"""A loss that reads the model it was written for, as a penalty on its weights does, made one that reads a copy."""

from __future__ import annotations

import copy
import functools
import types
from collections.abc import Mapping
from typing import Any, TypeVar

from torch import nn

Loss = TypeVar("Loss")

_DEPTH = 4
"""Functions within functions that are looked through."""


def rebound(loss: Loss, memo: dict[int, Any]) -> Loss:
    """`loss`, with every module and parameter that it refers to replaced by its copy in `memo`, as `deepcopy` fills it.

    Modules are copied. Of a function, its closure, its defaults and the globals that it names are looked at; of other
    callables, their attributes. What refers to nothing that was copied comes back itself.
    """
    if isinstance(loss, nn.Module):
        return copy.deepcopy(loss, memo)
    return _of(loss, memo, _DEPTH)


def _of(value: Any, memo: dict[int, Any], depth: int) -> Any:
    if id(value) in memo and not isinstance(value, int | float | str | bytes | tuple | type(None)):
        return memo[id(value)]
    if depth == 0 or isinstance(value, type | types.ModuleType | types.BuiltinFunctionType | nn.Module):
        return value
    if isinstance(value, types.FunctionType):
        return _function(value, memo, depth)
    if isinstance(value, types.MethodType):
        owner = _of(value.__self__, memo, depth - 1)
        return value if owner is value.__self__ else types.MethodType(value.__func__, owner)
    if isinstance(value, functools.partial):
        parts = [_of(one, memo, depth - 1) for one in (value.func, *value.args)]
        named = _each(value.keywords, memo, depth)
        changed = bool(named) or any(a is not b for a, b in zip(parts, (value.func, *value.args), strict=True))
        return functools.partial(*parts, **{**value.keywords, **named}) if changed else value
    changes = _each(vars(value), memo, depth) if callable(value) and hasattr(value, "__dict__") else {}
    if not changes:
        return value
    made = copy.copy(value)
    vars(made).update(changes)
    return made


def _function(function: types.FunctionType, memo: dict[int, Any], depth: int) -> types.FunctionType:
    cells = dict(zip(function.__code__.co_freevars, function.__closure__ or (), strict=True))
    held = _each({name: cell.cell_contents for name, cell in cells.items() if _filled(cell)}, memo, depth)
    used = {name: function.__globals__[name] for name in _names(function.__code__) if name in function.__globals__}
    known = _each(used, memo, depth)
    defaults = tuple(_of(one, memo, depth - 1) for one in function.__defaults__ or ())
    same = all(a is b for a, b in zip(defaults, function.__defaults__ or (), strict=True))
    if not held and not known and same:
        return function
    made = types.FunctionType(
        function.__code__,
        {**function.__globals__, **known} if known else function.__globals__,
        function.__name__,
        defaults or None,
        tuple(types.CellType(held[name]) if name in held else cell for name, cell in cells.items()),
    )
    made.__kwdefaults__ = function.__kwdefaults__
    return made


def _names(code: types.CodeType) -> set[str]:
    """Of globals, in what is defined inside as well: a generator over `model.parameters()` is a function of its own."""
    inner = [one for one in code.co_consts if isinstance(one, types.CodeType)]
    return set(code.co_names).union(*map(_names, inner))


def _each(values: Mapping[str, Any], memo: dict[int, Any], depth: int) -> dict[str, Any]:
    """Those that become something else."""
    found = {name: _of(one, memo, depth - 1) for name, one in values.items()}
    return {name: one for name, one in found.items() if one is not values[name]}


def _filled(cell: types.CellType) -> bool:
    try:
        cell.cell_contents  # noqa: B018
    except ValueError:
        return False
    return True
