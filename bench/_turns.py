"""Two trainings in turns of a few steps each, so that a machine that changes its pace changes it for both."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from latih.train import Callback, StopTraining

TURN = 25
"""Steps of a turn: a few hundredths of a second."""


class Turns:
    """Hands the machine from one training thread to the other; each one's own time is summed up."""

    def __init__(self, sides: int) -> None:
        self._now, self._ready = 0, threading.Condition()
        self._running = list(range(sides))

    def wait(self, side: int) -> None:
        """Return when it is this side's turn."""
        with self._ready:
            self._ready.wait_for(lambda: self._now == side)

    def pass_on(self, side: int, *, last: bool = False) -> None:
        """Let the next side have its turn; after its `last` one this side has no other."""
        with self._ready:
            after = self._running[(self._running.index(side) + 1) % len(self._running)]
            if last:
                self._running.remove(side)
            self._now = after
            self._ready.notify_all()


class Timed(Callback):
    """Times one side. Put it behind the callbacks whose work is to be counted."""

    def __init__(self, turns: Turns, side: int, steps: int) -> None:
        self.turns, self.side, self.steps = turns, side, steps
        self.count, self.seconds, self._started = 0, 0.0, 0.0

    def on_step_end(self, trainer: object) -> None:
        """At the end of a turn stop the clock and wait for the next one; the first turn warms up."""
        self.count += 1
        if self.count % TURN and self.count < self.steps:
            return
        if self.count > TURN:
            self.seconds += time.perf_counter() - self._started
        if self.count >= self.steps:
            raise StopTraining("enough")
        self.turns.pass_on(self.side)
        self.turns.wait(self.side)
        self._started = time.perf_counter()

    @property
    def seconds_per_step(self) -> float:
        """Mean over all turns but the first."""
        return self.seconds / (self.steps - TURN)


def in_turns(sides: list[Callable[[Timed], None]], steps: int) -> list[float]:
    """Run all `sides`, each a training that takes its `Timed` along; the seconds of a step of each."""
    turns = Turns(len(sides))
    timed = [Timed(turns, number, steps) for number in range(len(sides))]

    def work(number: int) -> None:
        turns.wait(number)
        try:
            sides[number](timed[number])
        finally:
            turns.pass_on(number, last=True)

    threads = [threading.Thread(target=work, args=(number,)) for number in range(len(sides))]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    if any(one.count != steps for one in timed):
        raise RuntimeError(f"{[one.count for one in timed]} steps were made and {steps} asked for.")
    return [one.seconds_per_step for one in timed]
