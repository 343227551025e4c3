"""What a schedule does when a finished run is made longer: a declared policy, not an accident of the formula."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeVar, get_args

from latih._checks import InputError, one_of

from ._arguments import whole
from ._base import At, Schedule, Scores

Policy = Literal["stretch", "hold", "restart"]
T = TypeVar("T")


def extend(schedule: Schedule, old_steps: int, new_steps: int, policy: Policy) -> Schedule:
    """The schedule of a run of `new_steps` updates whose first `old_steps` were made by `schedule`."""
    whole("extended", "old_steps", old_steps)
    whole("extended", "new_steps", new_steps)
    one_of("extended", "policy", policy, get_args(Policy))
    if new_steps <= old_steps:
        raise InputError(
            f"extended(old_steps={old_steps!r}, new_steps={new_steps!r}): new_steps must be above old_steps; "
            "it counts the whole run, the finished part included."
        )
    if policy == "stretch":
        return _stretched(schedule, new_steps)
    before, after = schedule.over(old_steps), schedule.over(new_steps - old_steps)

    def along(asked: Callable[[Schedule, int, Scores], T]) -> Callable[[At], T]:
        def value(at: At) -> T:
            if at.step < old_steps:
                return asked(before, at.step, at.scores)
            if policy == "hold":
                return asked(before, old_steps - 1, at.scores)
            since = tuple((step - old_steps, value) for step, value in at.scores if step > old_steps)
            return asked(after, at.step - old_steps, since)

        return value

    momentum = None if schedule.momentum is None else along(Schedule.momentum_at)
    return Schedule(along(Schedule.__call__), new_steps, momentum)


def _stretched(schedule: Schedule, new_steps: int) -> Schedule:
    if schedule.steps and schedule.steps < new_steps:
        raise InputError(
            f"extended(policy='stretch'): this schedule ends after {schedule.steps} updates whatever the run's length, "
            "so nothing stretches; extend it as it was written, before .over(steps), with a piece that fills the run, "
            "such as cosine(), or choose 'hold' or 'restart'."
        )
    return schedule.over(new_steps)
