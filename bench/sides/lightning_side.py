"""Lightning: LightningModule and Trainer, logging the loss as its introduction does."""

from __future__ import annotations

import tempfile
from typing import Any

import lightning as L
import torch
import torch.nn.functional as F
from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, mlp
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset


class Classifier(L.LightningModule):
    def __init__(self) -> None:
        super().__init__()
        self.net = mlp()

    def training_step(self, batch: list[Tensor], batch_idx: int) -> Tensor:
        inputs, targets = batch
        loss = F.cross_entropy(self.net(inputs), targets)
        self.log("train_loss", loss)
        return loss

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=LR, momentum=MOMENTUM, nesterov=True)


class Clock(L.Callback):
    def __init__(self) -> None:
        self.watch = Stopwatch()

    def on_train_batch_end(self, *_: Any) -> None:
        self.watch.mark()


def prepare(x: Tensor, y: Tensor) -> Contender:
    folder = tempfile.TemporaryDirectory()

    def train(steps: int) -> float:
        clock = Clock()
        loader = DataLoader(TensorDataset(x[: steps * BATCH], y[: steps * BATCH]), batch_size=BATCH, shuffle=True)
        trainer = L.Trainer(
            max_epochs=1,
            accelerator="cpu",
            callbacks=[clock],
            default_root_dir=folder.name,
            enable_checkpointing=False,
        )
        trainer.fit(Classifier(), loader)
        return clock.watch.seconds_per_step(steps)

    return train
