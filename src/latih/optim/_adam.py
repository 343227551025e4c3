from __future__ import annotations

import torch

from ._arguments import epsilon, two_betas
from ._base import OptimizerSpec
from ._text import notation


def adam(
    lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.0
) -> OptimizerSpec:
    """Momentum and a rate of its own for each parameter, both corrected for their start at zero.

    m ← β₁·m + (1 − β₁)·g; s ← β₂·s + (1 − β₂)·g²; θ ← θ − η·m̂/(√ŝ + ε), with m̂ = m/(1 − β₁ᵗ), ŝ = s/(1 − β₂ᵗ),
    t counted from 1, η = `lr`, β = `betas`, ε = `eps`. The L2 term λθ (λ = `weight_decay`) is added to g first
    and is then divided by √ŝ with it: weights with large gradients are decayed less than asked. `adamw` does not
    couple the two.

    torch.optim.Adam. Keras's 1e-7 is the paper's ε̂, beside the uncorrected √s: it counts as ε̂/√(1 − β₂ᵗ), 32 times
    as much at the first step. Keras's weight_decay is never an L2 term, it is `adamw`'s.

    When: the default that needs the least tuning.
    It hurts at high rates, where it collapses before momentum methods do; and it may generalise worse than `nag`.

    Source: Kingma and Ba, 2015, algorithm 1.

    Raises `InputError` for lr ≤ 0, betas outside [0, 1), or eps or weight_decay below 0.

    >>> adam(lr=0.002).text
    'adam(lr=0.002)'
    """
    betas = two_betas("adam", betas)
    epsilon("adam", eps)
    text = notation(adam, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return OptimizerSpec(text, torch.optim.Adam, lr, weight_decay, {"betas": betas, "eps": eps})
