"""Layers in plain lists and dictionaries of a module, which `parameters()` does not find."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from torch import nn

_TORCHS = frozenset(vars(nn.Module()))
"""Attributes that every module has."""


def register_hidden(model: nn.Module) -> list[tuple[str, str]]:
    """Register, in place, what holds parameters that are not the model's; (path of the attribute, what it became)."""
    known = {id(one) for one in model.parameters()}
    made = []
    for path, owner in list(model.named_modules()):
        for name, value in list(vars(owner).items()):
            if name in _TORCHS:
                continue
            hidden = [one for one in _parameters(value) if id(one) not in known]
            if not hidden:
                continue
            made.append((f"{path}.{name}" if path else name, _register(owner, name, value)))
            known |= {id(one) for one in hidden}
    return made


def _register(owner: nn.Module, name: str, value: Any) -> str:
    registered = _as_module(value)
    if registered is None:
        # other things stand between the layers: the list stays, and its layers get a name beside it
        free = next(one for n in range(1000) if not hasattr(owner, one := f"{name}_layers{n or ''}"))
        beside = nn.ModuleList(_modules(value))
        beside.training = owner.training
        owner.add_module(free, beside)
        return "nn.ModuleList beside it"
    registered.training = owner.training
    del vars(owner)[name]
    setattr(owner, name, registered)
    return f"nn.{type(registered).__name__}"


def _as_module(value: Any) -> Any:
    """The same container as a module; None where something else is in it."""
    if isinstance(value, nn.Module | nn.Parameter):
        return value
    if isinstance(value, Mapping):
        inside = {key: _as_module(one) for key, one in value.items()}
        if any(one is None or not isinstance(key, str) or "." in key for key, one in inside.items()):
            return None
        return _joined(inside, nn.ModuleDict, nn.ParameterDict)
    if isinstance(value, list | tuple):
        inside = [_as_module(one) for one in value]
        return None if any(one is None for one in inside) else _joined(inside, nn.ModuleList, nn.ParameterList)
    return None


def _joined(inside: Any, modules: Any, parameters: Any) -> Any:
    values = list(inside.values()) if isinstance(inside, dict) else inside
    if all(isinstance(one, nn.Module) for one in values):
        return modules(inside)
    return parameters(inside) if all(isinstance(one, nn.Parameter) for one in values) else None


def _parameters(value: Any) -> Iterator[nn.Parameter]:
    if isinstance(value, nn.Parameter):
        yield value
    elif isinstance(value, nn.Module):
        yield from value.parameters()
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _parameters(one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _parameters(one)


def _modules(value: Any) -> Iterator[nn.Module]:
    if isinstance(value, nn.Module):
        yield value
    elif isinstance(value, nn.Parameter):
        yield nn.ParameterList([value])
    elif isinstance(value, Mapping):
        for one in value.values():
            yield from _modules(one)
    elif isinstance(value, list | tuple | set):
        for one in value:
            yield from _modules(one)
