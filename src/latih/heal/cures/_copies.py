"""A copy to edit, since a training is never changed."""

from __future__ import annotations

import copy

from torch import nn

from latih._rebound import rebound
from latih.train import LossFunction

from .._base import Training


def copied(training: Training) -> tuple[nn.Module, LossFunction]:
    """Model and loss; what the two share is shared in the copies too."""
    memo: dict[int, object] = {}
    model = copy.deepcopy(training.model, memo)
    return model, rebound(training.loss, memo)
