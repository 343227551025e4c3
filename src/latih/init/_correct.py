"""Take back the drift that finite width leaves after the rules: one factor a layer, found in one forward pass."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ._measure import adjusted, spread
from ._plan import Plan, is_normed

_HOMOGENEOUS = ("relu", "leaky_relu", "prelu", "rrelu", "none")
_TOLERANCE = 1.2
_UNSCALED = 4.0
_BOUND = 2.0


def corrections(model: nn.Module, batch: Any, plans: list[Plan]) -> tuple[dict[int, float], list[str]]:
    """Factors by id of the weight, and sentences on what could not be corrected.

    A layer is touched when the variance of its output is more than a factor 1.2 away from what the rules promise,
    and then brought to it with a factor within [1/2, 2]. What is promised follows the scale of the data where scale
    passes through the network unchanged (rectifiers without norms).
    """
    measure = _Drift([plan for plan in plans if plan.target is not None], _homogeneous(plans))
    if measure.plans:
        adjusted(model, batch, [plan.layer.weight for plan in plans if plan.target is not None], measure)
    return measure.factors, measure.notes


def _homogeneous(plans: list[Plan]) -> bool:
    return all(plan.layer.feeds.name in _HOMOGENEOUS and not is_normed(plan.layer) for plan in plans)


class _Drift:
    def __init__(self, plans: list[Plan], follows_data: bool) -> None:
        self.plans = {id(plan.layer.weight): plan for plan in plans}
        self.follows_data = follows_data
        self.at_the_data: list[float] = []
        self.factors: dict[int, float] = {}
        self.notes: list[str] = []
        self.off = False

    def __call__(self, weight: nn.Parameter, product: Callable[[], Tensor]) -> Tensor:
        signal, plan = product(), self.plans.pop(id(weight), None)
        if plan is None or self.off:
            return signal
        ratio = spread(signal) / (plan.target or 1.0)
        if not plan.layer.inputs:
            self._note_data(ratio)
            return signal
        if plan.layer.is_head or not (ratio > 0 and math.isfinite(ratio)):
            return signal
        factor = math.sqrt(self._reference() / ratio)
        if 1 / _TOLERANCE < factor**2 < _TOLERANCE:
            return signal
        bounded = min(max(factor, 1 / _BOUND), _BOUND)
        if bounded != factor:
            self.notes.append(
                f"{plan.label}: rescaled by {bounded:g}, the bound; {factor:.3g} would give its output the variance "
                f"{(plan.target or 1.0) * self._reference():.3g}."
            )
        self.factors[id(weight)] = bounded
        weight.mul_(bounded)
        return product()

    def _note_data(self, ratio: float) -> None:
        self.at_the_data.append(ratio)
        if not self.follows_data and not 1 / _UNSCALED <= ratio <= _UNSCALED:
            self.off = True
            self.notes.append(
                f"The inputs are not standardised: the first layer's output has {ratio:.3g} times the variance that "
                "its rule gives for inputs of variance 1; no drift was corrected. Standardise the inputs."
            )

    def _reference(self) -> float:
        positive = [ratio for ratio in self.at_the_data if ratio > 0 and math.isfinite(ratio)]
        if not (self.follows_data and positive):
            return 1.0
        return math.exp(sum(map(math.log, positive)) / len(positive))


@torch.no_grad()
def rescale(plans: list[Plan], factors: dict[int, float]) -> None:
    """Multiply the weights by their factors."""
    for plan in plans:
        if id(plan.layer.weight) in factors:
            plan.layer.weight.mul_(factors[id(plan.layer.weight)])
