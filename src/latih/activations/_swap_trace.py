"""Activations that a forward calls as functions, reached by tracing that forward alone with torch.fx."""

from __future__ import annotations

import inspect
import random
import sys
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, fx, nn

from latih.tape import untouched

from ._swap_known import FUNCTIONS, MODULES


@dataclass
class Traced:
    """A forward as two graphs, in training and in evaluation: a trace freezes `self.training`."""

    owner: nn.Module
    graphs: tuple[fx.Graph, fx.Graph]
    calls: tuple[list[fx.Node], list[fx.Node]]

    @property
    def was(self) -> list[str]:
        """Names of the activations called, in order."""
        return [_name(node) or "" for node in self.calls[0]]


def trace(owner: nn.Module) -> Traced | str:
    """The forward of `owner`, with every module in it left as it is; or why it cannot be traced faithfully."""
    if owner.__module__.startswith("torch.nn."):
        return f"inside torch's own {type(owner).__name__}"
    if "forward" in owner.__dict__:
        return "its forward was replaced on the instance"
    if any(map(_optional, inspect.signature(owner.forward).parameters.values())):
        return "its forward takes optional arguments, which a trace would freeze"
    try:
        training, evaluation = (_graph(owner, mode) for mode in (True, False))
    except _UnfaithfulError as error:
        return str(error)
    except Exception:  # tracing runs any code of the user's
        return "torch.fx cannot trace its forward"
    calls = tuple([node for node in graph.nodes if _name(node)] for graph in (training, evaluation))
    if [_name(node) for node in calls[0]] != [_name(node) for node in calls[1]]:
        return "its forward takes another way in evaluation"
    if any(_overwrites(node) for nodes in calls for node in nodes):
        return "an in-place call whose input is used again"
    return Traced(owner, (training, evaluation), (calls[0], calls[1]))


def _optional(parameter: inspect.Parameter) -> bool:
    return parameter.default is not parameter.empty or parameter.kind in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


class _Shallow(fx.Tracer):
    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        return True


class _UnfaithfulError(Exception):
    """The trace would not repeat what the forward does."""


def _graph(owner: nn.Module, training: bool) -> fx.Graph:
    with untouched(list(owner.modules()), {p.device for p in owner.parameters()}):
        owner.training = training
        before, drawn = dict(owner.__dict__), torch.get_rng_state()
        buffers = dict(owner._buffers)
        with _no_draws():
            graph = _Shallow().trace(owner)
        if not torch.equal(drawn, torch.get_rng_state()):
            raise _UnfaithfulError("its forward draws random numbers, which a trace would freeze")
        if before.keys() != owner.__dict__.keys() or any(before[k] is not owner.__dict__[k] for k in before):
            raise _UnfaithfulError("its forward changes its own attributes")
        if buffers.keys() != owner._buffers.keys():
            raise _UnfaithfulError("its forward makes tensors, which a trace would freeze")
    return graph


@contextmanager
def _no_draws():
    """Notice Python's and numpy's own random numbers too."""
    numpy = sys.modules.get("numpy")
    before = random.getstate(), str(numpy.random.get_state()) if numpy else ""
    yield
    if before != (random.getstate(), str(numpy.random.get_state()) if numpy else ""):
        raise _UnfaithfulError("its forward draws random numbers, which a trace would freeze")


def _name(node: fx.Node) -> str | None:
    if node.op == "call_function":
        return FUNCTIONS.get(node.target)  # type: ignore[arg-type]
    if node.op == "call_method":
        name = str(node.target)
        return FUNCTIONS.get(getattr(Tensor, name, None)) if name.rstrip("_") in MODULES.values() else None  # type: ignore[arg-type]
    return None


def _overwrites(node: fx.Node) -> bool:
    target = getattr(node.target, "__name__", str(node.target))
    inplace = target.endswith("_") or node.kwargs.get("inplace") is True
    source = node.args[0] if node.args else None
    return inplace and (not node.users or (isinstance(source, fx.Node) and len(source.users) > 1))
