from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import pairwise

from latih._checks import InputError, within

from ._arguments import whole_or_rest
from ._base import At, Schedule

Knots = Sequence[tuple[float, float]]


def one_cycle(
    steps: int | None = None,
    start: float = 0.04,
    final: float = 1e-5,
    warm: float = 0.5,
    tail: float = 0.1,
    momentum: tuple[float, float] | None = (0.95, 0.85),
) -> Schedule:
    """Raise the learning rate to its peak by mid-run, bring it back down, and end orders of magnitude lower.

    In straight lines: from `start`·η0 up to the peak η0 over the first `warm` of the run, down again to `start`·η0
    until the last `tail` of it, then to `final`·η0. η0, the base rate, is the peak: give the largest rate that still
    trains (`find_lr` looks for it). The momentum runs mirrored, from `momentum[0]` down to `momentum[1]` at
    the peak and back, and stays there through the tail; None leaves it alone. `steps=None` fills the run.

    torch's `OneCycleLR` defaults to cosine arcs, a peak at 0.3 of the run, start = peak/25 and end = start/10⁴ with
    no separate tail (`three_phase=True` has one as long as the warm-up).

    When: a fixed, short budget; the high rate in the middle also regularises.
    It hurts when a run is stopped early or prolonged: only the full cycle ends with small steps.

    Source: Smith, 2018, "A disciplined approach to neural network hyper-parameters" (the 1cycle policy).

    Raises `InputError` for fractions outside [0, 1], no room between `warm` and `tail`, or a momentum outside [0, 1).

    >>> schedule = one_cycle(1000)
    >>> schedule(0), schedule(500), schedule(900), schedule(1000)
    (0.04, 1.0, 0.04, 1e-05)
    >>> schedule.momentum_at(0), schedule.momentum_at(500), schedule.momentum_at(1000)
    (0.95, 0.85, 0.95)
    """
    whole_or_rest("one_cycle", steps)
    for name, value in {"start": start, "final": final, "warm": warm, "tail": tail}.items():
        within("one_cycle", name, value, 0.0, 1.0)
    if warm + tail >= 1:
        raise InputError(
            f"one_cycle(warm={warm!r}, tail={tail!r}): no time is left to come down; make their sum smaller than 1."
        )
    rates: Knots = [(0.0, start), (warm, 1.0), (1.0 - tail, start), (1.0, final)]
    if momentum is None:
        return Schedule(_along(rates), steps)
    high, low = _pair(momentum)
    return Schedule(_along(rates), steps, _along([(0.0, high), (warm, low), (1.0 - tail, high), (1.0, high)]))


def _pair(momentum: tuple[float, float]) -> tuple[float, float]:
    try:
        high, low = (float(value) for value in momentum)
        if 0 <= high < 1 and 0 <= low < 1:
            return high, low
    except (TypeError, ValueError):
        pass
    raise InputError(
        f"one_cycle(momentum={momentum!r}): momentum must be two numbers from 0 to below 1, "
        "at the ends and at the peak; write (0.95, 0.85), or None to leave it alone."
    )


def _along(knots: Knots) -> Callable[[At], float]:
    """The broken line through `knots` (progress, value) as a function of where the run stands."""

    def value(at: At) -> float:
        progress = min(at.step / at.steps, 1.0)
        for (x0, y0), (x1, y1) in pairwise(knots):
            if x0 <= progress < x1:
                return y0 + (y1 - y0) * (progress - x0) / (x1 - x0)
        return knots[-1][1]

    return value
