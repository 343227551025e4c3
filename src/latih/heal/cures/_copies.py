"""A copy to edit, since a training is never changed."""

from __future__ import annotations

import copy

from torch import nn

from latih.train import LossFunction

from .._base import Training


def copied(training: Training) -> tuple[nn.Module, LossFunction]:
    """Model and loss; parameters that the two share are shared in the copies too."""
    memo: dict[int, object] = {}
    model = copy.deepcopy(training.model, memo)
    loss = copy.deepcopy(training.loss, memo) if isinstance(training.loss, nn.Module) else training.loss
    return model, loss
