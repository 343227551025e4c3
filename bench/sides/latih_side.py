"""latih: the verb, with a callback as clock."""

from __future__ import annotations

from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, mlp
from torch import Tensor

import latih
from latih.train import Callback, Trainer


class Clock(Callback):
    def __init__(self) -> None:
        self.watch = Stopwatch()

    def on_step_end(self, trainer: Trainer) -> None:
        self.watch.mark()


def prepare(x: Tensor, y: Tensor) -> Contender:
    # the metric stays on, as by default; constant() because every side trains at one rate
    recipe = latih.Recipe(
        epochs=1,
        batch_size=BATCH,
        optimizer=f"nag(lr={LR}, momentum={MOMENTUM})",
        schedule="constant()",
        device="cpu",
    )

    def train(steps: int) -> float:
        clock, examples = Clock(), (x[: steps * BATCH], y[: steps * BATCH])
        latih.train(mlp(), examples, recipe=recipe, callbacks=[clock])
        return clock.watch.seconds_per_step(steps)

    return train
