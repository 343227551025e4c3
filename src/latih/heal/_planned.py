"""What a schedule plans to do, before any of it is done."""

from __future__ import annotations

from latih._notation import build
from latih.diagnose import Finding

_POINTS = 100
"""At which it is looked up."""
_OVER, _EARLY = 1e-3, 0.5
"""Share of its peak below which a rate is over, and of the run before which no schedule means to be."""


def planned_factors(schedule: str, updates: int) -> list[float]:
    """By which the schedule, in notation, multiplies the rate at a hundred points of so many updates, evenly spaced.

    >>> factors = planned_factors("cosine()", 500)
    >>> factors[0], round(factors[50], 3)
    (1.0, 0.5)
    """
    factor = build("schedules", schedule).over(max(updates, 1))
    return [factor(updates * point // _POINTS, ()) for point in range(_POINTS)]


def over(schedule: str, updates: int) -> int | None:
    """The update from which the rate is over for good, where that is in the first half of the run.

    >>> over("exponential(5)", 1000), over("cosine()", 1000)
    (20, None)
    """
    factors = planned_factors(schedule, updates)
    alive = [place for place, factor in enumerate(factors) if factor > _OVER * max(factors)]
    first = alive[-1] + 1 if alive else 0
    return updates * first // _POINTS if alive and first < _EARLY * _POINTS else None


def planned_end(schedule: str, updates: int) -> Finding | None:
    """What to say of a schedule that ends long before the run: no look at a run is needed."""
    end = over(schedule, updates)
    if end is None:
        return None
    return Finding(
        "L402",
        "learning-rate-too-low",
        "warning",
        "",
        {"since update": end, "updates": updates, "threshold": _OVER},
        f"The schedule brings the learning rate below a thousandth of its peak by update {end} of {updates}.",
        "Is it meant an epoch and stepped an update? scheduler.step() belongs behind the batches' loop then.",
        ("stretch_schedule",),
        2.0,
    )
