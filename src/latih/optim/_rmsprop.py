from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from latih._checks import InputError

from ._arguments import below_one, epsilon
from ._base import OptimizerSpec
from ._method import Method
from ._text import notation


class InsideRMSprop(Method):
    """RMSProp with ε inside the root: small gradients take small steps."""

    def __init__(
        self, params: ParamsT, lr: float = 1e-3, *, alpha: float = 0.9, eps: float = 1e-8, weight_decay: float = 0.0
    ) -> None:
        super().__init__(params, {"lr": lr, "alpha": alpha, "eps": eps, "weight_decay": weight_decay})

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """The gradient over the root of its mean square plus ε."""
        if not state:
            state["square_avg"] = torch.zeros_like(param)
        down = grad.add(param, alpha=group["weight_decay"]) if group["weight_decay"] else grad
        square = state["square_avg"].mul_(group["alpha"]).addcmul_(down, down, value=1 - group["alpha"])
        param.addcdiv_(down, square.add(group["eps"]).sqrt_(), value=-group["lr"])


def rmsprop(
    lr: float = 0.001, rho: float = 0.9, eps: float = 1e-8, weight_decay: float = 0.0, inside: bool = False
) -> OptimizerSpec:
    """Give each parameter its own rate from the recent size of its gradient, forgetting the old ones.

    s ← ρ·s + (1 − ρ)·g²; θ ← θ − η·g/(√s + ε), element by element, with η = `lr`, ρ = `rho`, ε = `eps` and g the
    gradient, to which the L2 term λθ (λ = `weight_decay`) is added first. With `inside=True` the divisor is √(s + ε).
    s starts at 0 without correction, so the first steps are 1/√(1 − ρ) times too long: about three times for 0.9.

    torch.optim.RMSprop has ε outside the root, as is the default here, and ρ 0.99 by default; Keras has it inside with
    1e-7: `rmsprop(eps=1e-7, inside=True)`. For small gradients that damps far more: inside, ε outweighs every
    |g| below √ε, 3e-4 for 1e-7; outside, every |g| below ε itself. Our ρ is 0.9, the lecture's and Keras's.

    When: recurrent networks and reinforcement learning; elsewhere `adam` adds momentum and the correction.
    It hurts at high rates: every direction moves by about η, also where the gradient is only noise.

    Source: Tieleman and Hinton, 2012, lecture 6.5.

    Raises `InputError` for lr ≤ 0, a rho outside [0, 1), eps or weight_decay below 0, or an inside that is no bool.

    >>> rmsprop(rho=0.95)(torch.nn.Linear(3, 1)).param_groups[0]["alpha"]
    0.95
    >>> rmsprop(eps=1e-7, inside=True).text
    'rmsprop(lr=0.001, eps=1e-07, inside=True)'
    """
    below_one("rmsprop", "rho", rho)
    epsilon("rmsprop", eps)
    if not isinstance(inside, bool):
        raise InputError(f"rmsprop(inside={inside!r}): inside must be True or False; True puts eps inside the root.")
    text = notation(rmsprop, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, inside=inside)
    make = InsideRMSprop if inside else torch.optim.RMSprop
    return OptimizerSpec(text, make, lr, weight_decay, {"alpha": rho, "eps": eps})
