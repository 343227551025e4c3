"""The contract: a clip cuts gradients in place and says how much it cut, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor


class Clipped(NamedTuple):
    """What one clip did; 0-dim tensors on the gradients' device, so that reading them is the caller's choice."""

    norm: Tensor
    """Global L2 norm of the gradients before."""
    removed: Tensor
    """Share of that norm that was cut away: 0 means the step was left alone."""


@dataclass(frozen=True)
class Clip:
    """`clip(parameters)` cuts the gradients of `parameters` in place and returns `Clipped`."""

    text: str
    """Its notation, e.g. "norm(1.0)"."""
    cut: Callable[[Sequence[Tensor]], Clipped] | None
    """Takes the parameters that have a gradient; None for no clipping."""

    @torch.no_grad()
    def __call__(self, parameters: Sequence[Tensor]) -> Clipped | None:
        with_gradient = [parameter for parameter in parameters if parameter.grad is not None]
        return self.cut(with_gradient) if self.cut and with_gradient else None
