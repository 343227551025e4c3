"""Modules that stay in evaluation mode, whatever mode the model is put in."""

from __future__ import annotations

import copy
import functools
import itertools
import time
import types
from collections.abc import Callable
from typing import Any, Self

import torch
from torch import nn

from latih._checks import InputError

_MEMORY = "_before_holding"
_TICKS = itertools.count(time.time_ns())
"""Numbers calls of `train()` in their order, also after those that a pickle of an earlier process remembers."""


def hold(module: nn.Module) -> None:
    """Put `module` and all below it into evaluation mode for good, until `release`; they ignore `train()`.

    Each module's class is swapped for a subclass of its own class, of the same name, so that `isinstance`, the state's
    keys, hooks and parameters stay, and so do `deepcopy`, pickle, `torch.compile` and DDP. Every module below is held
    for itself: it stays so where it is taken out of its parent, and what is put in its place later is not held. Holds
    add up: a module that was held twice is free after two releases. `repr` says "held".

    Raises `InputError`, with nothing changed, where a class cannot be swapped, as that of a ScriptModule.

    >>> net = nn.Sequential(nn.Linear(2, 2), nn.Dropout(0.5))
    >>> hold(net[1])
    >>> net.train().training, net[1].training, net[1]
    (True, False, Dropout(p=0.5, inplace=False, held))
    """
    parts = {part: (part.training, part.__dict__.get(_MEMORY, {}).get("asked")) for part in module.modules()}
    swapped = {part: _held_class(own_class(part)) for part in parts if not is_held(part)}
    module.eval()  # not by attribute alone: a module's own train() may do more than set the mode
    for part, (mode, asked) in parts.items():
        memory = part.__dict__.setdefault(_MEMORY, {"times": 0, "mode": mode})
        memory["times"] += 1
        memory["asked"] = asked
        if part in swapped:
            object.__setattr__(part, "__class__", swapped[part])  # some modules pass attributes on to another
        part.training = False


def release(module: nn.Module) -> None:
    """Undo one `hold` of `module` and of all below it: class as before, mode as `train()` last said.

    What is not held stays as it is.

    >>> net = nn.Sequential(nn.Dropout(0.5)).eval()
    >>> hold(net)
    >>> net = net.train()
    >>> release(net)
    >>> net[0].training, type(net[0]) is nn.Dropout
    (True, True)
    """
    memories = {part: part.__dict__[_MEMORY] for part in module.modules() if is_held(part)}
    asked = {part: memory["asked"] for part, memory in memories.items()}
    for memory in memories.values():
        memory["times"] -= 1
    freed = [part for part, memory in memories.items() if not memory["times"]]
    for part in freed:
        del part.__dict__[_MEMORY]
        object.__setattr__(part, "__class__", own_class(part))
    for part in _tops(freed):
        part.train(memories[part]["mode"])  # what its own train() does apart from the mode
    for part, memory in memories.items():
        memory["asked"] = asked[part]
        part.training = memory["mode"] and not memory["times"]
    if freed:
        _repeat(asked)


def is_held(module: nn.Module) -> bool:
    """Whether `module` is in evaluation mode for good."""
    return _MEMORY in module.__dict__


def own_class(module: nn.Module) -> type[nn.Module]:
    """The class of `module` apart from being held, for whoever asks for the very class and not for `isinstance`.

    >>> held = nn.Sequential()
    >>> hold(held)
    >>> type(held) is nn.Sequential, own_class(held) is nn.Sequential
    (False, True)
    """
    return vars(type(module)).get("_held_from", type(module))


class Held(nn.Module):
    """What `hold` puts in front of a module's own class."""

    def train(self, mode: bool = True) -> Self:
        """Stay in evaluation mode, and remember `mode` for `release`."""
        if not is_held(self):  # made by calling a held module's class, as a slice of a Sequential is
            return super().train(mode)
        _tell(self, (next(_TICKS), mode))
        return self

    def extra_repr(self) -> str:
        """What the module says of itself, and that it is held."""
        said = super().extra_repr()
        return ", ".join([said, "held"] if said else ["held"]) if is_held(self) else said

    def __reduce_ex__(self, protocol: Any) -> Any:
        # the swapped class exists only at run time: a pickle names the class it was made from
        make, arguments, *state = super().__reduce_ex__(protocol)
        make, *arguments = (own_class(self) if part is type(self) else part for part in (make, *arguments))
        return _remade, (make, tuple(arguments), self.__dict__.get(_MEMORY)), *state


def _remade(make: Callable[..., nn.Module], arguments: tuple[Any, ...], memory: dict[str, Any] | None) -> nn.Module:
    return _held_again(make(*arguments), memory)


def _held_again(module: nn.Module, memory: dict[str, Any] | None) -> nn.Module:
    object.__setattr__(module, "__class__", _held_class(type(module)))
    if memory is not None:
        module.__dict__.setdefault(_MEMORY, dict(memory))
    return module


def _copied(module: nn.Module, memo: dict[int, Any]) -> nn.Module:
    """A deep copy by the class's own `__deepcopy__`, which may look at its class and forget what it does not know."""
    held = type(module)
    object.__setattr__(module, "__class__", own_class(module))
    try:
        return _held_again(copy.deepcopy(module, memo), module.__dict__.get(_MEMORY))
    finally:
        object.__setattr__(module, "__class__", held)


@functools.cache
def _held_class(own: type[nn.Module]) -> type[nn.Module]:
    # the very name and module: tracers, model hubs and repr tell layers by them
    members: dict[str, Any] = {"__module__": own.__module__, "__qualname__": own.__qualname__, "__doc__": own.__doc__}
    members["_held_from"] = own
    if hasattr(own, "__deepcopy__"):
        members["__deepcopy__"] = _copied
    try:
        if issubclass(own, torch.jit.ScriptModule):
            raise TypeError("it is compiled")
        return types.new_class(own.__name__, (Held, own), {}, lambda namespace: namespace.update(members))
    except Exception as error:
        raise InputError(
            f"{own.__name__} cannot be kept in evaluation mode, for its class cannot be extended "
            f"({str(error).rstrip('.')}); do this before the module is compiled, or leave the module out."
        ) from error


def _tell(module: nn.Module, call: tuple[int, bool]) -> None:
    """Remember a call of `train()` at `module` and all below; what was put in after the hold follows it."""
    if not is_held(module):
        module.train(call[1])
        return
    module.__dict__[_MEMORY]["asked"] = call
    module.training = False  # a compiled model's train() also sets the attribute of the module that it wraps
    for child in module.children():
        _tell(child, call)


def _repeat(asked: dict[nn.Module, tuple[int, bool] | None]) -> None:
    """Call `train()` as it was called meanwhile, in that order, each call at the top of what heard it."""
    calls: dict[tuple[int, bool], list[nn.Module]] = {}
    for part, call in asked.items():
        if call is not None:
            calls.setdefault(call, []).append(part)
    for call in sorted(calls):
        for part in _tops(calls[call]):
            part.train(call[1])


def _tops(parts: list[nn.Module]) -> list[nn.Module]:
    inner = {child for part in parts for child in part.children()}
    return [part for part in parts if part not in inner]
