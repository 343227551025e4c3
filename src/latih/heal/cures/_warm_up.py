from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

from latih import _notation
from latih._checks import InputError
from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._rates import at_rate, present_rate, rate_code, suggested_rates
from ._schedule_code import schedule_code

_SHARE = 0.1
_LONG = 1000
"""Updates from which half of that share will do."""
_FEWEST = 2


def warm_up(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Begins with short steps that grow to the full learning rate over the first tenth of the updates.

    The first gradients are the largest, and adaptive methods estimate their variance from a handful of them; steps that
    are too long there kill rectified units for good. A tenth of the updates, a twentieth from 1,000 on. Where the
    finding asks for a lower rate as well, one variant goes with it; first where the rate itself was found too high.

    It hurts where it takes most of a short run. Nothing where the schedule begins with a warm-up already.

    Source: Goyal et al. (2017), section 2.2; Liu et al. (2020) for adaptive methods.
    """
    schedule, steps = training.recipe.schedule, _steps(case.updates)
    with suppress(InputError):
        first = _notation.parse("schedules", schedule)[0].name
        text = f"warmup({steps}) >> {schedule}"
        if steps < _FEWEST or first in ("warmup", "one_cycle"):
            return
        _notation.build("schedules", text)
        variants = [_warmed(training, text, case.updates, None)]
        rates = [rate for rate in suggested_rates(training, case) if rate < present_rate(training) / 1.5]
        if "lower_lr" in finding.cures and rates:
            variants.insert(0 if finding.code == "L401" else 1, _warmed(training, text, case.updates, rates[0]))
        yield from variants


def _steps(updates: int) -> int:
    return round(updates * (_SHARE if updates < _LONG else _SHARE / 2))


def _warmed(training: Training, schedule: str, updates: int, rate: float | None) -> Training:
    steps = _steps(updates)
    text = f"the learning rate grows to its full height over the first {steps} updates"
    code = schedule_code(schedule, updates)
    if rate is None:
        return training.edited(Edit("warm_up", text, code, {"schedule": schedule}))
    plan, fields = at_rate(training, rate)
    text += f", which is {rate:.2g} instead of {present_rate(training):.2g}"
    edit = Edit("warm_up", text, f"{rate_code(training, rate)}\n{code}", {"schedule": schedule} | fields)
    return training.edited(edit, optimizer=plan)


CURE = Cure("warm_up", warm_up)
