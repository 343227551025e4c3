"""The widths of a network that can be chosen freely: who puts them out, and who reads them."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import get_gradient_edge

from latih.norm import is_pinned
from latih.tape import (
    Calls,
    Leaves,
    Op,
    Place,
    ancestors,
    call_model,
    flow,
    mapped,
    read_ops,
    recording,
    tensors,
    untouched,
)

from ._resized import NORMS, WEIGHTED, units_of

_FUNCTIONS = frozenset(
    (
        *("Relu", "LeakyRelu", "Celu", "Elu", "Gelu", "Silu", "Mish", "RreluWithNoise", "PreluKernel"),
        *("Hardswish", "Hardsigmoid", "Hardtanh", "Hardshrink", "Softshrink", "softsign", "tanhshrink"),
        *("Sigmoid", "LogSigmoid", "Tanh", "Softplus", "Threshold", "threshold", "Clamp", "ClampMin", "ClampMax"),
        *("Sin", "Cos", "Abs", "Pow", "Exp", "Sqrt", "NativeDropout", "FusedDropout", "dropout"),
    )
)
_SHAPES = frozenset(
    (
        *("View", "UnsafeView", "ReshapeAlias", "Transpose", "T", "Permute", "Squeeze", "Unsqueeze", "Select", "Slice"),
        *("Expand", "Clone", "ToCopy", "Alias", "Contiguous", "Mean", "Sum", "Amax", "Max", "pool"),
    )
)
"""They fit another width, or the widened copy fails, which is tried."""


@dataclass(frozen=True)
class Width:
    """Units or channels between a layer and those that read them; all by path."""

    layer: str
    units: int
    readers: tuple[str, ...]
    norms: tuple[str, ...]
    """Between them."""


def hidden_widths(model: nn.Module, inputs: Any) -> list[Width]:
    """In forward order; those of which only layers of a known kind see anything, one use each. Nothing is left behind.

    A layer is missing where its output meets a sum, a product, a concatenation, attention or anything unknown, and
    where one of the layers involved is frozen, shared, tied, or has hooks.
    """
    devices = {one.device for one in [*model.parameters(), *model.buffers(), *tensors(inputs)]}
    with suppress(Exception), untouched(list(model.modules()), devices), recording(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user's own run says them
        return list(_widths(model, inputs))
    return []


def _widths(model: nn.Module, inputs: Any) -> Iterator[Width]:
    fixed = {name for name, one in model.named_parameters() if not one.requires_grad}
    hooked = {one for one in model.modules() if one._forward_hooks or one._forward_pre_hooks}
    for one in model.parameters():
        one.requires_grad_(True)
    model.train()
    ops, called = _recorded(model, inputs)
    places = flow(ops)
    uses = Counter(name for op in ops for use in places[op].uses for name in use.parameters)
    aliases = Counter(id(one) for part in model.modules() for one in part._parameters.values() if one is not None)

    def known(path: str | None, kinds: Any) -> bool:
        """A module that may be replaced."""
        if not path:
            return False
        part = model.get_submodule(path)
        if type(part) not in kinds or part in hooked or is_pinned(part):
            return False
        names = [(f"{path}.{name}", one) for name, one in part.named_parameters()]
        return all(name not in fixed and uses[name] < 2 and aliases[id(one)] == 1 for name, one in names)

    for op in ops:
        path = _layer(op, places[op])
        if known(path, WEIGHTED) and path is not None:
            found = _followed(op, places, called)
            if found is not None and all(known(one, WEIGHTED) for one in found[0]):
                units = units_of(model.get_submodule(path))
                if units and all(known(one, NORMS) for one in found[1]):
                    yield Width(path, units, *found)


def _recorded(model: nn.Module, inputs: Any) -> tuple[list[Op], dict[Any, str]]:
    """The ops of one forward pass, and node -> path of the norm whose single call has yielded it."""
    results: dict[str, list[Any]] = {}

    def taker(path: str) -> Any:
        def take(_: nn.Module, __: Any, output: Tensor) -> None:
            if output.requires_grad:
                results.setdefault(path, []).append(get_gradient_edge(output).node)

        return take

    for path, part in model.named_modules():
        if type(part) in NORMS:
            part.register_forward_hook(taker(path))
    calls, leaves = Calls(), []

    def tracked(tensor: Tensor) -> Tensor:
        """A sum with the inputs themselves is to be seen as well."""
        copy = tensor.detach().clone()
        if not copy.is_floating_point():
            return copy
        leaves.append(copy.requires_grad_())
        return copy.view_as(copy).clone()

    with calls:
        output = call_model(model, mapped(inputs, tracked))
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    roots = [get_gradient_edge(tensor).node for tensor in tensors(output) if tensor.requires_grad]
    ops = read_ops(roots, ancestors(roots), Leaves(names, set(map(id, leaves)), {}), calls)
    return ops, {nodes[0]: path for path, nodes in results.items() if len(nodes) == 1}


def _layer(op: Op, place: Place) -> str | None:
    """Path of the one module whose weights the op uses."""
    paths = {name.rpartition(".")[0] for use in place.uses for name in use.parameters}
    return paths.pop() if len(paths) == 1 else None


def _followed(op: Op, places: dict[Op, Place], norms: dict[Any, str]) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    """The layers that read what `op` puts out, and the norms on the way; None where something else sees it."""
    readers, passed, waiting = dict[str, None](), dict[str, None](), [op]
    while waiting:
        here = waiting.pop(0)
        if not here.consumers:
            return None
        for consumer in here.consumers:
            place, path = places[consumer], _layer(consumer, places[consumer])
            norm = _norm(consumer, norms)
            if place.signals != 1:
                return None
            if path is not None:
                readers[path] = None
            elif norm is not None:
                passed[norm] = None
            elif place.uses or not _passes(consumer, places):
                return None
            if path is None:
                waiting.append(consumer)
    return tuple(readers), tuple(passed)


def _norm(op: Op, norms: dict[Any, str]) -> str | None:
    nodes = op.call.nodes if op.call else (op.node,)
    return next((norms[node] for node in nodes if node in norms), None)


def _passes(op: Op, places: dict[Op, Place]) -> bool:
    """Of the op's sources only the signal matters, and of its output each value, or each place, stands for itself."""
    alone = all(source is None or places[source].carries == "signal" for source in op.sources)
    known = op.name in _FUNCTIONS | _SHAPES or any(part in op.name for part in ("Pool", "Upsample", "Pad"))
    return known and (alone or op.name == "PreluKernel")
