"""Fresh weights for the layers that feed a new activation, by the rule that it wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from math import prod

from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd

from latih._notation import build
from latih.tape import Activation as Fed
from latih.tape import Tape, WeightedLayer

from ._base import Activation
from ._swap_report import Place

_KINDS = ("linear", "conv")


def feeders(before: Tape, after: Tape) -> list[WeightedLayer]:
    """The layers that feed another function after the swap than before."""
    fed = {layer.parameter: layer.feeds for layer in before.layers}
    return [
        layer
        for layer in after.layers
        if layer.feeds.name == "unknown" or layer.feeds not in (fed.get(layer.parameter), Fed("none"))
    ]


def refill(layers: list[WeightedLayer], spec: Activation) -> tuple[list[str], list[Place]]:
    """Draw the weights anew, zero the biases; names of the weights filled, and the layers left with the reason."""
    initializer = build("init", spec.init)
    filled: list[str] = []
    kept: list[Place] = []
    for layer in layers:
        reason = _reason(layer)
        if reason:
            kept.append(Place(layer.parameter, layer.kind, reason))
        elif layer.parameter not in filled:
            _fill(initializer, layer.weight, layer.bias, layer.kind, (layer.fan_in, layer.fan_out))
            filled.append(layer.parameter)
    return filled, kept


def refill_modules(model: nn.Module, modules: list[nn.Module], spec: Activation) -> tuple[list[str], list[Place]]:
    """The same for modules that are known to feed the activation, without a tape."""
    initializer, filled, kept = build("init", spec.init), [], []
    names = {id(module): name for name, module in model.named_modules()}
    for module in dict.fromkeys(modules):
        name = f"{names[id(module)]}.weight"
        if isinstance(module, nn.Linear | _ConvNd) and isinstance(module.weight, nn.Parameter):
            _fill(initializer, module.weight, module.bias, _kind(module), _fans(module))
            filled.append(name)
        else:
            kept.append(Place(name, type(module).__name__, "no rule for this layer"))
    return filled, kept


def _fill(
    initializer: Callable[[Tensor], object], weight: Tensor, bias: Tensor | None, kind: str, fans: tuple[int, int]
) -> None:
    for block in _blocks(weight.detach(), kind, *fans):
        initializer(block)
    if bias is not None:
        nn.init.zeros_(bias)


def _kind(module: nn.Linear | _ConvNd) -> str:
    return "linear" if isinstance(module, nn.Linear) else "conv_transpose" if module.transposed else "conv"


def _fans(module: nn.Linear | _ConvNd) -> tuple[int, int]:
    first, second, *kernel = module.weight.shape
    if isinstance(module, nn.Linear):
        return second, first
    part = first // module.groups * prod(kernel)
    return (part, second * prod(kernel)) if module.transposed else (second * prod(kernel), part)


def _blocks(weight: Tensor, kind: str, fan_in: int, fan_out: int) -> Iterator[Tensor]:
    """The weight as views shaped (out, in, *kernel), one a group, each with the fans that its units have."""
    connections = prod((weight.shape[0], *weight.shape[2:]))
    if kind.startswith("conv_transpose"):
        yield from (block.transpose(0, 1) for block in weight.chunk(connections // fan_in))
    elif kind.startswith("conv"):
        yield from weight.chunk(connections // fan_out)
    else:
        # a bare `x @ weight` is laid out the other way round
        yield weight if weight.shape[1] == fan_in else weight.transpose(0, 1)


def _reason(layer: WeightedLayer) -> str:
    if layer.feeds.name == "unknown":
        return "feeds several functions, or one that is not known"
    if not layer.kind.startswith(_KINDS) or layer.blocks != 1:
        return f"no rule for a layer of kind {layer.kind}"
    if "parametrizations." in layer.parameter or layer.weight.dim() < 2:
        return "the weight is computed from others"
    return ""
