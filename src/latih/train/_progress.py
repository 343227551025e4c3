"""Progress that costs nothing: refreshed by time, plain lines off a terminal."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from latih._plot import number

from ._callbacks import Callback

if TYPE_CHECKING:
    from ._trainer import Trainer

_REFRESH = 0.25  # seconds


class Reporter(Callback):
    """One line an epoch, and on a terminal a bar in between.

    Loss and metric are fetched from the device only when the bar is drawn, at most four times a second.
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._next = float("inf")
        self._bar: Progress | None = None
        self._headed = False

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the bar when somebody can see it."""
        trainer.say = self.say
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
        alone = trainer.world.size == 1  # a metric of all processes is for all to ask
        metric = f"  {trainer.meter.name} {trainer.meter.compute():.3f}" if trainer.meter is not None and alone else ""
        numbers = f"loss {float(trainer.step.loss):.3f}{metric}  lr {trainer.step.lr:.2g}  {_thousands(speed)}/s"
        done = trainer.epoch * self._batches + trainer.batch
        title = f"epoch {trainer.epoch + 1}/{trainer.recipe.epochs}"
        self._bar.update(self._task, completed=done, description=title, numbers=numbers, refresh=True)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Print the epoch's row, under a heading when it is the first one printed."""
        row = trainer.history.rows[-1]
        if not self._headed:
            self.console.print(heading(row), soft_wrap=True)
            self._headed = True
        self.console.print(line(row, trainer.recipe.epochs), soft_wrap=True)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Take the bar away, and say why a run that was lost has ended."""
        if self._bar is not None:
            self._bar.stop()
        if trainer.history.diverged is not None:
            self.say(f"diverged: {trainer.history.diverged}; it ends at its last good weights")

    def say(self, line: str) -> None:
        """Print a line above the bar."""
        self.console.print(line, soft_wrap=True, markup=False)


def heading(row: dict[str, float]) -> str:
    """The columns' names, to stand above `line`."""
    names = [name.replace("accuracy", "acc").replace("_", " ") for name in _shown(row)]
    return f"{'epoch':>9}{''.join(f'{name:>12}' for name in names)}{'lr':>10}{'examples/s':>12}"


def line(row: dict[str, float], epochs: int) -> str:
    """One epoch in 79 columns.

    >>> line({"epoch": 3, "train_loss": 0.41, "valid_loss": 0.5, "lr": 0.01, "examples_per_second": 9e4}, 10)
    '     3/10        0.41         0.5      0.01         90k'
    """
    place = f"{row['epoch']:.0f}/{epochs}"
    numbers = "".join(f"{number(row[name]):>12}" for name in _shown(row))
    return f"{place:>9}{numbers}{row['lr']:>10.2g}{_thousands(row['examples_per_second']):>12}"


def _shown(row: dict[str, float]) -> list[str]:
    return [name for name in row if name.startswith(("train_", "valid_"))]


def _thousands(number: float) -> str:
    return f"{number / 1000:.0f}k" if number >= 10_000 else f"{number:.0f}"
