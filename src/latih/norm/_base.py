"""The contract: a normalisation knows its module, its place relative to the activation, and the fate of the bias."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from torch import nn

from latih._checks import InputError

Where = Literal["before", "after"]


@dataclass(frozen=True)
class Norm:
    """`norm(features, dims)` makes the module for `features` channels of `dims` spatial dimensions (0 for a vector)."""

    text: str
    """Its notation, e.g. "batch(where='after')"."""
    build: Callable[[int, int], nn.Module] | None
    """None for no normalisation."""
    where: Where = "before"
    """Before or after the activation."""
    bias: bool = True
    """Whether the layer in front keeps its bias; a norm that subtracts the mean right behind it makes it useless."""

    def __call__(self, features: int, dims: int = 0) -> nn.Module:
        return nn.Identity() if self.build is None else self.build(features, dims)


def spatial(call: str, dims: int) -> int:
    """Refuse anything but 0 to 3 spatial dimensions."""
    if dims not in (0, 1, 2, 3):
        raise InputError(f"{call}()(features, dims={dims!r}): dims must be 0 for vectors, or 1, 2 or 3.")
    return dims
