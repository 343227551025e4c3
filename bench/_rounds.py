"""Alternate between contenders, so that what else the machine does falls on all of them alike."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Mapping

import torch

Contender = Callable[[int], float]
"""Works through so many steps and returns the seconds one of them took."""


class Stopwatch:
    """Marks the end of every step; what happens before the first mark and after the last is not counted."""

    def __init__(self) -> None:
        self.marks: list[float] = []

    def mark(self) -> None:
        self.marks.append(time.perf_counter())

    def seconds_per_step(self, steps: int) -> float:
        """The mean time between two marks; a side that did other than `steps` steps is a mistake."""
        if len(self.marks) != steps or steps < 2:
            raise RuntimeError(f"{len(self.marks)} steps were made and {steps} asked for (at least 2).")
        return (self.marks[-1] - self.marks[0]) / (steps - 1)


def alternate(contenders: Mapping[str, Contender], rounds: int, steps: int) -> dict[str, list[float]]:
    """Seconds per step of each contender in each round; every round starts with another one."""
    names = list(contenders)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    for start in range(rounds):
        turn = start % len(names)
        for name in names[turn:] + names[:turn]:
            seconds[name].append(_run(name, contenders[name], steps))
    return seconds


def warm_up(contenders: Mapping[str, Contender], steps: int) -> None:
    """One short, unmeasured turn each."""
    for name, contender in contenders.items():
        _run(name, contender, steps)


def _run(name: str, contender: Contender, steps: int) -> float:
    gc.collect()  # or one contender would pay for another's garbage
    threads = torch.get_num_threads()
    seconds = contender(steps)
    if torch.get_num_threads() != threads:
        raise RuntimeError(f"{name} changed torch's threads from {threads} to {torch.get_num_threads()}.")
    return seconds
