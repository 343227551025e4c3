from __future__ import annotations

import torch

from ._arguments import epsilon, two_betas
from ._base import OptimizerSpec
from ._text import notation


def adamax(
    lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> OptimizerSpec:
    """Adam that divides by the largest recent gradient instead of the root mean square.

    m ← β₁·m + (1 − β₁)·g; u ← max(β₂·u, |g| + ε); θ ← θ − η/(1 − β₁ᵗ)·m/u, with η = `lr`, β = `betas`,
    ε = `eps`, t counted from 1. The L2 term λθ (λ = `weight_decay`) is added to g first. u needs no correction.

    torch.optim.Adamax has ε inside the maximum, as here, and lr 0.002, the paper's; the paper has no ε; Keras divides
    by u + ε. Our rate is Keras's, which keeps it comparable with `adam`.

    When: embeddings and other gradients that are rare but large.
    It hurts when one outlier gradient holds a direction back for about 1/(1 − β₂) = 1000 updates.

    Source: Kingma and Ba, 2015, algorithm 2.

    Raises `InputError` for lr ≤ 0, betas outside [0, 1), or eps or weight_decay below 0.

    >>> type(adamax()(torch.nn.Linear(3, 1))).__name__
    'Adamax'
    """
    betas = two_betas("adamax", betas)
    epsilon("adamax", eps)
    text = notation(adamax, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return OptimizerSpec(text, torch.optim.Adamax, lr, weight_decay, {"betas": betas, "eps": eps})
