"""latih: the verb, with its progress bar, metric and history, and a callback as clock."""

from __future__ import annotations

import os

from _rounds import Contender, Stopwatch
from _task import BATCH, LR, MOMENTUM, mlp
from rich.console import Console
from torch import Tensor

import latih
from latih.train import Callback, Reporter, Trainer


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
        # a bar as in a terminal, drawn for nobody
        with open(os.devnull, "w") as nobody:
            reporter = Reporter(Console(file=nobody, force_terminal=True))
            latih.train(mlp(), examples, recipe=recipe, callbacks=[reporter, clock], progress=False)
        return clock.watch.seconds_per_step(steps)

    return train
