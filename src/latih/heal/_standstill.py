"""Nothing was learned in the probe, and no rule says why."""

from __future__ import annotations

from typing import TYPE_CHECKING

from latih.diagnose import Finding, Movement

from ._planned import planned_factors
from ._yardstick import gain

if TYPE_CHECKING:
    from ._procedure import Course

_CONSTANT = -0.98
"""Quality (a constant output's is -1) below which nothing was learned."""
_THIRD, _SURE = 0.3, 2.0
"""Of what a constant output leaves, to be gone by the end at the pace of the last two looks; and standard errors."""
_USUAL_MOVE = 3e-3
_NOISY = 0.5
"""Share of units dropped from where there is more noise than signal."""


def standstill(course: Course) -> Finding | None:
    """What to do about a training of which no rule says anything, and in which nothing was learned.

    Where updates are far from a thousandth of the weights it is their length that is tried first.
    """
    quality = course.control.at(course.rungs[-1])
    nothing = quality is None or float(quality.values.mean()) < _CONSTANT
    if course.bench.yardstick.task == "other" or not nothing or _warms_up(course) or _sets_out(course):
        return None
    record = course.control.findings.record
    moved = 0.0 if record is None else Movement.of(record).now
    rate = ("lower_lr",) if moved > _USUAL_MOVE else ("stretch_schedule", "raise_lr")
    noisy = ("dropout",) if record is not None and record.dropout > _NOISY else ()
    updates = len(course.control.losses)
    return Finding(
        "L403",
        "not-learning",
        "warning",
        "",
        {"updates": updates, "quality": None if quality is None else float(quality.values.mean()), "constant": -1.0}
        | {"|update|/|weight|": moved, "threshold": _CONSTANT},
        f"After {updates} updates held-out data are answered hardly better than by a constant, and no rule says why.",
        "latih.find_lr(model, train)  # and look at some pairs of inputs and targets",
        (*noisy, *rate, "change_optimizer", "standardise_inputs", "reinitialise"),
        0.3,
    )


def _sets_out(course: Course) -> bool:
    """Whether it surely got better from the last look but one to the last, and in time to get somewhere."""
    looks = [course.control.at(examples) for examples in course.rungs[-2:]]
    if len(looks) < 2 or looks[0] is None or looks[1] is None:
        return False
    by, errors = gain(looks[1].values, looks[0].values)
    total = course.bench.updates * course.control.training.recipe.batch_size
    ahead = (total - course.rungs[-1]) / (course.rungs[-1] - course.rungs[-2])
    return errors > _SURE and float(looks[1].values.mean()) + by * ahead > -1 + _THIRD


def _warms_up(course: Course) -> bool:
    """Whether the rate has yet to reach half of the largest that the schedule plans: too early for a verdict.

    A rate that grows for more than half of the run is not warming up.
    """
    control = course.control
    planned = planned_factors(control.training.recipe.schedule, control.planned)
    peak, now = planned.index(max(planned)), len(control.losses) * len(planned) // max(control.planned, 1)
    now = min(now, len(planned) - 1)  # a large budget looks for longer than the run is
    return peak <= len(planned) / 2 and planned[now] < planned[peak] / 2
