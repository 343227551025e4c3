"""From the ops to the answer: one `WeightedLayer` for every weight."""

from __future__ import annotations

from math import prod

from torch import nn

from ._base import Activation, WeightedLayer
from ._calls import RECURRENT, Calls
from ._feeds import Meets, before_heads, meets
from ._flow import flow
from ._graph import Op
from ._loss_ops import loss_names
from ._place import Place, Use
from ._residual import bypassed


def read_layers(ops: list[Op], parameters: dict[str, nn.Parameter], calls: Calls) -> list[WeightedLayer]:
    """The weighted layers in forward order."""
    places = flow(ops)
    met, going_on, in_branch = meets(ops, places), before_heads(ops, places), bypassed(ops, places)
    layers: dict[str, WeightedLayer] = {}
    owner: dict[Use, str] = {}
    parts: set[str] = set()
    for op in (op for op in ops if not op.in_loss):
        for use in places[op].uses:
            name = _weight_of(use, parameters)
            owner[use] = _module_path(name) if name else ""
            if name is None:
                continue
            layer = _layer(op, use, name, parameters, calls, met[op])
            layer.is_head, layer.in_residual = op not in going_on, use in in_branch
            layer.inputs = list(dict.fromkeys(owner[behind] for behind in _behind(op, places) if behind in owner))
            if name in layers:
                _again(layers[name], layer, both_parts=use.part and name in parts)
            else:
                layers[name] = layer
            if use.part:
                parts.add(name)
    return list(layers.values())


def read_loss(ops: list[Op]) -> list[str]:
    """What happens to the model's output in the loss, in order."""
    behind: set[Op] = set()
    found: list[str] = []
    for op in ops:
        if op.in_loss and any(source is not None and _is_signal(source, behind) for source in op.sources):
            behind.add(op)
            found.extend(loss_names(op.name, op.node))
    return found


def _is_signal(source: Op, behind: set[Op]) -> bool:
    return source in behind or (not source.in_loss and source.name not in ("parameter", "constant"))


def _behind(op: Op, places: dict[Op, Place]) -> list[Use]:
    return [use for source in op.sources if source is not None for use in places[source].layers]


def _layer(op: Op, use: Use, name: str, parameters: dict[str, nn.Parameter], calls: Calls, met: Meets) -> WeightedLayer:
    weight = parameters[name]
    bias = _bias_of(use, parameters)
    blocks = calls.attention.get(id(weight), use.blocks)
    kind = "attention" if id(weight) in calls.attention or (met.attends and use.kind == "linear") else use.kind
    fan_out = use.fans[1]
    if blocks > use.blocks:  # fused projections may be used together or one by one
        fan_out = weight.shape[0] // blocks
    feeds, between = met.activation, met.labels()
    if use.kind in RECURRENT:
        feeds, between = _inner(op), []
    return WeightedLayer(
        _module_path(name), name, kind, weight, bias, use.fans[0], fan_out, feeds, between, [],
        recurrent=use.recurrent, blocks=blocks,
    )  # fmt: skip


def _inner(op: Op) -> Activation:
    constants = dict(op.constants)
    return Activation(constants.pop("name"), constants)


def _again(layer: WeightedLayer, use: WeightedLayer, *, both_parts: bool) -> None:
    layer.shared = layer.shared or not both_parts
    layer.bias = layer.bias if layer.bias is not None else use.bias
    layer.is_head = layer.is_head or use.is_head
    layer.in_residual = layer.in_residual or use.in_residual
    layer.inputs = list(dict.fromkeys([*layer.inputs, *use.inputs]))
    if layer.feeds != use.feeds:
        layer.feeds = Activation("unknown")


def _weight_of(use: Use, parameters: dict[str, nn.Parameter]) -> str | None:
    """The parameter that has the weight's size, or else the largest of those it is computed from."""
    names = [name for name in use.parameters if name in parameters]
    same = [name for name in names if parameters[name].numel() == prod(use.shape)]
    return next(iter(same), max(names, key=lambda name: parameters[name].numel(), default=None))


def _bias_of(use: Use, parameters: dict[str, nn.Parameter]) -> nn.Parameter | None:
    return parameters.get(use.bias[0]) if len(use.bias) == 1 else None


def _module_path(parameter: str) -> str:
    return parameter.split(".parametrizations.")[0] if ".parametrizations." in parameter else _parent(parameter)


def _parent(parameter: str) -> str:
    if parameter.startswith("parametrizations."):
        return ""
    return parameter.rpartition(".")[0]
