"""What one recorded batch says of every activation call: who made it, and what comes of its output."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from latih.tape import (
    Calls,
    Leaves,
    ancestors,
    call_model,
    mapped,
    read_ops,
    recording,
    split_batch,
    tensors,
    untouched,
)

from ._swap_known import FUNCTIONS
from ._swap_roles import Called, judge
from ._swap_sites import Site


@dataclass
class Recording:
    """The calls of every site, and those that each module's own forward makes."""

    sites: dict[tuple[int, str], list[Called]] = field(default_factory=dict)
    direct: dict[int, list[Called]] = field(default_factory=dict)
    """id of a module -> the calls in its forward, in order."""
    inputs: dict[int, tuple[tuple, dict]] = field(default_factory=dict)
    """id of a module of the user's -> what it was last called with."""
    plain_dropout: set[int] = field(default_factory=set)
    """ids of the modules whose forward calls a dropout function."""


def record(model: nn.Module, batch: Any, sites: Sequence[Site]) -> Recording:
    """Run one forward pass in training mode; the model and the random generators are left bit-identical."""
    inputs, _ = split_batch(batch)
    seen = Recording()
    held = [*model.parameters(), *model.buffers(), *tensors(inputs)]
    with untouched(list(model.modules()), {tensor.device for tensor in held}), recording(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user's own run says them
        for parameter in model.parameters():
            parameter.requires_grad_(True)
        model.train()
        leaves: list[Tensor] = []
        calls, listener = Calls(), _Listener(seen, {id(one.module): one for one in sites if one.module is not None})
        with _tagged(sites, listener), _owners(model, listener), calls, listener:
            output = call_model(model, mapped(inputs, lambda tensor: _tracked(tensor, leaves)))
        names = {id(parameter): name for name, parameter in model.named_parameters()}
        roots = [get_gradient_edge(tensor).node for tensor in tensors(output) if tensor.requires_grad]
        ops = read_ops(roots, ancestors(roots), Leaves(names, set(map(id, leaves)), {}), calls)
        judge([*seen.sites.values(), *seen.direct.values()], ops)
    return seen


def _tracked(tensor: Tensor, leaves: list[Tensor]) -> Tensor:
    copy = tensor.detach().clone()
    if not copy.is_floating_point():
        return copy
    leaves.append(copy.requires_grad_())
    return copy.view_as(copy).clone()


class _Listener(TorchFunctionMode):
    def __init__(self, seen: Recording, modules: dict[int, Site]) -> None:
        super().__init__()
        self.seen = seen
        self.modules = modules
        """id of a module -> the site that it is."""
        self.owners: list[nn.Module] = []
        self.site: tuple[int, str] | None = None

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        result = func(*args, **(kwargs or {}))
        owner = self.owners[-1] if self.owners else None
        if "dropout" in getattr(func, "__name__", "") and not isinstance(owner, nn.modules.dropout._DropoutNd):
            self.seen.plain_dropout.add(id(owner))
        if func in FUNCTIONS and owner is not None:
            if self.site is not None:
                self.called(self.site, FUNCTIONS[func], result)
            elif id(owner) not in self.modules:
                self.seen.direct.setdefault(id(owner), []).append(_call(FUNCTIONS[func], result))
        return result

    def called(self, key: tuple[int, str], was: str, result: Any) -> None:
        """What the site `key` has made."""
        self.seen.sites.setdefault(key, []).append(_call(was, result))


def _call(was: str, result: Any) -> Called:
    edge = isinstance(result, Tensor) and result.requires_grad
    return Called(was, node=get_gradient_edge(result).node if edge else None)


@contextmanager
def _owners(model: nn.Module, listener: _Listener) -> Iterator[None]:
    """Keep the module whose forward runs on top of the listener's pile."""

    def enter(module: nn.Module, args: tuple, kwargs: dict) -> None:
        listener.owners.append(module)
        if not module.__module__.startswith("torch.nn."):
            listener.seen.inputs[id(module)] = mapped((args, kwargs), lambda tensor: tensor.detach().clone())

    def leave(module: nn.Module, args: tuple, output: Any) -> None:
        listener.owners.pop()
        site = listener.modules.get(id(module))
        if site is not None:
            listener.called(site.key, site.was, output)

    handles = [one.register_forward_pre_hook(enter, with_kwargs=True) for one in model.modules()]
    handles += [one.register_forward_hook(leave, always_call=True) for one in model.modules()]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _tagged(sites: Sequence[Site], listener: _Listener) -> Iterator[None]:
    """Let a function in an attribute say by which attribute it was called."""
    held = [(*site.holders[0], site.key) for site in sites if site.module is None]
    functions = [holder.__dict__[name] for holder, name, _ in held]
    for (holder, name, key), function in zip(held, functions, strict=True):
        holder.__dict__[name] = _announced(function, key, listener)
    try:
        yield
    finally:
        for (holder, name, _), function in zip(held, functions, strict=True):
            holder.__dict__[name] = function


def _announced(function: Callable, key: tuple[int, str], listener: _Listener) -> Callable:
    def call(*args: Any, **kwargs: Any) -> Any:
        listener.site = key
        try:
            return function(*args, **kwargs)
        finally:
            listener.site = None

    return call
