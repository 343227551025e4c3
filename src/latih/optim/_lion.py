from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ._arguments import two_betas
from ._base import OptimizerSpec
from ._method import Method
from ._text import notation


class Lion(Method):
    """Step by the sign of an interpolated momentum (Chen et al., 2023, algorithm 2)."""

    def __init__(
        self,
        params: ParamsT,
        lr: float = 1e-4,
        *,
        betas: tuple[float, float] = (0.9, 0.99),
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "weight_decay": weight_decay})

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """The sign of a blend of momentum and gradient; the momentum itself remembers longer than the blend."""
        if not state:
            state["momentum"] = torch.zeros_like(param)
        momentum, (blend, memory) = state["momentum"], group["betas"]
        direction = momentum.lerp(grad, 1 - blend).sign_()
        param.mul_(1 - group["lr"] * group["weight_decay"]).add_(direction, alpha=-group["lr"])
        momentum.lerp_(grad, 1 - memory)


def lion(lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99), weight_decay: float = 0.0) -> OptimizerSpec:
    """Step by the sign of the momentum: every weight moves by the same amount, and one buffer is kept instead of two.

    θ ← θ − η·(sign(β₁·m + (1 − β₁)·g) + λ·θ); m ← β₂·m + (1 − β₂)·g, with η = `lr`, β = `betas`, λ = `weight_decay`
    (decoupled, as in `adamw`), g the gradient.

    torch has no Lion; Keras's default rate is 0.001, the paper's and ours 0.0001. Moved over from `adamw`, take a rate
    3 to 10 times smaller and a decay as many times larger.

    When: large batches and little memory for the optimizer's state.
    It hurts with small batches: a sign throws away how sure the gradient is, and never shrinks near a minimum, so
    it needs a schedule that ends low.

    Source: Chen et al., 2023, "Symbolic discovery of optimization algorithms", algorithm 2.

    Raises `InputError` for lr ≤ 0, betas outside [0, 1) or weight_decay < 0.

    >>> layer = torch.nn.Linear(1, 1, bias=False)
    >>> _ = layer.weight.data.fill_(0.5)
    >>> layer(torch.ones(1)).backward()
    >>> lion(lr=0.25)(layer).step()
    >>> layer.weight.item()
    0.25
    """
    betas = two_betas("lion", betas)
    return OptimizerSpec(
        notation(lion, lr=lr, betas=betas, weight_decay=weight_decay), Lion, lr, weight_decay, {"betas": betas}
    )
