from __future__ import annotations

import torch

from ._arguments import epsilon, two_betas
from ._base import OptimizerSpec
from ._text import notation


def adamw(
    lr: float = 0.001, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01
) -> OptimizerSpec:
    """Adam whose weight decay shrinks the weights themselves instead of bending the gradient.

    θ ← θ − η·λ·θ, then Adam's step with the bare gradient, with η = `lr`, λ = `weight_decay`,
    `betas` and `eps` as in `adam`.

    torch and Keras decay by η·λ, as here, so a schedule of the rate also schedules the decay; the paper's decay is
    its schedule's factor times λ without the base rate: its λ is our η·λ. Keras's default λ is 0.004, torch's and
    ours 0.01.

    When: the default for transformers and for anything that is trained long or regularised.
    It hurts when λ is taken over from an L2 term: the two are not in the same unit.

    Source: Loshchilov and Hutter, 2019, algorithm 2.

    Raises `InputError` for lr ≤ 0, betas outside [0, 1), or eps or weight_decay below 0.

    >>> [group["weight_decay"] for group in adamw()(torch.nn.Linear(3, 1)).param_groups]
    [0.01, 0.0]
    """
    betas = two_betas("adamw", betas)
    epsilon("adamw", eps)
    text = notation(adamw, lr=lr, betas=betas, eps=eps, weight_decay=weight_decay)
    return OptimizerSpec(text, torch.optim.AdamW, lr, weight_decay, {"betas": betas, "eps": eps})
