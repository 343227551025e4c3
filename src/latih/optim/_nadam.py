from __future__ import annotations

import torch

from ._arguments import epsilon, two_betas
from ._base import OptimizerSpec
from ._text import notation


def nadam(
    lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> OptimizerSpec:
    """Adam with Nesterov's look-ahead in its momentum.

    m and s as in `adam`; μₜ = β₁·(1 − 0.96^(t/250)/2);
    θ ← θ − η·(μₜ₊₁·m/(1 − μ₁⋯μₜ₊₁) + (1 − μₜ)·g/(1 − μ₁⋯μₜ))/(√ŝ + ε), with η = `lr`, β = `betas`, ε = `eps`, t counted
    from 1. The momentum schedule μ climbs from about β₁/2 towards β₁ and is half-way after some 4000 updates. The L2
    term λθ (λ = `weight_decay`) is added to g first.

    torch.optim.NAdam has the schedule as momentum_decay = 0.004 = 1/250 and lr 0.002; Keras's exponent is t
    instead of t/250, so that its momentum is half-way after 17 updates.

    When: where `adam` works and the loss comes down slowly; often a little quicker.
    It hurts at high rates, where it is the first to collapse.

    Source: Dozat, 2016.

    Raises `InputError` for lr ≤ 0, betas outside [0, 1), or eps or weight_decay below 0.

    >>> nadam()(torch.nn.Linear(3, 1)).param_groups[0]["momentum_decay"]
    0.004
    """
    betas = two_betas("nadam", betas)
    epsilon("nadam", eps)
    text = notation(nadam, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return OptimizerSpec(text, torch.optim.NAdam, lr, weight_decay, {"betas": betas, "eps": eps})
