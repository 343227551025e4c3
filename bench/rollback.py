"""Time training with and without rollback protection, in turns: what looking and the copies of the state cost."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable
from functools import partial
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # one side's idle threads would spin in the other's turns

import torch
import torch.nn.functional as F
from _report import microseconds, ratio, report, write_section
from _turns import TURN, Timed, in_turns
from torch import nn

from latih import Recipe
from latih.data import TensorExamples
from latih.train import LastGood, Options, Parts, Rollback, fit

TITLE = "Rollback: a training step with and without protection"
COLUMNS = (
    "network",
    "bare µs",
    "protected µs",
    "ratio",
    "ratio, min-max",
    "share of the time in its hooks",
    "copies of the state a round",
)


def main() -> None:
    arguments = _arguments()
    rows, settled = [], []
    for name in arguments.networks:
        steps = arguments.steps if name == "mlp" else max(arguments.steps // 20, 2 * TURN)
        rows.append(_row(name, arguments.rounds, steps))
        settled.append(f"{name}: {arguments.rounds} rounds, each a run of its own of {steps} steps")
    text = report("rollback", TITLE, COLUMNS, rows, ["latih", "torch"])
    setting = f"{'; '.join(settled)}, in turns of {TURN} steps. Adam. {torch.get_num_threads()} torch threads."
    print(setting)
    if arguments.write:
        write_section("rollback", f"{text}\n\n{setting}")


def mlp() -> tuple[nn.Module, tuple[int, ...], int]:
    net = nn.Sequential(*(nn.Linear(784, 300), nn.ReLU()), *(nn.Linear(300, 100), nn.ReLU()), nn.Linear(100, 10))
    return net, (784,), 32


def cnn() -> tuple[nn.Module, tuple[int, ...], int]:
    def block(channels: int, wider: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU(), nn.MaxPool2d(2)]

    net = nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 49, 10))
    return net, (1, 28, 28), 128


NETWORKS = {"mlp": mlp, "cnn": cnn}


def _row(name: str, rounds: int, steps: int) -> tuple[str, ...]:
    """One network; a round is a run of each side from its beginning, where copies are most frequent."""
    times: dict[bool, list[float]] = {False: [], True: []}
    counted, hooks, whole = _Copies(), _Hooks(), 0.0
    for number in range(rounds):
        sides = [False, True] if number % 2 else [True, False]
        found = in_turns([partial(_train, name, protected) for protected in sides], steps)
        for protected, seconds in zip(sides, found, strict=True):
            times[protected].append(seconds)
            whole += seconds * steps * protected
    copies, share = counted.end() / rounds, hooks.end() / whole
    bare, protected = times[False], times[True]
    return name, microseconds(bare), microseconds(protected), *ratio(protected, bare), f"{share:.1%}", f"{copies:.0f}"


def _train(name: str, protected: bool, timed: Timed) -> None:
    """One run, until `timed` ends it."""
    torch.manual_seed(0)
    model, shape, size = NETWORKS[name]()
    examples = TensorExamples(torch.randn(100 * size, *shape), torch.randint(10, (100 * size,)))
    epochs = -(-timed.steps // 100)
    recipe = Recipe(epochs=epochs, batch_size=size, rollback=3 * protected, patience=0, device="cpu")
    run = fit(Parts(model, examples, None, F.cross_entropy), recipe, Options(callbacks=[timed]))
    assert not run.history.rollbacks


class _Hooks:
    """Sums up the time that protection takes for itself: what a ratio of noisy times cannot resolve."""

    NAMES = ("on_fit_start", "on_epoch_start", "on_loss", "on_step_end", "on_use", "on_epoch_end")

    def __init__(self) -> None:
        self.seconds, self.plain = 0.0, {name: getattr(Rollback, name) for name in self.NAMES}
        for name, hook in self.plain.items():
            setattr(Rollback, name, self._timed(hook))

    def end(self) -> float:
        for name, hook in self.plain.items():
            setattr(Rollback, name, hook)
        return self.seconds

    def _timed(self, hook: Callable[[Rollback, Any], None]) -> Callable[[Rollback, Any], None]:
        def timed(rollback: Rollback, trainer: Any) -> None:
            started = time.perf_counter()
            hook(rollback, trainer)
            self.seconds += time.perf_counter() - started

        return timed


class _Copies:
    """Counts copies until the end; the counting itself costs next to nothing beside one."""

    def __init__(self) -> None:
        self.count, self.take = 0, LastGood.take
        counted = self

        def take(good: LastGood, *arguments: object) -> bool:
            counted.count += 1
            return counted.take(good, *arguments)  # pyright: ignore

        LastGood.take = take  # pyright: ignore

    def end(self) -> int:
        LastGood.take = self.take
        return self.count


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=2000, help="a round and side of the mlp; the cnn makes a 20th")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.steps < 2 * TURN:
        sys.exit(f"--rounds must be at least 1 and --steps at least {2 * TURN}.")
    return arguments


if __name__ == "__main__":
    main()
