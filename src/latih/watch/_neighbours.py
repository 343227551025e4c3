"""How well would looking at the nearest examples do? A yardstick for a network that no network is needed for."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from ._association import FEWEST, SIZE, inputs_apart, once

_NEIGHBOURS = 5
_VALUES = {"mse": F.mse_loss, "mae": F.l1_loss, "huber": F.huber_loss, "smooth_l1": F.smooth_l1_loss}


def neighbours_loss(kind: str, inputs: Tensor, targets: Tensor, bend: float = 1.0) -> tuple[float, float] | None:
    """Mean loss, and its standard error, of guessing each example from its five nearest others, itself left out.

    Values are guessed as the neighbours' mean; classes and yes/no answers as their share, with one vote for the share
    among all (so that no probability is zero). At most 384 examples, evenly spread; None below 96 different ones, or
    for a loss that is not one of these. Cover and Hart (1967): with many examples the error of the nearest neighbour is
    at most twice the least possible.

    Args:
        kind: as in `Loss.kind`.
        inputs: (n, ...) numbers, or whole numbers that are names (tokens).
        targets: (n,) classes, or (n, ...) values.
        bend: where huber and smooth_l1 turn from squares to distances.

    >>> x = torch.linspace(0, 1, 200).reshape(200, 1)
    >>> neighbours_loss("mse", x, 3 * x)[0] < 0.001
    True
    """
    inputs, targets = once(inputs.detach().cpu(), targets.detach().cpu())
    chosen = torch.linspace(0, len(inputs) - 1, min(len(inputs), SIZE)).long()
    inputs, targets = inputs[chosen], targets[chosen]
    if len(inputs) < FEWEST:
        return None
    apart = inputs_apart(inputs)
    np.fill_diagonal(apart, np.inf)
    near = torch.from_numpy(np.argsort(apart, axis=1)[:, :_NEIGHBOURS])
    losses = _losses(kind, targets, near, bend)
    if losses is None or not bool(losses.isfinite().all()):
        return None
    return float(losses.mean()), float(losses.std()) / math.sqrt(len(losses))


def _losses(kind: str, targets: Tensor, near: Tensor, bend: float) -> Tensor | None:
    """One loss an example."""
    count = near.shape[1]
    if kind in _VALUES and targets.is_floating_point():
        values = targets.double().reshape(len(targets), -1)
        known = {"huber": {"delta": bend}, "smooth_l1": {"beta": bend}}.get(kind, {})
        return _VALUES[kind](values[near].mean(1), values, reduction="none", **known).mean(1)
    if kind in ("cross_entropy", "nll") and not targets.is_floating_point() and targets.dim() == 1:
        overall = (targets[:, None] == targets[None, :]).double().mean(1)
        agree = (targets[near] == targets[:, None]).double().sum(1)
        return -((agree + overall) / (count + 1)).log()
    if kind in ("binary_cross_entropy", "bce_with_logits"):
        answers = targets.double().reshape(len(targets), -1)
        if float(answers.min()) < 0 or float(answers.max()) > 1:
            return None
        shares = ((answers[near].sum(1) + answers.mean(0)) / (count + 1)).clamp(1e-6, 1 - 1e-6)
        return F.binary_cross_entropy(shares, answers, reduction="none").mean(1)
    return None
