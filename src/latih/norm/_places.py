"""Where in a model a norm belongs, and why it cannot go elsewhere."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from math import prod
from typing import Any

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm, _NormBase
from torch.nn.modules.conv import _ConvNd

from latih._checks import InputError
from latih.tape import Tape, WeightedLayer

from ._base import Norm
from ._wires import Call, Wires

LABELS = frozenset(("batch_norm", "layer_norm", "group_norm", "rms_norm", "instance_norm"))
"""What a tape calls norms between a layer and its activation."""
_MODULES = (_NormBase, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm)
_FEATURES_LAST = (nn.LayerNorm, nn.RMSNorm)
_SOFTMAX = frozenset(("softmax", "log_softmax", "softmin", "gumbel_softmax"))


@dataclass
class Place:
    """One norm to be, behind the module at `path`: the layer itself, or its activation."""

    layer: str
    path: str
    norm: nn.Module


def places(
    model: nn.Module, tape: Tape, wires: Wires, fed: dict[str, str] | None, spec: Norm, skip: set[str]
) -> tuple[list[Place], dict[str, str]]:
    """The places for norms, in forward order, and layer -> reason for the layers that get none.

    `fed` is layer -> path of its activation's module, or None for norms right behind the layers.
    """
    found, left = [], {}
    normed = _followed_by_a_norm(model, wires)
    for layer in tape.layers:
        label = layer.name if layer.kind == "linear" or layer.kind.startswith("conv") else layer.parameter
        why = "it is to be left" if label in skip else _own_reason(model, layer, wires)
        why = why or ("a norm follows already" if layer.name in normed else "")
        path = layer.name if fed is None else fed.get(layer.name, "")
        if not why and fed is not None:
            why = _activation_reason(path, Counter(fed.values()), wires)
        norm = None if why else _norm(layer, wires.calls[path][0], spec)
        if isinstance(norm, nn.Module):
            found.append(Place(layer.name, path, norm.to(layer.weight.device, layer.weight.dtype)))
        else:
            left[label] = why or norm or ""
    return found, left


def _own_reason(model: nn.Module, layer: WeightedLayer, wires: Wires) -> str:
    if layer.is_head:
        return "it is the head"
    if layer.kind != "linear" and not layer.kind.startswith("conv"):
        return f"it is of kind {layer.kind}"
    if layer.shared or len(wires.calls.get(layer.name, [])) > 1:
        return "it is used more than once"
    if LABELS.intersection(layer.between):
        return "a norm follows already"
    if layer.feeds.name == "none":
        return "it feeds no activation"
    if layer.feeds.name == "unknown":
        return "what it feeds is not known"
    if layer.feeds.name in _SOFTMAX:
        return f"it feeds a {layer.feeds.name}, which needs its scale"
    if not isinstance(model.get_submodule(layer.name), nn.Linear | _ConvNd) or layer.name not in wires.calls:
        return "no Linear or Conv module is called for it"
    return ""


def _activation_reason(path: str, layers: Counter[str], wires: Wires) -> str:
    if not path:
        return "no module of its own computes its activation"
    if layers[path] > 1 or len(wires.calls[path]) > 1:
        return f"its activation's module {path!r} is used more than once"
    return ""


def _norm(layer: WeightedLayer, call: Call, spec: Norm) -> nn.Module | str:
    """The norm for what `call` puts out, or why there is none."""
    shape, dims = call.shape, layer.weight.dim() - 2  # 0 for a linear layer
    if layer.kind == "linear" and len(shape) > 2:
        norm = spec(shape[-1], 0)
        if "view" in layer.between:
            return "its output is reshaped before its activation"
        return norm if isinstance(norm, _FEATURES_LAST) else "its features come last, and this norm wants them second"
    if len(shape) != dims + 2:
        return "its output has no batch dimension, or is reshaped before its activation"
    norm = spec(shape[-1 - dims], dims)
    if isinstance(norm, _BatchNorm) and prod(shape) == norm.num_features:
        raise InputError(
            f"insert_batch_norm(batch=...): layer {layer.name!r} puts out one value per channel, which has no "
            "variance; pass at least two examples."
        )
    return norm


def _followed_by_a_norm(model: nn.Module, wires: Wires) -> set[str]:
    """Layers that reach the input of a norm's module before any other layer."""
    makers = {
        call.result: name
        for name, calls in wires.calls.items()
        for call in calls
        if isinstance(model.get_submodule(name), nn.Linear | _ConvNd)
    }
    waiting: list[Any] = [
        call.source
        for name, calls in wires.calls.items()
        for call in calls
        if isinstance(model.get_submodule(name), _MODULES)
    ]
    found, seen = set(), set()
    while waiting:
        edge = waiting.pop()
        if edge is None or edge[0] is None or edge in seen:
            continue
        seen.add(edge)
        if edge in makers:
            found.add(makers[edge])
        else:
            waiting.extend(edge[0].next_functions)
    return found
