"""What removes a contradiction in the program: taken in the way that does best, unless it does harm."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from ._base import Case, Cure, Training
from ._candidates import corrections
from ._race import compare, race
from ._trial import Trial

if TYPE_CHECKING:
    from ._procedure import Course

_DAMAGE, _BY_BOTH = 0.5, 0.1
"""By how much worse, in units of what a constant leaves, a corrected training must be to be taken back: it solves
another problem than the wrong one did, and may need longer. Less is enough where the user's metric is worse as well."""
_BETTER = 2.0
"""Standard errors by which another way must be better than the most promising one."""


def corrected(course: Course, case: Case, cures: Mapping[str, Cure]) -> Trial | None:
    """The training without the contradictions that were found; None where there are none, or where it does harm."""
    ways = _ways(course.control.training, case, cures)
    if not ways:
        return None
    trial = _best(course, [course.trial(one) for one in ways])
    course.reach(trial, course.rungs[-1])
    return None if _harms(course, trial) else trial


def _ways(original: Training, case: Case, cures: Mapping[str, Cure]) -> list[Training]:
    """All corrections at once, each in its most promising variant; then with another variant of one of them.

    Where there is no other variant, without that one: what removes two contradictions may make a third.
    """
    first = corrections(case, cures)
    made = [way.made(original, case) for way in (first, *first.otherwise())]
    return list({tuple(edit.text for edit in one.edits): one for one in made if one is not None}.values())


def _best(course: Course, trials: list[Trial]) -> Trial:
    """The first, unless another is surely better half-way through the probe."""
    rungs, first = course.rungs[:-1], trials[0]
    if len(trials) == 1 or not rungs:
        return first
    winner = race(trials, course.control, rungs, course.purse, course.held_out)[0]
    if winner is first or winner.failed:
        return first
    together = max(one.examples for one in first.reached) if first.reached else rungs[0]
    seen = compare(winner, first, together)
    better = seen.better_by + (seen.metric_by or 0.0) > 0 and seen.surest > _BETTER
    return winner if first.failed or better else first


def _harms(course: Course, trial: Trial) -> bool:
    seen = compare(trial, course.control, course.rungs[-1])
    if not trial.failed and (seen.metric_errors or 0.0) > _BETTER:
        return False
    by_both = seen.metric_errors is not None and max(seen.errors, seen.metric_errors) < -_BETTER
    return bool(trial.failed) or (seen.harms and seen.better_by < (-_BY_BOTH if by_both else -_DAMAGE))
