"""Folding every batch norm into the layer in front of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, TypeVar

import torch
from torch import Tensor, nn
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from latih._checks import InputError, positive

from ._foldable import norms_and_layers
from ._wires import copied, failing, record, run

ModelT = TypeVar("ModelT", bound=nn.Module)


@dataclass(frozen=True)
class Folding:
    """What `fold` does to a model; prints as a table."""

    folded: dict[str, str]
    """Path of each norm that is folded -> path of the layer that takes it up."""
    kept: dict[str, str]
    """Path of each norm that stays -> why."""

    def __str__(self) -> str:
        rows = [("norm", "folded into", "kept because"), *((norm, layer, "") for norm, layer in self.folded.items())]
        rows += [(norm, "-", why) for norm, why in self.kept.items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def foldable(model: nn.Module, batch: Any, keep: Iterable[str] = ()) -> Folding:
    """Say which batch norms `fold` folds into which layer, and why it keeps the others; changes nothing.

    Arguments and errors are those of `fold`.

    >>> net = nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU())
    >>> print(foldable(net, torch.randn(8, 4)))
    norm  folded into  kept because
    2     1
    0     -            it follows no linear or convolutional layer directly
    """
    twin = copied("foldable", model).eval()
    with failing("foldable(batch=...): the model failed on the batch ({error}); pass a batch that it takes."):
        wires = record(twin, batch)
    return Folding(*norms_and_layers(twin, wires, set(keep)))


def fold(model: ModelT, batch: Any, tolerance: float | None = None, keep: Iterable[str] = ()) -> ModelT:
    """Return a copy for evaluation in which every batch norm right behind a layer has become part of that layer.

    W ← W·γ/sqrt(variance + eps) and b ← (b - mean)·γ/sqrt(variance + eps) + β per output channel, with the running
    statistics. The copy computes the same with fewer operations and is in evaluation mode; it is not for training. Each
    folded norm becomes an Identity. `foldable` says beforehand which norms are folded, and why others stay: those not
    directly behind a layer (in the data flow, not by name), those without running statistics, layers whose output goes
    elsewhere too, and modules that compute more than torch's own.

    Args:
        model: any module, not wrapped by `torch.compile` or DDP; it is left as it is.
        batch: `(inputs, targets)` or inputs alone. The copy must give the same outputs for it, else none is returned.
        tolerance: largest difference allowed, as a share of the largest output; None for half the digits of the
            outputs' dtype, 3e-4 in float32 and 1.5e-8 in float64.
        keep: paths of norms to leave alone.

    Raises `InputError` where a layer in front of a norm is used more than once, or its weight is: the other use would
    be scaled as well. Raises it too where the outputs differ, and where the model fails on the batch.

    Source: Ioffe & Szegedy (2015), algorithm 2, steps 10 and 11; `torch.nn.utils.fusion` does the arithmetic.

    >>> net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU())
    >>> fold(net, torch.randn(2, 3, 8, 8))[1]
    Identity()
    """
    if tolerance is not None:
        positive("fold", "tolerance", tolerance)
    folded = copied("fold", model).eval()
    with failing("fold(batch=...): the model failed on the batch ({error}); pass a batch that it takes."):
        wires = record(folded, batch)
    pairs, _ = norms_and_layers(folded, wires, set(keep))
    paths = [(path, module) for path, module in folded.named_modules(remove_duplicate=False)]
    for norm_path, layer_path in pairs.items():
        norm = folded.get_submodule(norm_path)
        _absorb(folded.get_submodule(layer_path), norm)
        for path in [path for path, module in paths if module is norm]:
            folded.set_submodule(path, nn.Identity().eval())
    with failing("fold(model): the folded model fails ({error}); pass keep=... for a norm whose attributes it reads."):
        with torch.no_grad():
            outputs = run(folded, batch)
        _check(wires.outputs, outputs, tolerance)
    return folded


@torch.no_grad()
def _absorb(layer: nn.Module, norm: Any) -> None:
    weight, bias = layer.weight, layer.bias
    numbers = (norm.running_mean, norm.running_var, norm.eps, norm.weight, norm.bias)
    assert isinstance(weight, Tensor)
    if isinstance(layer, _ConvNd):
        transposed = isinstance(layer, _ConvTransposeNd)
        new_weight, new_bias = fuse_conv_bn_weights(weight, bias, *numbers, transpose=transposed)  # type: ignore[arg-type]
    else:
        new_weight, new_bias = fuse_linear_bn_weights(weight, bias, *numbers)  # type: ignore[arg-type]
    layer.weight = new_weight
    layer.bias = new_bias.requires_grad_(weight.requires_grad)


def _check(before: list[Tensor], after: list[Tensor], tolerance: float | None) -> None:
    for one, other in zip(before, after, strict=True):
        if not one.is_floating_point() or one.numel() == 0:
            continue
        allowed = (tolerance or torch.finfo(one.dtype).eps ** 0.5) * float(one.abs().max())
        difference = float((one - other).abs().max())
        if not difference <= allowed:
            raise InputError(
                f"fold(model): on this batch the folded model's output differs by {difference:.2g} where "
                f"{allowed:.2g} is allowed; pass keep=... for the norm that does not fit, or a larger tolerance."
            )
