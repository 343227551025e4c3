"""The contract: a clip cuts gradients in place and says how much it cut, without waiting for the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor

from latih._checks import InputError


class Clipped(NamedTuple):
    """What one clip did; 0-dim tensors on the gradients' device, so that reading them is the caller's choice."""

    norm: Tensor
    """Global L2 norm of the gradients before."""
    removed: Tensor
    """Share of that norm that was cut away: 0 means the step was left alone."""
    where: Tensor
    """int64: place, among the parameters given, of the one whose gradient lost the most; means nothing if none did."""


@dataclass(frozen=True)
class Clip:
    """`clip(parameters)` cuts the gradients of `parameters` in place and returns `Clipped`."""

    text: str
    """Its notation, e.g. "norm(1.0)"."""
    cut: Callable[[Sequence[Tensor]], Clipped] | None
    """Takes the parameters that have a gradient; None for no clipping."""
    memory: dict[str, Tensor] = field(default_factory=dict, compare=False, repr=False)
    """What `cut` remembers from step to step, by name; most clips remember nothing."""

    @torch.no_grad()
    def __call__(self, parameters: Sequence[Tensor]) -> Clipped | None:
        if self.cut is None:
            return None
        places = [place for place, parameter in enumerate(parameters) if parameter.grad is not None]
        if not places:
            return None
        clipped = self.cut([parameters[place] for place in places])
        if len(places) == len(parameters):
            return clipped
        given = torch.tensor(places, device=clipped.where.device)
        return clipped._replace(where=given.index_select(0, clipped.where.reshape(1)).squeeze(0))

    def state(self) -> dict[str, Tensor]:
        """A copy of the memory, for a checkpoint."""
        return {name: tensor.clone() for name, tensor in self.memory.items()}

    def load(self, state: dict[str, Tensor]) -> None:
        """Put back what `state` returned; raises `InputError` where it is that of another clip."""
        shapes, wanted = ({name: list(one.shape) for name, one in kept.items()} for kept in (state, self.memory))
        if shapes != wanted:
            raise InputError(f"{self.text}: the saved state is of another clip, {shapes} instead of {wanted}.")
        self.memory.update({name: tensor.clone() for name, tensor in state.items()})
