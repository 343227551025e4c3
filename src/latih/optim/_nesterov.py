from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from latih._checks import InputError

from ._arguments import below_one
from ._base import OptimizerSpec
from ._switch import Switching
from ._text import notation


class Nesterov(Switching):
    """Nesterov's momentum as published: the parameters hold θ + β·m, where the next gradient is taken."""

    def __init__(self, params: ParamsT, lr: float = 0.01, *, momentum: float = 0.9, weight_decay: float = 0.0) -> None:
        super().__init__(params, {"lr": lr, "momentum": momentum, "weight_decay": weight_decay})

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """The new θ is the look-ahead point less η·g; the new m leads from there to the next look-ahead point."""
        if not state:
            state.update(m=torch.zeros_like(param), beta=group["momentum"])
        down = grad.add(param, alpha=group["weight_decay"]) if group["weight_decay"] else grad
        # the beta that this look-ahead was made with; a schedule's new one counts from the next look-ahead on
        m = state["m"].mul_(state["beta"]).add_(down, alpha=-group["lr"])
        param.add_(down, alpha=-group["lr"]).add_(m, alpha=group["momentum"])
        state["beta"] = group["momentum"]

    def result(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        """θ, the published iterate."""
        return param - state["beta"] * state["m"]


def nesterov(lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0) -> OptimizerSpec:
    """Nesterov's momentum exactly as published, also while the learning rate changes.

    m ← β·m − η·g with g = ∇(θ + β·m); θ ← θ + m, with η = `lr` and β = `momentum`; the L2 term λ(θ + β·m)
    (λ = `weight_decay`) is added to g. Between the steps the parameters hold the look-ahead point φ = θ + β·m, where
    the next gradient is taken, hence φ ← φ − η·g + β·m with the new m. `optimizer.eval()` puts θ there and
    `optimizer.train()` brings φ back; a loop that calls neither evaluates φ, as it does with `nag`.

    `nag` is torch's form, with η outside the momentum: the same path while the rate is constant. When the rate falls,
    there the whole speed falls with it at once, here only the new gradients' part, and the old speed runs out by β.
    Keras's `SGD(nesterov=True)` keeps η inside too and follows the same φ as this one.

    When: to compare with the literature or with Keras, and with schedules; else `nag` does the same on fused kernels.
    It hurts where the rate is cut abruptly, as after a spike of the loss: the speed gathered at the high rate goes on.

    Source: Nesterov, 1983; in this form Sutskever et al., 2013, equations 3 and 4.

    Raises `InputError` for lr ≤ 0, a momentum outside (0, 1) or weight_decay < 0.

    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> _ = layer.weight.data.fill_(1.0)
    >>> optimizer = nesterov(lr=0.5, momentum=0.5)(layer)
    >>> layer(torch.ones(1)).backward()
    >>> optimizer.step()
    >>> layer.weight.item()  # θ = 0.5, m = -0.5, and half of m ahead
    0.25
    >>> optimizer.eval()
    >>> layer.weight.item()
    0.5
    """
    below_one("nesterov", "momentum", momentum)
    if momentum == 0:
        raise InputError("nesterov(momentum=0): without momentum there is nothing to look ahead along; use sgd().")
    text = notation(nesterov, lr=lr, momentum=momentum, weight_decay=weight_decay)
    return OptimizerSpec(text, Nesterov, lr, weight_decay, {"momentum": momentum})
