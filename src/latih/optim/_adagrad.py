from __future__ import annotations

import torch

from latih._checks import at_least

from ._arguments import epsilon
from ._base import OptimizerSpec
from ._text import notation


def adagrad(lr: float = 0.01, accumulator: float = 0.0, eps: float = 1e-10, weight_decay: float = 0.0) -> OptimizerSpec:
    """Give each parameter its own rate, which falls with all the gradients it has ever seen.

    s ← s + g²; θ ← θ − η·g/(√s + ε), element by element, with η = `lr`, ε = `eps` and g the gradient, to which the
    L2 term λθ (λ = `weight_decay`) is added first. s starts at `accumulator`.

    torch.optim.Adagrad starts s at 0, so that the first step has size η in every direction; Keras starts it at 0.1,
    puts ε (1e-7) inside the root and has lr 0.001: `adagrad(lr=0.001, accumulator=0.1)` is close to it.

    When: simple convex tasks, rare features.
    It hurts in deep networks: s never forgets, and the steps die out before the minimum. `rmsprop` forgets.

    Source: Duchi, Hazan and Singer, 2011.

    Raises `InputError` for lr ≤ 0, or an accumulator, eps or weight_decay below 0.

    >>> adagrad(accumulator=0.1)(torch.nn.Linear(3, 1)).param_groups[0]["initial_accumulator_value"]
    0.1
    """
    at_least("adagrad", "accumulator", accumulator, 0.0)
    epsilon("adagrad", eps)
    text = notation(adagrad, lr=lr, accumulator=accumulator, eps=eps, weight_decay=weight_decay)
    options = {"initial_accumulator_value": accumulator, "eps": eps}
    return OptimizerSpec(text, torch.optim.Adagrad, lr, weight_decay, options)
