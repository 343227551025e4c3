"""skorch: NeuralNetClassifier.fit on arrays."""

from __future__ import annotations

from typing import Any

import torch
from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, mlp
from skorch import NeuralNetClassifier
from skorch.callbacks import Callback
from torch import Tensor, nn


class Clock(Callback):
    def __init__(self) -> None:
        self.watch = Stopwatch()

    def on_batch_end(self, net: NeuralNetClassifier, **_: Any) -> None:
        self.watch.mark()


def prepare(x: Tensor, y: Tensor) -> Contender:
    inputs, targets = x.numpy(), y.numpy()

    def train(steps: int) -> float:
        clock = Clock()
        net = NeuralNetClassifier(
            mlp,
            criterion=nn.CrossEntropyLoss,
            optimizer=torch.optim.SGD,
            optimizer__momentum=MOMENTUM,
            optimizer__nesterov=True,
            lr=LR,
            batch_size=BATCH,
            max_epochs=1,
            iterator_train__shuffle=True,
            train_split=None,
            callbacks=[clock],
        )
        net.fit(inputs[: steps * BATCH], targets[: steps * BATCH])
        return clock.watch.seconds_per_step(steps)

    return train
