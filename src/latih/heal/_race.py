"""Successive halving: all variants train a little, the better half trains on (Jamieson & Talwalkar, 2016)."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import NormalDist

from ._trial import Trial
from ._yardstick import gain

CHANCE = 0.01
"""With which any of the variants that are tried may pass for better than the control though none is."""
MATTERS = 0.02
"""By how much it must be better, in units of what a constant output leaves."""
HARM = 2.0
"""Standard errors that count as harm."""


@dataclass
class Purse:
    """What may still be spent, in training examples; looking at held-out data counts a third."""

    budget: float
    spent: float = 0.0
    spend: list[str] = field(default_factory=list)

    @property
    def left(self) -> float:
        """What remains."""
        return self.budget - self.spent

    def advance(self, trial: Trial, examples: int, held_out: int) -> None:
        """Train `trial` on to `examples`, and pay."""
        before = trial.examples
        if examples > before:
            trial.advance(examples)
            self.spent += trial.examples - before + held_out / 3


@dataclass(frozen=True)
class Compared:
    """A variant beside the control after the same number of examples."""

    better_by: float
    errors: float
    """Standard errors of the difference."""
    metric_by: float | None = None
    metric_errors: float | None = None

    def helps(self, tried: int = 1) -> bool:
        """Surely better, as the best of so many, by an amount that matters, and by no measure surely worse."""
        sure = enough(tried)
        if self.metric_errors is not None and self.metric_errors < -HARM:
            return False
        if self.errors > sure and self.better_by > MATTERS:
            return True
        return self.metric_errors is not None and self.metric_errors > sure and self.errors > -sure

    @property
    def surest(self) -> float:
        """Standard errors of the measure that is surer."""
        return max(one for one in (self.errors, self.metric_errors) if one is not None)

    @property
    def harms(self) -> bool:
        """Surely worse by an amount that matters."""
        worse = self.metric_errors is not None and self.metric_errors < -HARM
        return worse or (self.errors < -HARM and self.better_by < -MATTERS)


def enough(tried: int) -> float:
    """Standard errors by which the best of so many must be better (Bonferroni): 2.3 for one, 2.9 for six."""
    return NormalDist().inv_cdf(1 - CHANCE / max(tried, 1))


def compare(trial: Trial, control: Trial, examples: int) -> Compared:
    """`trial` beside `control`, after `examples`; one that failed is worse than anything."""
    mine, other = trial.at(examples), control.at(examples)
    if mine is None:
        return Compared(-math.inf, -math.inf)
    if other is None:
        return Compared(math.inf, math.inf)
    better_by, errors = gain(mine.values, other.values)
    if mine.metric is None or other.metric is None:
        return Compared(better_by, errors)
    return Compared(better_by, errors, *gain(mine.metric, other.metric))


def race(
    trials: Sequence[Trial],
    control: Trial,
    rungs: Sequence[int],
    purse: Purse,
    held_out: int,
    on_rung: Callable[[int, int], None] = lambda left, examples: None,
) -> list[Trial]:
    """The trials in order of merit after the last rung that they reached; the control has been at every rung."""
    ranked: list[Trial] = []
    running = list(trials)
    for place, examples in enumerate(rungs):
        if place and examples - rungs[place - 1] + held_out / 3 > purse.left:
            break
        on_rung(len(running), examples)
        for trial in running:
            purse.advance(trial, examples, held_out)
        running.sort(key=lambda one: merit(one, control, examples), reverse=True)
        last = place + 1 == len(rungs)
        kept = len(running) if last else math.ceil(len(running) / 2)
        step = 0 if last else rungs[place + 1] - examples + held_out / 3
        while kept > 1 and kept * step > purse.left:
            kept -= 1
        ranked = running[kept:] + ranked
        running = running[:kept]
    return running + ranked


def merit(trial: Trial, control: Trial, examples: int) -> float:
    """What orders trials: the mean gain over the control, by both measures where there are two."""
    seen = compare(trial, control, examples)
    return seen.better_by + (seen.metric_by or 0.0)
