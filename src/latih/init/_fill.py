"""Write a plan into the weights, the biases and the norms of a model."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from latih.tape import WeightedLayer

from ._plan import Plan

Generators = Callable[[torch.device], torch.Generator | None]
_NORMS = (
    nn.modules.batchnorm._NormBase,
    nn.LayerNorm,
    nn.GroupNorm,
    nn.RMSNorm,
)


def generators(seed: int | None) -> Generators:
    """One generator a device, seeded alike; none (torch's own is used) without a seed."""
    made: dict[torch.device, torch.Generator] = {}

    def of(device: torch.device) -> torch.Generator | None:
        if seed is None:
            return None
        if device not in made:
            made[device] = torch.Generator(device).manual_seed(seed)
        return made[device]

    return of


@torch.no_grad()
def fill(plan: Plan, generator: torch.Generator | None) -> None:
    """Draw the layer's weight, block by block."""
    assert plan.initializer is not None
    for block in blocks(plan.layer):
        plan.initializer(block, generator)
    if plan.shrink != 1.0:
        plan.layer.weight.mul_(plan.shrink)


def blocks(layer: WeightedLayer) -> Iterator[Tensor]:
    """The weight as views shaped (out, in, *kernel): one for each gate, projection or group of channels."""
    weight = layer.weight.detach()
    if layer.kind.startswith("conv"):
        kernel, transposed = math.prod(weight.shape[2:]), layer.kind.startswith("conv_transpose")
        groups = weight.shape[0] * kernel // (layer.fan_in if transposed else layer.fan_out)
        for block in weight.chunk(groups):
            yield block.transpose(0, 1) if transposed else block
    elif layer.blocks > 1:
        yield from weight.chunk(layer.blocks)
    elif weight.dim() == 2 and tuple(weight.shape) == (layer.fan_in, layer.fan_out):
        yield weight.t()  # used as inputs @ weight, or square
    else:
        yield weight.reshape(weight.shape[0], -1) if weight.dim() > 2 and weight.is_contiguous() else weight


@torch.no_grad()
def fill_bias(layer: WeightedLayer) -> None:
    """Zero; 1 for an lstm's forget gate, once (torch adds the two biases)."""
    assert layer.bias is not None
    layer.bias.zero_()
    if layer.kind == "lstm" and not layer.recurrent and layer.blocks == 4:
        layer.bias.chunk(4)[1].fill_(1.0)  # gates in torch's order: input, forget, cell, output


@torch.no_grad()
def keep_padding(model: nn.Module, layer: WeightedLayer) -> None:
    """Zero the row that an embedding keeps for padding."""
    for module in model.modules():
        table = isinstance(module, nn.Embedding | nn.EmbeddingBag) and module.weight is layer.weight
        padding = getattr(module, "padding_idx", None) if table else None
        if isinstance(padding, int):
            layer.weight[padding].zero_()


def norm_parameters(model: nn.Module) -> Iterator[tuple[nn.Parameter, float]]:
    """Every norm's weight with 1 and bias with 0, the values they start from."""
    for module in model.modules():
        if isinstance(module, _NORMS):
            for name, value in (("weight", 1.0), ("bias", 0.0)):
                parameter = getattr(module, name, None)
                if isinstance(parameter, nn.Parameter):
                    yield parameter, value
