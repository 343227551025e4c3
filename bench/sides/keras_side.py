"""Keras 3 on its torch backend: compile and fit."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"  # read when keras is imported

import keras
from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, SIZES
from torch import Tensor


class Clock(keras.callbacks.Callback):
    def __init__(self) -> None:
        super().__init__()
        self.watch = Stopwatch()

    def on_train_batch_end(self, batch: int, logs: dict | None = None) -> None:
        self.watch.mark()


def model() -> keras.Model:
    """The network of `_task.mlp`, drawn afresh and compiled."""
    features, *hidden, classes = SIZES
    net = keras.Sequential([keras.Input((features,))])
    for width in hidden:
        net.add(keras.layers.Dense(width, activation="relu", kernel_initializer="he_normal"))
    net.add(keras.layers.Dense(classes, kernel_initializer="he_normal"))
    net.compile(
        optimizer=keras.optimizers.SGD(learning_rate=LR, momentum=MOMENTUM, nesterov=True),
        loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True),
    )
    return net


def prepare(x: Tensor, y: Tensor) -> Contender:
    inputs, targets = x.numpy(), y.numpy()

    def train(steps: int) -> float:
        net, clock = model(), Clock()
        net.fit(inputs[: steps * BATCH], targets[: steps * BATCH], batch_size=BATCH, epochs=1, callbacks=[clock])
        return clock.watch.seconds_per_step(steps)

    return train
