from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from statistics import fmean
from textwrap import shorten

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from .._planned import planned_factors
from ._rates import present_rate, suggested_rates, with_rate
from ._schedule_code import schedule_code

_LITTLE = 0.2
"""Of the rate, on average over the run: cosine leaves 0.5, one cycle 0.4."""
_WIDE = 40
"""Letters of a schedule that are shown."""


def raise_lr(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Raises the learning rate until an update changes the weights by about a thousandth of their length.

    First the rate at which the middle layer's |update| / |weight| would be 1e-3, then the nearest of ten times that and
    of 3, 10 and 100 times the present rate; the groups keep their proportion. Where the schedule has brought the
    rate down while the loss still fell, or leaves less than a fifth of it on average, it is the schedule that changes.

    It hurts where gradients are small for another reason (they vanish, units are dead): then rates that move the lower
    layers throw the upper ones out.

    Source: Karpathy (2019), "A recipe for training neural networks"; Bengio (2012), section 3.1.1.
    """
    present, faded = present_rate(training), "since update" in finding.evidence
    holds_down = fmean(planned_factors(training.recipe.schedule, case.updates)) < _LITTLE
    others = _longer_schedules(training, case.updates) if faded or holds_down else ()
    higher = (rate for rate in suggested_rates(training, case) if rate > present * 1.5 and not faded)
    yield from islice(chain(others, (with_rate(training, rate, "raise_lr") for rate in higher)), 3)


def _longer_schedules(training: Training, updates: int) -> Iterator[Training]:
    old = training.recipe.schedule
    for schedule, words in (("cosine()", "falls to 0 at the end of the run"), ("constant()", "stays where it is")):
        if schedule != old:
            text = f"schedule {shorten(old, _WIDE, placeholder=' ...)')} -> {schedule}: the learning rate {words}"
            yield training.edited(Edit("raise_lr", text, schedule_code(schedule, updates), {"schedule": schedule}))


CURE = Cure("raise_lr", raise_lr)
