"""What a schedule plans to do."""

from __future__ import annotations

from latih._notation import build

_POINTS = 100
"""At which it is looked up."""


def planned_factors(schedule: str, updates: int) -> list[float]:
    """By which the schedule, in notation, multiplies the rate at a hundred points of so many updates, evenly spaced.

    >>> factors = planned_factors("cosine()", 500)
    >>> factors[0], round(factors[50], 3)
    (1.0, 0.5)
    """
    factor = build("schedules", schedule).over(max(updates, 1))
    return [factor(updates * point // _POINTS, ()) for point in range(_POINTS)]
