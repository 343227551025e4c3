from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from ._arguments import epsilon, two_betas
from ._base import OptimizerSpec
from ._schedule_free import ScheduleFree, between
from ._text import notation


class ScheduleFreeAdamW(ScheduleFree):
    """AdamW at y, with the average in the place of its momentum (Defazio et al., 2024, algorithm 1)."""

    def __init__(
        self,
        params: ParamsT,
        lr: float = 0.0025,
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.0,
    ) -> None:
        super().__init__(params, {"lr": lr, "betas": betas, "eps": eps, "weight_decay": weight_decay})

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """z takes RMSProp's step, with the corrected mean square, and decays towards 0 by y."""
        if not state:
            state.update(z=param.clone(), square=torch.zeros_like(param), count=0)
        beta, memory = group["betas"]
        state["count"] += 1
        square = state["square"].mul_(memory).addcmul_(grad, grad, value=1 - memory)
        change = grad / (square / (1 - memory ** state["count"])).sqrt_().add_(group["eps"])
        if group["weight_decay"]:
            change.add_(param, alpha=group["weight_decay"])
        self.advance(param, change, state, group["lr"], beta)


def schedule_free_adamw(
    lr: float = 0.0025, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01
) -> OptimizerSpec:
    """AdamW that averages its iterates as it goes, so that the rate need not fall and the run's length may stay open.

    y = (1 − β₁)·z + β₁·x; s ← β₂·s + (1 − β₂)·g² with g = ∇(y); z ← z − η·(g/(√ŝ + ε) + λ·y);
    x ← (1 − c)·x + c·z, c = η²/Ση², with ŝ = s/(1 − β₂ᵗ), t counted from 1, η = `lr`, β = `betas`, ε = `eps`,
    λ = `weight_decay` and x = z = θ at the start. While training the parameters hold y; the result is x: the loop must
    call `optimizer.eval()` before it evaluates or saves weights for use and `optimizer.train()` before it goes on
    (latih's own loop does). There is no momentum: x does its work.

    Neither torch nor Keras has it. The authors' package keeps the largest rate so far in the weights c where the rate
    falls, as the paper does not, and has the warm-up built in (here: `warmup(500)`). The rate is 1 to 10 times
    that of `adamw` with a schedule; the paper's runs all have a warm-up.

    When: the length of the run is open, or results are wanted at any time.
    It hurts with a schedule that falls (the average does that work already), and in batch norm: its running
    statistics are those of y, so recompute them after `eval()`.

    Source: Defazio et al., 2024, "The road less scheduled", algorithm 1.

    Raises `InputError` for lr ≤ 0, betas outside [0, 1), the first at 0, or eps or weight_decay below 0.

    >>> optimizer = schedule_free_adamw()(torch.nn.Linear(3, 1))
    >>> optimizer.eval(), optimizer.train()
    (None, None)
    """
    betas = two_betas("schedule_free_adamw", betas)
    between("schedule_free_adamw", "betas", betas[0])
    epsilon("schedule_free_adamw", eps)
    text = notation(schedule_free_adamw, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return OptimizerSpec(text, ScheduleFreeAdamW, lr, weight_decay, {"betas": betas, "eps": eps})
