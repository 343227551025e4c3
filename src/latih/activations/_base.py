"""The contract: an activation knows its module, the initialisation it wants, and where it saturates."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor, nn

from latih._checks import InputError
from latih._gaussian import gaussian_mean, slope


@dataclass(frozen=True)
class Activation:
    """`activation()` makes a fresh module; the attributes say what a network built with it must respect."""

    text: str
    """Its notation, e.g. "leaky_relu(0.2)"."""
    build: Callable[[], nn.Module]
    init: str
    """Notation of the initialisation it wants, e.g. "he()"."""
    saturates: tuple[float, float] | None = None
    """Inputs below the first or above the second number pass less than 1 % of the steepest slope; None: never."""
    elementwise: bool = True
    """False for softmax and gated units, whose outputs depend on several inputs."""

    def __call__(self) -> nn.Module:
        return self.build()

    def gain(self) -> float:
        """1/sqrt(E[f(z)^2]) for z ~ N(0, 1): the factor on the weights that keeps the forward variance."""
        return self._keeping(lambda module, z: module(z).square())

    def backward_gain(self) -> float:
        """1/sqrt(E[f'(z)^2]) for z ~ N(0, 1): the factor on the weights that keeps the gradient's variance."""
        return self._keeping(lambda module, z: slope(module, z).square())

    def _keeping(self, power: Callable[[nn.Module, Tensor], Tensor]) -> float:
        if not self.elementwise:
            raise InputError(f"{self.text}: it has no gain, for its outputs depend on several inputs; see its `init`.")
        module = self.build().double().eval()  # eval: rrelu's slope is random only in training
        mean = gaussian_mean(lambda z: power(module, z))
        return 1.0 / math.sqrt(mean) if mean else math.inf
