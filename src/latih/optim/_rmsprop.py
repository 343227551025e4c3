from __future__ import annotations

import torch

from ._arguments import below_one, epsilon
from ._base import OptimizerSpec
from ._text import notation


def rmsprop(lr: float = 0.001, rho: float = 0.9, eps: float = 1e-8, weight_decay: float = 0.0) -> OptimizerSpec:
    """Give each parameter its own rate from the recent size of its gradient, forgetting the old ones.

    s ← ρ·s + (1 − ρ)·g²; θ ← θ − η·g/(√s + ε), element by element, with η = `lr`, ρ = `rho`, ε = `eps` and g the
    gradient, to which the L2 term λθ (λ = `weight_decay`) is added first. s starts at 0 without correction,
    so the first steps are 1/√(1 − ρ) times too long: about three times for 0.9.

    torch.optim.RMSprop has ε outside the root, as here, and ρ 0.99 by default; Keras has it inside, √(s + ε), with
    1e-7, which for small gradients damps far more: there ε outweighs every |g| below 3e-4, here below 1e-8.
    Our ρ is 0.9, the lecture's and Keras's.

    When: recurrent networks and reinforcement learning; elsewhere `adam` adds momentum and the correction.
    It hurts at high rates: every direction moves by about η, also where the gradient is only noise.

    Source: Tieleman and Hinton, 2012, lecture 6.5.

    Raises `InputError` for lr ≤ 0, a rho outside [0, 1), or eps or weight_decay below 0.

    >>> rmsprop(rho=0.95)(torch.nn.Linear(3, 1)).param_groups[0]["alpha"]
    0.95
    """
    below_one("rmsprop", "rho", rho)
    epsilon("rmsprop", eps)
    text = notation(rmsprop, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay)
    return OptimizerSpec(text, torch.optim.RMSprop, lr, weight_decay, {"alpha": rho, "eps": eps})
