"""Early stopping that gives the best weights back."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from ._callbacks import Callback, StopTraining

if TYPE_CHECKING:
    from ._trainer import Trainer


class EarlyStopping(Callback):
    """Stop after `patience` epochs without improvement of the watched value, and restore the best weights.

    Of epochs with the same value the one with the lower loss is better. The weights of the best epoch are restored
    also when training runs to its end.
    """

    def __init__(self, patience: int) -> None:
        self.patience = patience
        self.best: tuple[float, float] | None = None
        self.best_epoch = 0
        self.weights: dict[str, Tensor] = {}

    def on_fit_start(self, trainer: Trainer) -> None:
        """A run that was stopped here before, and is resumed, has ended."""
        self._stop_if_over(trainer)

    @torch.no_grad()
    def on_epoch_end(self, trainer: Trainer) -> None:
        """Keep a copy of the weights when they are the best so far; stop when nothing improves."""
        rank = trainer.rank(trainer.history.rows[-1])
        if math.isfinite(rank[0]) and (self.best is None or rank < self.best):
            self.best, self.best_epoch = rank, trainer.epoch
            self.weights = {key: tensor.clone() for key, tensor in trainer.step.model.state_dict().items()}
        else:
            self._stop_if_over(trainer)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Give the best weights back, except to a run that will go on later."""
        if self.weights and not trainer.interrupted:
            trainer.step.model.load_state_dict(self.weights)

    def _stop_if_over(self, trainer: Trainer) -> None:
        if trainer.epoch - self.best_epoch >= self.patience:
            raise StopTraining(f"no better {trainer.watched[0]} in {self.patience} epochs")

    def state(self) -> dict[str, object]:
        """What a checkpoint needs to go on."""
        return {"best": self.best, "best_epoch": self.best_epoch, "weights": self.weights}

    def load(self, state: dict) -> None:
        """Go on from `state`."""
        self.best = None if state["best"] is None else tuple(state["best"])
        self.best_epoch, self.weights = state["best_epoch"], state["weights"]
