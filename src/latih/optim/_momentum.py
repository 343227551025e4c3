from __future__ import annotations

import torch

from ._arguments import below_one
from ._base import OptimizerSpec
from ._text import notation


def momentum(lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0) -> OptimizerSpec:
    """Let the gradients gather speed, so that steps grow along a steady direction and cancel across it.

    m ← β·m + g; θ ← θ − η·m, with η = `lr`, β = `momentum`, g the gradient, to which the L2 term λθ
    (λ = `weight_decay`) is added first. Along a constant gradient it ends 1/(1 − β) times as fast as SGD: ten times
    for 0.9.

    torch.optim.SGD. The paper and Keras keep the rate inside, m ← β·m − η·g; θ ← θ + m: the same while the rate is
    constant; when it changes, here the whole speed changes at once, there only the new gradients' part.

    When: nearly always better than plain `sgd`; `nag` is nearly always a little better still.
    It hurts with β near 1 and a high rate: it overshoots and swings before it settles.

    Source: Polyak, 1964.

    Raises `InputError` for lr ≤ 0, a momentum outside [0, 1) or weight_decay < 0.

    >>> momentum(momentum=0.95)(torch.nn.Linear(3, 1)).param_groups[0]["momentum"]
    0.95
    """
    below_one("momentum", "momentum", momentum)
    text = notation(_method, lr=lr, momentum=momentum, weight_decay=weight_decay)
    return OptimizerSpec(text, torch.optim.SGD, lr, weight_decay, {"momentum": momentum})


_method = momentum  # inside it, its argument hides its name
