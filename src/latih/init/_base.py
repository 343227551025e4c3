"""The contract: an initializer fills one weight in place so that the signal keeps its variance from layer to layer."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor, nn

from latih._checks import InputError, one_of

Distribution = Literal["normal", "uniform", "truncated"]

# A normal cut at two standard deviations keeps this share of its standard deviation.
_TRUNCATED_STD = 0.87962566103423978


@dataclass(frozen=True)
class Initializer:
    """`initializer(weight)` fills `weight` in place and returns it; `text` is its notation."""

    text: str
    fill: Callable[[Tensor, torch.Generator | None], object]

    @torch.no_grad()
    def __call__(self, weight: Tensor, generator: torch.Generator | None = None) -> Tensor:
        self.fill(weight, generator)
        return weight


def scaled(call: str, variance: Callable[[int, int], float], distribution: Distribution) -> Initializer:
    """An initializer with the given `variance(fan_in, fan_out)`, drawn from `distribution`."""
    one_of(call.split("(")[0], "distribution", distribution, get_args(Distribution))

    def fill(weight: Tensor, generator: torch.Generator | None) -> None:
        draw(weight, math.sqrt(variance(*fans(weight))), distribution, generator)

    return Initializer(call, fill)


def draw(weight: Tensor, std: float, distribution: Distribution, generator: torch.Generator | None) -> None:
    """Fill `weight` with zero-mean numbers of standard deviation `std`, whatever the distribution."""
    if distribution == "normal":
        nn.init.normal_(weight, 0.0, std, generator=generator)
    elif distribution == "uniform":
        limit = math.sqrt(3.0) * std
        nn.init.uniform_(weight, -limit, limit, generator=generator)
    else:
        # widened so that the variance after the cut is still the stated one
        wide = std / _TRUNCATED_STD
        nn.init.trunc_normal_(weight, 0.0, wide, -2 * wide, 2 * wide, generator=generator)


def fans(weight: Tensor) -> tuple[int, int]:
    """(fan_in, fan_out) of a weight shaped (out, in, *kernel), as torch lays out Linear and Conv."""
    if weight.dim() < 2 or weight.numel() == 0:
        shape = tuple(weight.shape)
        raise InputError(f"initializer(weight of shape {shape}): a weight is (out, in, *kernel), none of them 0.")
    kernel = math.prod(weight.shape[2:])
    return weight.shape[1] * kernel, weight.shape[0] * kernel
