"""Progress that costs nothing: refreshed by time, plain lines off a terminal."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from ._callbacks import Callback

if TYPE_CHECKING:
    from ._trainer import Trainer

_REFRESH = 0.25  # seconds


class Reporter(Callback):
    """One line an epoch, and on a terminal a bar in between.

    The loss is fetched from the device only when the bar is drawn, at most four times a second.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(file=sys.stderr, highlight=False)
        self._next = float("inf")
        self._bar: Progress | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the bar when somebody can see it."""
        self._batches = -(-len(trainer.train) // trainer.batch_size)
        if not self.console.is_terminal:
            return
        columns = (TextColumn("{task.description}"), BarColumn(None), TextColumn("{task.fields[numbers]}"))
        bar = Progress(*columns, TimeRemainingColumn(), console=self.console, auto_refresh=False, transient=True)
        total = self._batches * trainer.recipe.epochs
        self._task = bar.add_task("", total=total, completed=trainer.step.count, numbers="")
        bar.start()
        self._bar = bar
        self._next = 0.0
        self._mark = (time.monotonic(), trainer.step.count)

    def on_step_end(self, trainer: Trainer) -> None:
        """Draw when it is time."""
        now = time.monotonic()
        if now < self._next or self._bar is None:
            return
        self._next = now + _REFRESH
        then, count = self._mark
        self._mark = (now, trainer.step.count)
        speed = (trainer.step.count - count) * trainer.batch_size / max(now - then, 1e-9)
        numbers = f"loss {float(trainer.step.loss):.4f}  lr {trainer.step.lr:.2g}  {_thousands(speed)}/s"
        done = trainer.epoch * self._batches + trainer.batch
        title = f"epoch {trainer.epoch + 1}/{trainer.recipe.epochs}"
        self._bar.update(self._task, completed=done, description=title, numbers=numbers, refresh=True)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Print the epoch's row."""
        self.console.print(line(trainer.history.rows[-1], trainer.recipe.epochs), soft_wrap=True)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Take the bar away."""
        if self._bar is not None:
            self._bar.stop()


def line(row: dict[str, float], epochs: int) -> str:
    """One epoch in at most 80 columns.

    >>> line({"epoch": 3, "train_loss": 0.41, "valid_loss": 0.5, "lr": 0.01, "examples_per_second": 9e4}, 10)
    'epoch  3/10  train loss 0.4100  valid loss 0.5000  lr 0.01  90k/s'
    """
    parts = [f"epoch {row['epoch']:>{len(str(epochs))}.0f}/{epochs}"]
    for part in ("train", "valid"):
        numbers = {key.removeprefix(f"{part}_"): value for key, value in row.items() if key.startswith(f"{part}_")}
        shown = [
            f"{name} {value:.4f}" if name == "loss" else f"{short(name)} {value:.4g}" for name, value in numbers.items()
        ]
        parts.extend([f"{part} {' '.join(shown)}"] if shown else [])
    return "  ".join([*parts, f"lr {row['lr']:.2g}", f"{_thousands(row['examples_per_second'])}/s"])


def short(metric: str) -> str:
    """A metric's name where room is scarce."""
    return {"accuracy": "acc"}.get(metric, metric)


def _thousands(number: float) -> str:
    return f"{number / 1000:.0f}k" if number >= 10_000 else f"{number:.0f}"
