"""Activations that a forward calls as functions: judged call by call, replaced in a trace of that forward."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, fx, nn

from latih.tape import tensors, untouched

from ._base import Activation
from ._swap_known import has_weights
from ._swap_order import ASK
from ._swap_record import Recording
from ._swap_report import Place, SwapReport
from ._swap_roles import REASONS, Called, why
from ._swap_sites import fresh
from ._swap_trace import Traced, trace


def swap_calls(model: nn.Module, spec: Activation, seen: Recording | None, report: SwapReport) -> None:
    """Replace every hidden call in every forward that can be traced; list the others."""
    for path, owner in list(model.named_modules()):
        made = None if seen is None else seen.direct.get(id(owner), [])
        if made == [] or (made is None and type(owner).__module__.startswith("torch.nn.")):
            continue
        traced = trace(owner)
        if isinstance(traced, str):
            was = ", ".join(dict.fromkeys(call.was for call in made or [])) or "?"
            reasons = {why([call]) for call in made or []} or {""}
            report.left.append(Place(path, was, min(reasons) or f"function call not reached: {traced}"))
            continue
        _swap_traced(path, traced, made, spec, model, seen, report)


def _swap_traced(
    path: str,
    traced: Traced,
    made: list[Called] | None,
    spec: Activation,
    model: nn.Module,
    seen: Recording | None,
    report: SwapReport,
) -> None:
    was, reasons = traced.was, []
    if made is not None and [call.was for call in made] != was * (len(made) // max(len(was), 1)):
        report.left.append(Place(path, made[0].was, "function call not reached: the trace sees other calls"))
        return
    for place in range(len(was)):
        if made is None:
            role = _role(traced, place)
            reasons.append("" if role == "hidden" else REASONS.get(role, f"function call: {ASK}"))
        else:
            reasons.append(why(made[place :: len(was)]))
    chosen = [place for place, reason in enumerate(reasons) if not reason]
    if chosen and seen is not None and not _agrees(traced, *seen.inputs[id(traced.owner)]):
        reasons = [reason or "function call not reached: its trace computes something else" for reason in reasons]
        chosen = []
    report.left += [Place(path, was[at], reason) for at, reason in enumerate(reasons) if reason]
    report.swapped += [Place(path, was[at], "function call") for at in chosen]
    if chosen:
        _replace(traced, chosen, lambda: fresh(spec, model))
        if made is None:
            report.kept.append(Place(path, "call", f"which layers feed it: {ASK}"))


def _agrees(traced: Traced, args: tuple, kwargs: dict) -> bool:
    """Whether the traced forward repeats the original bit for bit on these inputs, in evaluation and in training."""
    owner, ours = traced.owner, _Forward(traced)
    devices = {tensor.device for tensor in [*owner.parameters(), *owner.buffers(), *tensors((args, kwargs))]}
    for training in (False, True):
        results = []
        for forward in (owner.forward, ours):
            with untouched(list(owner.modules()), devices), torch.no_grad():
                owner.train(training)
                try:
                    results.append(list(tensors(forward(*copy.deepcopy(args), **copy.deepcopy(kwargs)))))
                except Exception:  # whatever the user's code does on a frozen value
                    return False
        if not (len(results[0]) == len(results[1]) and all(map(_identical, *results))):
            return False
    return True


def _replace(traced: Traced, places: Sequence[int], make: Callable[[], nn.Module]) -> None:
    """Put fresh modules into the calls at `places`, and the changed forward into the owner."""
    for place in places:
        name = next(name for n in range(10_000) if not hasattr(traced.owner, name := f"activation_{n}"))
        traced.owner.add_module(name, make().train(traced.owner.training))
        for graph, nodes in zip(traced.graphs, traced.calls, strict=True):
            node = nodes[place]
            with graph.inserting_after(node):
                new = graph.call_module(name, (node.args[0] if node.args else node.kwargs["input"],))
            node.replace_all_uses_with(new)
            graph.erase_node(node)
    traced.owner.forward = _Forward(traced)


def _role(traced: Traced, place: int) -> str:
    """Without a batch: "hidden" if a weighted module follows within this forward, "gate" before a product, or ""."""
    waiting, seen, product = [traced.calls[0][place]], set(), False
    while waiting:
        for after in waiting.pop().users:
            if after in seen:
                continue
            seen.add(after)
            if after.op == "call_module" and any(map(has_weights, _module(traced, after).modules())):
                return "hidden"
            if getattr(after.target, "__name__", after.target) in ("mul", "matmul", "bmm", "mul_", "imul"):
                product = True
            else:
                waiting.append(after)
    return "gate" if product else ""


def _module(traced: Traced, node: fx.Node) -> nn.Module:
    return traced.owner.get_submodule(str(node.target))


class _Forward:
    """The changed forward of one module; a copy of the module copies it along.

    No bound method: pickle would store its name alone, and the loaded model silently run the old forward. This one
    makes pickle fail.
    """

    def __init__(self, traced: Traced) -> None:
        self.owner = traced.owner
        self.__signature__ = inspect.signature(traced.owner.forward)
        self.training, self.evaluation = (
            type(fx.GraphModule(traced.owner, copy.deepcopy(graph))).forward for graph in traced.graphs
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return (self.training if self.owner.training else self.evaluation)(self.owner, *args, **kwargs)


def _identical(first: Tensor, second: Tensor) -> bool:
    return first.shape == second.shape and torch.equal(torch.nan_to_num(first), torch.nan_to_num(second))
