"""Learning rates worth a try, by how far updates have moved the weights."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from latih.optim import OptimizerSpec

from .._base import Case, Edit, Training
from .._optimizer import OptimizerPlan
from .._planned import planned_factors

USUAL = 1e-3
"""|update| / |weight| of one update (Karpathy, 2019)."""
_FURTHEST = 1e5
_LADDER = (1 / 10, 1 / 3, 1 / 100, 10.0, 100.0, 3.0)
_SAME = 3.0
"""Factor within which two rates are one try."""
_EARLY = 10
"""Updates in which the weights are still about what they were initialised to."""


def suggested_rates(training: Training, case: Case) -> list[float]:
    """Rates for `training`, lower and higher than its own, the most promising first; no two within a factor of three.

    By the record's updates: the rate at which the middle weight would change by a thousandth of its length, ten times
    that (the upper end of what is useful), and steps of 3, 10 and 100 from the present rate, the nearest first.
    """
    present, rule = present_rate(training), _by_ratio(training, case)
    ladder = [present * factor for factor in _LADDER if present > 0]
    if rule is None:
        wanted = ladder or [1e-3, 1e-2, 1e-4]
    else:
        wanted = [rule, 10 * rule, *sorted(ladder, key=lambda rate: abs(math.log(rate / rule)))]
    chosen: list[float] = []
    for rate in (rounded(one) for one in wanted):
        if all(_apart(rate, other) for other in chosen):
            chosen.append(rate)
    return chosen


def present_rate(training: Training) -> float:
    """The recipe's, which replaces the optimizer's own where it is set."""
    return training.optimizer.lr if training.recipe.lr is None else training.recipe.lr


def at_rate(training: Training, rate: float) -> tuple[OptimizerPlan, dict[str, Any]]:
    """The plan with its largest group at `rate`, and the recipe's fields that say so too."""
    plan = training.optimizer.with_lr(rate)
    fields: dict[str, Any] = {} if training.recipe.lr is None else {"lr": rate}
    return plan, fields | ({} if plan.spec is None else {"optimizer": plan.text})


def with_rate(training: Training, rate: float, cure: str) -> Training:
    """Nothing but the rate changed."""
    plan, fields = at_rate(training, rate)
    text = f"learning rate {present_rate(training):.2g} -> {rate:.2g}"
    return training.edited(Edit(cure, text, rate_code(training, rate), fields), optimizer=plan)


def rate_code(training: Training, rate: float) -> str:
    """The same in a program of one's own, whatever groups it has."""
    spec: OptimizerSpec | None = training.optimizer.spec
    if spec is not None:
        return f"optimizer = latih.optim.{spec.with_(lr=rate).text}(model)"
    if not training.optimizer.lr:
        return f"for group in optimizer.param_groups:\n    group['lr'] = {rate!r}"
    return f"for group in optimizer.param_groups:\n    group['lr'] *= {rate / training.optimizer.lr:.4g}"


def rounded(rate: float) -> float:
    """Two digits are as exact as any of this is."""
    return float(f"{rate:.2g}")


def _by_ratio(training: Training, case: Case) -> float | None:
    """lr · 1e-3 / |update|/|weight| of the first updates, at most five decades away; None where none was seen.

    Later ones say little where the rate was wrong: the weights have then grown with the steps. The schedule's largest
    factor brings it there.
    """
    record = case.findings.record
    if record is None or record.optimizer is None or record.optimizer.name != _class_name(training.optimizer):
        return None
    if any(edit.cure == "change_optimizer" for edit in training.edits):
        return None  # momentum, say, is of the same class and goes further
    shares = []
    for sample in [one for one in record.samples if one.step < _EARLY] or record.samples[:3]:
        changes = [
            one.weight_change for one in sample.readings if one.weight_change and math.isfinite(one.weight_change)
        ]
        rate = next((rate for step, rate in reversed(record.rates) if step <= sample.step), record.optimizer.lr)
        if changes and rate > 0:
            shares.append(median(changes) / rate)
    present = present_rate(training)
    if not shares or not present > 0:
        return None
    peak = max(planned_factors(training.recipe.schedule, case.updates)) or 1.0
    return min(max(USUAL / median(shares) / peak, present / _FURTHEST), present * _FURTHEST)


def _class_name(plan: OptimizerPlan) -> str:
    made = plan.make if plan.spec is None else plan.spec.make
    return "" if made is None else made.__name__.lower()


def _apart(rate: float, other: float) -> bool:
    return not 1 / _SAME < rate / other < _SAME
