"""The contract: an augmentation is a function of pictures and of which samples they are, never of their batch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from latih._checks import InputError

from .._random import uniform

_DRAWS_PER_STEP = 1024  # numbers a step may draw for a sample, so that the steps of a chain never share one


@dataclass(frozen=True)
class Draws:
    """The random numbers of one step for one batch of samples."""

    index: Tensor
    seed: int
    epoch: int
    place: int

    def __call__(self, draw: int) -> Tensor:
        """Number `draw` of each sample: (batch,) float32, uniform in [0, 1)."""
        return uniform(self.seed, self.epoch, self.index, self.place * _DRAWS_PER_STEP + draw)

    def between(self, draw: int, limit: float) -> Tensor:
        """Number `draw` of each sample, uniform in [-limit, limit)."""
        return (self(draw) * 2 - 1) * limit


Step = Callable[[Tensor, Draws], Tensor]


@dataclass(frozen=True)
class Augment:
    """`augment(images, index, seed, epoch)` changes pictures (N, C, H, W) and keeps their shape, dtype and range.

    What happens to a sample is decided by (seed, epoch, its index) and its place in the chain alone. `a >> b` does `a`,
    then `b`, with numbers of their own.
    """

    steps: tuple[Step, ...]

    def __call__(self, images: Tensor, index: Tensor, seed: int, epoch: int) -> Tensor:
        if images.dim() != 4 or len(images) != len(index):
            raise InputError(
                f"augment(images {tuple(images.shape)}, index {tuple(index.shape)}): it needs pictures (N, C, H, W) "
                "and N indices; leave augmentation out for data that are not pictures."
            )
        index = index.to(images.device)
        for place, step in enumerate(self.steps):
            images = step(images, Draws(index, seed, epoch, place))
        return images

    def __rshift__(self, after: Augment) -> Augment:
        return Augment(self.steps + after.steps)


def as_dtype(values: Tensor, dtype: torch.dtype) -> Tensor:
    """Computed pixels in the pictures' own `dtype`: integers are rounded, not cut."""
    return values.to(dtype) if dtype.is_floating_point else values.round().to(dtype)
