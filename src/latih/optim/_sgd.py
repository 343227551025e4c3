from __future__ import annotations

import torch

from ._base import OptimizerSpec
from ._text import notation


def sgd(lr: float = 0.01, weight_decay: float = 0.0) -> OptimizerSpec:
    """Step straight down the gradient of the mini-batch.

    θ ← θ − η·(g + λθ), with η = `lr`, g the gradient and λ = `weight_decay` (an L2 term in the gradient, as in torch;
    Keras's weight_decay multiplies θ by 1 − η·λ, which for plain SGD is the same).

    torch.optim.SGD with momentum 0. torch's default rate is 0.001, Keras's and ours 0.01.

    When: the reference to compare with; large data, where its noise is help enough.
    It hurts in ravines: it swings across the steep direction and creeps along the flat one. Use `nag` there.

    Source: Robbins and Monro, 1951.

    Raises `InputError` for lr ≤ 0 or weight_decay < 0.

    >>> optimizer = sgd(lr=0.1)(torch.nn.Linear(3, 1))
    >>> type(optimizer).__name__, optimizer.param_groups[0]["lr"]
    ('SGD', 0.1)
    """
    return OptimizerSpec(notation(sgd, lr=lr, weight_decay=weight_decay), torch.optim.SGD, lr, weight_decay)
