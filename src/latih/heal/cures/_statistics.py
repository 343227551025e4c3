"""Mean and deviation of inputs, along the axis that the first layer takes for features."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from latih.models import moments
from latih.tape import Tape

_FURTHEST = 10.0
"""Deviations from the mean that an example of the sample may have: nearly constant features are not blown up."""


class Statistics(NamedTuple):
    """Shaped so that they broadcast over a batch."""

    mean: Tensor
    std: Tensor
    axis: int | None
    """Of the features; None: one number for all."""


def feature_axis(tape: Tape, inputs: Tensor) -> int | None:
    """The axis of features: columns of vectors, channels of images, what a linear or recurrent layer multiplies."""
    if inputs.dim() < 2:
        return None
    if inputs.dim() == 2:
        return 1
    first = next((layer for layer in tape.layers if not layer.inputs and layer.weight.dim() > 1), None)
    if first is not None and first.kind.startswith("conv"):
        channels = first.weight.shape[0 if "transpose" in first.kind else 1]
        return 1 if inputs.shape[1] % channels == 0 else (-1 if inputs.shape[-1] % channels == 0 else None)
    if first is not None and first.weight.shape[1] == inputs.shape[-1] > 1:
        return -1
    return 1 if inputs.dim() == 4 and inputs.shape[1] <= 4 else None


def statistics(inputs: Tensor, axis: int | None) -> Statistics:
    """Of finite values; the deviation is at least a tenth of the largest distance from the mean."""
    values = inputs.detach().double().cpu()
    values = torch.where(values.isfinite(), values, torch.nan)
    moved = (
        values.reshape(-1, 1) if axis is None else values.movedim(axis, 1).flatten(2) if values.dim() > 2 else values
    )
    mean, std = moments([moved], moved.shape[1])
    shape = [1] * (moved.dim() - 2)
    furthest = (moved - mean.reshape(-1, *shape)).abs().nan_to_num(0.0).transpose(0, 1).flatten(1).amax(1)
    std = torch.where(std > 1e-7 * mean.abs(), torch.maximum(std, furthest / _FURTHEST), torch.zeros_like(std))
    return Statistics(_shaped(mean, axis, inputs), _shaped(std, axis, inputs), axis)


def _shaped(values: Tensor, axis: int | None, inputs: Tensor) -> Tensor:
    if axis is None:
        return values.reshape(())
    behind = (inputs.dim() - 1 if axis == -1 else axis) + 1
    return values.reshape(-1, *[1] * (inputs.dim() - behind))
