"""Which module's output is which module's input, in one recorded forward pass."""

from __future__ import annotations

import copy
import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from latih._checks import InputError
from latih.tape import call_model, mapped, split_batch, tensors, unwrap

ModelT = TypeVar("ModelT", bound=nn.Module)

Edge = tuple[Any, int]
"""One output of one autograd node. Unlike the tensor's identity it changes when the tensor is overwritten in place."""


@dataclass
class Call:
    """One call of a module that takes a tensor first and returns a tensor."""

    source: Edge | None
    """What its input is; None if it depends on no parameter."""
    result: Edge | None
    shape: tuple[int, ...]
    """Of its output, batch included."""
    input_shape: tuple[int, ...]


@dataclass
class Wires:
    """What one forward pass says about the modules of a model."""

    outputs: list[Tensor]
    """The model's, detached."""
    calls: dict[str, list[Call]] = field(default_factory=dict)
    """Path of the module -> its calls, in order."""
    readers: Counter[Edge] = field(default_factory=Counter)
    """How many ops, or outputs of the model, read an edge."""


def record(model: nn.Module, batch: Any) -> Wires:
    """Run `model` on the inputs of `batch`, in its mode; for a copy, since running statistics and buffers move."""
    calls: dict[str, list[Call]] = {}
    handles = [module.register_forward_hook(_taker(calls, name)) for name, module in model.named_modules()]
    flags = [(parameter, parameter.requires_grad) for parameter in model.parameters()]
    try:
        for parameter, _ in flags:
            parameter.requires_grad_(True)
        with torch.enable_grad():
            outputs = run(model, batch)
    finally:
        for handle in handles:
            handle.remove()
        for parameter, flag in flags:
            parameter.requires_grad_(flag)
    return Wires([output.detach() for output in outputs], calls, _readers(outputs))


def run(model: nn.Module, batch: Any) -> list[Tensor]:
    """The tensors that `model` returns for the inputs of `batch`; the random generators are put back."""
    inputs, _ = split_batch(batch)
    # a model may overwrite its input
    fed = mapped(inputs, torch.Tensor.clone)
    with quietly(model):
        return list(tensors(call_model(model, fed)))


@contextmanager
def quietly(model: nn.Module) -> Iterator[None]:
    """A block without warnings (the user's own run says them) that leaves torch's random generators as they were."""
    devices = {one.device.index for one in [*model.parameters(), *model.buffers()] if one.device.type == "cuda"}
    with torch.random.fork_rng(sorted(devices)), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def copied(call: str, model: ModelT) -> ModelT:
    """A deep copy, or the sentence that says why there is none."""
    if unwrap(model) is not model:
        raise InputError(
            f"{call}(model={type(model).__name__}): the model is wrapped; pass the module inside, and compile or "
            "distribute the result."
        )
    try:
        return copy.deepcopy(model)
    except Exception as error:
        raise InputError(f"{call}(model): the model cannot be copied ({error}); detach what it keeps.") from error


@contextmanager
def failing(sentence: str) -> Iterator[None]:
    """Turn any error of a model into `sentence` (which may name the `{error}`)."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:
        shown = f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"
        raise InputError(sentence.format(error=shown)) from error


def _taker(calls: dict[str, list[Call]], name: str) -> Any:
    def take(module: nn.Module, args: tuple, output: Any) -> None:
        if args and isinstance(args[0], Tensor) and isinstance(output, Tensor):
            call = Call(_edge(args[0]), _edge(output), tuple(output.shape), tuple(args[0].shape))
            calls.setdefault(name, []).append(call)

    return take


def _edge(tensor: Tensor) -> Edge | None:
    if not tensor.requires_grad:
        return None
    edge = get_gradient_edge(tensor)
    return edge.node, edge.output_nr


def _readers(outputs: list[Tensor]) -> Counter[Edge]:
    waiting = [edge for edge in map(_edge, outputs) if edge is not None]
    readers: Counter[Edge] = Counter(waiting)
    nodes = {node for node, _ in waiting}
    stack = list(nodes)
    while stack:
        for node, output in stack.pop().next_functions:
            if node is not None:
                readers[node, output] += 1
                if node not in nodes:
                    nodes.add(node)
                    stack.append(node)
    return readers
