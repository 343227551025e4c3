"""One rule for all weighted layers of a model."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.parameter import is_lazy

from latih._checks import InputError

from ._base import Initializer

Weighted = nn.Linear | _ConvNd


def apply(model: nn.Module, initializer: Initializer, generator: torch.Generator | None = None) -> list[str]:
    """Fill the weight of every Linear and Conv layer of `model` in place, zero its bias, and return their names.

    Transposed convolutions, whose weight torch lays out as (in, out, *kernel), and grouped ones get the fans that their
    units really have; stride is not counted. Norms, embeddings (and a weight tied to one), recurrent layers and bare
    parameters are left alone. A weight shared by two layers is filled once.

    Raises `InputError`, before anything is changed, for a layer whose weight is empty, not yet shaped (lazy) or
    computed by a parametrization.

    >>> from latih.init import he
    >>> apply(nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 1)), he())
    ['0', '2']
    """
    skipped = {id(layer.weight) for layer in model.modules() if isinstance(layer, nn.Embedding | nn.EmbeddingBag)}
    layers = {name: layer for name, layer in model.named_modules() if isinstance(layer, Weighted)}
    for name, layer in layers.items():
        _check(name or type(layer).__name__, layer)
    filled = []
    for name, layer in layers.items():
        if id(layer.weight) not in skipped:
            for block in _blocks(layer):
                initializer(block, generator)
            skipped.add(id(layer.weight))
            filled.append(name)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)
    return filled


def _check(name: str, layer: Weighted) -> None:
    if is_lazy(layer.weight):
        raise InputError(f"layer {name!r} has no shape yet; run one batch through the model before it is initialised.")
    if not isinstance(layer.weight, nn.Parameter):
        raise InputError(f"the weight of layer {name!r} is computed by a parametrization; initialise before adding it.")
    if layer.weight.numel() == 0:
        shape = tuple(layer.weight.shape)
        raise InputError(
            f"layer {name!r} has an empty weight of shape {shape}; give it at least one input and one output."
        )


def _blocks(layer: Weighted) -> Iterator[Tensor]:
    """The layer's weight as views shaped (out, in, *kernel) that hold every connection of their units."""
    weight = layer.weight.detach()
    for block in weight.chunk(getattr(layer, "groups", 1)):
        yield block.transpose(0, 1) if isinstance(layer, _ConvTransposeNd) else block
