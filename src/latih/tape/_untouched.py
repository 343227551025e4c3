"""A block after which a model, its buffers and modes, and every random generator are as they were, bit for bit."""

from __future__ import annotations

import gc
import random
import sys
from collections import OrderedDict
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
import torch.utils.checkpoint
from torch import Tensor, nn


@contextmanager
def untouched(modules: list[nn.Module], devices: set[torch.device]) -> Iterator[None]:
    """Put back the modules' attributes and tensors, and the generators of Python, numpy, the CPU and `devices`."""
    attributes = [(module.__dict__, dict(module.__dict__), _containers(module.__dict__)) for module in modules]
    held = {id(tensor): tensor for module in modules for tensor in _tensors(module)}.values()
    before = [(tensor, _copy(tensor), tensor.requires_grad, _grad(tensor)) for tensor in held]
    with _generators(devices):
        try:
            yield
        finally:
            for now, was, containers in attributes:
                _put_back(now, was)
                for container, content in containers:
                    _refill(container, content)
            for tensor, values, requires_grad, grad in before:
                _restore(tensor, values, requires_grad, grad)


_PLAIN = frozenset((dict, OrderedDict, list, set))


def _containers(attributes: dict[str, Any]) -> list[tuple[Any, Any]]:
    # a module holds a dozen empty dicts of hooks: those need no copy
    return [(value, value.copy() if value else None) for value in attributes.values() if type(value) in _PLAIN]


def _tensors(module: nn.Module) -> Iterable[Tensor]:
    found = [*module._parameters.values(), *module._buffers.values(), *module.__dict__.values()]
    return (value for value in found if isinstance(value, Tensor))


def _grad(tensor: Tensor) -> Tensor | None:
    return tensor.grad if tensor.is_leaf else None  # torch warns of the others


def _copy(tensor: Tensor) -> Tensor | None:
    # a copy of the parameters takes what their gradients will take in any case
    return None if tensor.is_meta else tensor.detach().clone()


def _put_back(now: dict[str, Any], was: dict[str, Any]) -> None:
    if list(now) != list(was) or list(map(id, now.values())) != list(map(id, was.values())):
        now.clear()
        now.update(was)


def _refill(container: Any, content: Any) -> None:
    if content is None:
        if container:
            container.clear()
    elif isinstance(container, dict):
        _put_back(container, content)
    elif isinstance(container, list):
        container[:] = content
    else:
        container.clear()
        container.update(content)


def _restore(tensor: Tensor, values: Tensor | None, requires_grad: bool, grad: Tensor | None) -> None:
    if values is not None:
        if tensor.shape != values.shape:
            tensor.data = values
        elif not torch.equal(tensor, values):
            # through .data: a graph that the user still holds must not see a new version
            tensor.data.copy_(values)
    if tensor.is_leaf:
        if tensor.requires_grad != requires_grad:
            tensor.requires_grad_(requires_grad)
        if tensor.grad is not grad:
            tensor.grad = grad


@contextmanager
def _generators(devices: set[torch.device]) -> Iterator[None]:
    python, cpu = random.getstate(), torch.get_rng_state()
    numpy = sys.modules.get("numpy")  # nothing to put back where no one has imported it
    numpy_state = numpy.random.get_state() if numpy else None
    others = [(device, _get_state(device)) for device in devices if device.type not in ("cpu", "meta")]
    try:
        yield
    finally:
        random.setstate(python)
        torch.set_rng_state(cpu)
        if numpy:
            numpy.random.set_state(numpy_state)
        for device, state in others:
            module = torch.get_device_module(device)
            module.set_rng_state(state) if device.type == "mps" else module.set_rng_state(state, device)


def _get_state(device: torch.device) -> Tensor:
    module = torch.get_device_module(device)
    return module.get_rng_state() if device.type == "mps" else module.get_rng_state(device)


@contextmanager
def recording() -> Iterator[None]:
    """Let autograd record everything: gradients on, nothing compiled, no checkpoint that hides its layers."""
    with ExitStack() as stack:
        stack.enter_context(torch.inference_mode(False))
        stack.enter_context(torch.enable_grad())
        if "torch._dynamo" in sys.modules:  # else nothing was compiled
            stack.enter_context(torch.compiler.set_stance("force_eager"))
        stack.enter_context(_no_hidden_layers())
        yield


@contextmanager
def no_collection() -> Iterator[None]:
    """Hold garbage collection: it would walk the whole heap for the many small objects of a deep graph."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if enabled:
            gc.enable()


@contextmanager
def _no_hidden_layers() -> Iterator[None]:
    function = torch.utils.checkpoint.CheckpointFunction
    function.apply = staticmethod(lambda run, preserve, *args: run(*args))  # type: ignore[method-assign]
    try:
        yield
    finally:
        del function.apply
