"""Time a training step with a checkpoint every 50 steps and without any, in turns: what saving costs the training."""

from __future__ import annotations

import argparse
import sys
import tempfile
from pathlib import Path

import torch
from _report import microseconds, ratio, report, write_section
from _rounds import Stopwatch, alternate, warm_up
from torch import Tensor, nn

import latih
from latih.train import Callback, Recipe, Trainer

TITLE = "Checkpointing: a training step with a checkpoint every {every} steps, and with none"
COLUMNS = ("side", "µs/step", "ratio to none", "ratio, min-max", "checkpoints a round")
WIDTH, INPUTS, CLASSES, BATCH = 1408, 784, 10, 32


def main() -> None:
    arguments = _arguments()
    x, y = _data(arguments.steps)
    saving = _Side(x, y, f"{arguments.every} steps")
    contenders = {"none": _Side(x, y, None).seconds, "saving": saving.seconds}
    warm_up(contenders, arguments.steps)
    saving.saved = 0
    times = alternate(contenders, arguments.rounds, arguments.steps)
    rows = [
        ("none", microseconds(times["none"]), "1.00", "", "0"),
        (
            "saving",
            microseconds(times["saving"]),
            *ratio(times["saving"], times["none"]),
            saving.rate(arguments.rounds),
        ),
    ]
    text = report("checkpointing", TITLE.format(every=arguments.every), COLUMNS, rows, ["latih", "torch"])
    weights = sum(parameter.numel() for parameter in network().parameters())
    setting = (
        f"{weights:,} weights, Adam, batch {BATCH}: {arguments.rounds} rounds of {arguments.steps} steps, "
        f"{torch.get_num_threads()} torch threads. A checkpoint that is due while one is being written is left out."
    )
    print(setting)
    if arguments.write:
        write_section("checkpointing", f"{text}\n\n{setting}")


def network() -> nn.Module:
    """A dense network of about five million weights."""
    hidden = [
        nn.Linear(INPUTS, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
        nn.Linear(WIDTH, WIDTH),
        nn.ReLU(),
    ]
    return nn.Sequential(*hidden, nn.Linear(WIDTH, CLASSES))


class _Side:
    """Trains a fresh network in one epoch; with `save_every`, in a run folder that is thrown away."""

    def __init__(self, x: Tensor, y: Tensor, save_every: str | None) -> None:
        self.x, self.y, self.save_every, self.saved = x, y, save_every, 0

    def seconds(self, steps: int) -> float:
        stopwatch, count = Stopwatch(), steps * BATCH
        recipe = Recipe(
            epochs=1,
            batch_size=BATCH,
            schedule="constant()",
            save_every=self.save_every or "epoch",
            keep_checkpoints=1000,
        )
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder) / "run" if self.save_every else None
            marks = [_Marks(stopwatch)]
            part = (self.x[:count], self.y[:count])
            latih.train(network(), part, recipe=recipe, out=out, callbacks=marks, progress=False)
            # the one at the end of the epoch is not among the steps
            self.saved += len(list(out.glob("checkpoints/step-*"))) - 1 if out else 0
        return stopwatch.seconds_per_step(steps)

    def rate(self, rounds: int) -> str:
        return f"{self.saved / rounds:.1f}"


class _Marks(Callback):
    def __init__(self, stopwatch: Stopwatch) -> None:
        self.stopwatch = stopwatch

    def on_loss(self, trainer: Trainer) -> None:
        # in the next step, so that what saving adds between two steps is counted
        self.stopwatch.mark()


def _data(steps: int) -> tuple[Tensor, Tensor]:
    torch.manual_seed(0)
    return torch.randn(steps * BATCH, INPUTS), torch.randint(CLASSES, (steps * BATCH,))


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--steps", type=int, default=400, help="a round and side")
    parser.add_argument("--every", type=int, default=50, help="steps between two checkpoints")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.steps < 2 or arguments.every < 1:
        sys.exit("--rounds and --every must be at least 1, and --steps at least 2.")
    return arguments


if __name__ == "__main__":
    main()
