"""Losses by name, and the one that fits the targets."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
import torch.nn.functional as F
from torch import Tensor

from latih._checks import InputError, one_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from ._step import LossFunction

LOSSES: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "cross_entropy": F.cross_entropy,
    "mse": F.mse_loss,
    "mae": F.l1_loss,
    "huber": F.huber_loss,
    "bce": F.binary_cross_entropy_with_logits,
}


def loss_function(chosen: str | LossFunction | None, targets: Tensor) -> LossFunction:
    """The loss that `chosen` names; "auto" or None: cross-entropy for integer targets, squared error for others."""
    if chosen is None or chosen == "auto":
        return F.mse_loss if targets.is_floating_point() else F.cross_entropy
    if callable(chosen):
        return chosen
    one_of("train", "loss", chosen, ["auto", *LOSSES])
    if chosen == "cross_entropy" and targets.is_floating_point() and targets.dim() < 2:
        raise InputError("loss='cross_entropy' needs integer classes, and the targets are numbers; use loss='mse'.")
    if chosen != "cross_entropy" and not targets.is_floating_point():
        raise InputError(f"loss={chosen!r} needs float targets, and these are classes; use loss='cross_entropy'.")
    return LOSSES[chosen]


class Scaled:
    """A regression loss in standard deviations of the training targets, so that its size does not depend on units.

    The model still speaks the user's units; only the comparison is made in standardised ones.
    """

    def __init__(self, loss: LossFunction, std: Tensor) -> None:
        self.loss, self.std = loss, torch.where(std > 0, std, torch.ones_like(std)).float()

    def __call__(self, output: Tensor, target: Tensor) -> Tensor:
        std = self.std.to(output.device)
        return self.loss(output / std, target / std)
