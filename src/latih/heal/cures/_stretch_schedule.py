from __future__ import annotations

from collections.abc import Iterator
from statistics import fmean
from textwrap import shorten

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from .._planned import over, planned_factors
from ._schedule_code import schedule_code

_LITTLE = 0.2
"""Of the rate, on average over the run: cosine leaves 0.5, one cycle 0.4."""
_WIDE = 40
"""Letters of a schedule that are shown."""
_WHOLE = {"cosine()": "falls to 0 at the end of the run", "constant()": "stays where it is"}


def stretch_schedule(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Replaces a schedule that leaves next to nothing of the learning rate by one that lasts as long as the run.

    When: the rate is over long before the run is (a schedule in epochs that is stepped at every update), or never
    arrives (a warm-up longer than the run, a factor that is a rate itself): less than a fifth of it is left on average.
    The rate falls to 0 along a cosine over the whole run, or stays. Nothing for other schedules.

    It hurts where the base rate is too high without the schedule. Source: Loshchilov and Hutter (2017) for the cosine.
    """
    old, updates = training.recipe.schedule, case.updates
    faded = "since update" in finding.evidence or over(old, updates) is not None
    if not faded and fmean(planned_factors(old, updates)) >= _LITTLE:
        return
    for schedule, words in _WHOLE.items():
        if schedule != old:
            text = f"schedule {shorten(old, _WIDE, placeholder=' ...)')} -> {schedule}: the learning rate {words}"
            code = schedule_code(schedule, updates)
            yield training.edited(Edit("stretch_schedule", text, code, {"schedule": schedule}))


CURE = Cure("stretch_schedule", stretch_schedule, corrects=True)
