from __future__ import annotations

import torch

from latih._checks import InputError

from ._arguments import below_one
from ._base import OptimizerSpec
from ._text import notation


def nag(lr: float = 0.01, momentum: float = 0.9, weight_decay: float = 0.0) -> OptimizerSpec:
    """Momentum that measures the gradient a little ahead, where the speed is about to carry it.

    Nesterov's form: m ← β·m − η·∇(θ + β·m); θ ← θ + m, with η = `lr` and β = `momentum`. torch and Keras
    compute the usual re-parametrised form, whose parameters are the look-ahead point φ = θ + β·m itself:
    v ← β·v + g(φ); φ ← φ − η·(g(φ) + β·v). For a constant rate the two give the same path; the weights that
    you evaluate and save are φ. The L2 term λφ (λ = `weight_decay`) is added to g first. Keras keeps η inside v.

    When: the first thing to try among the plain methods: the correction damps the swings of `momentum`.
    It hurts little; with very noisy gradients the look-ahead sees mostly noise.

    Source: Nesterov, 1983; the re-parametrised form: Sutskever et al., 2013, and Bengio et al., 2013.

    Raises `InputError` for lr ≤ 0, a momentum outside (0, 1) or weight_decay < 0.

    >>> nag(lr=0.02).text
    'nag(lr=0.02)'
    >>> nag()(torch.nn.Linear(3, 1)).param_groups[0]["nesterov"]
    True
    """
    below_one("nag", "momentum", momentum)
    if momentum == 0:
        raise InputError("nag(momentum=0): without momentum there is nothing to look ahead along; use sgd().")
    text = notation(nag, lr=lr, momentum=momentum, weight_decay=weight_decay)
    return OptimizerSpec(text, torch.optim.SGD, lr, weight_decay, {"momentum": momentum, "nesterov": True})
