"""L105: the loss never hears of some weights that the optimizer is meant to move."""

from __future__ import annotations

import math

from latih.watch import Parameter, Record

from .._base import Finding, NotApplicable, Rule
from .._wiring import readings

SHARE = 0.05
"""Of all trainable weights; fewer are left-overs that harm nobody."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Trainable weights that the optimizer holds and that no gradient ever reaches stay as random as they began.

    The two facts: somebody means them to learn (they require a gradient, and are in the optimizer), and the graph from
    the loss does not lead to them: `detach()`, `no_grad`, a comparison or a lookup between, or a result that is not
    used. Rounding and comparing pass on a gradient of exactly 0 at every sample, which counts too if the layers
    behind hear something and no unit is dead; a gradient that is only small does not.

    A warning from 5 % of the trainable weights on, if they take part in the forward pass; otherwise, as for a head that
    is not asked for, an info. Parameters that the optimizer does not hold are a feature extractor: silent.
    """
    if not record.parameters:
        return NotApplicable("the parameters were not seen")
    if all(one.reached is None for one in record.parameters) and not record.samples:
        return NotApplicable("nobody looked at what the gradient reaches")
    learning = [one for one in record.parameters if one.trainable and one.optimised is not False]
    lost = [one for one in learning if one.reached is False or _only_zero(one, record)]
    if not lost:
        return []
    ends = {layer.parameter.rpartition(".")[0] for layer in record.layers if layer.is_head}
    used = [one for one in lost if _takes_part(one, record) and one.name.rpartition(".")[0] not in ends]
    total = max(sum(math.prod(one.shape) for one in learning), 1)
    share = sum(math.prod(one.shape) for one in lost) / total
    heard = sum(math.prod(one.shape) for one in used) / total
    names = [one.name for one in lost]
    grave = heard >= SHARE
    return [
        Finding(
            "L105",
            "unreached-parameters",
            "warning" if grave else "info",
            (used or lost)[0].name,
            {
                "unreached": names[:20],
                "share of trainable weights": share,
                "of them at work": heard,
                "threshold": SHARE,
            },
            f"No gradient reaches {len(names)} trainable parameters ({share:.0%} of the weights): they never change.",
            f"Look behind {(used or lost)[-1].name} for detach(), no_grad(), .item(), rounding, or a result that is "
            "not returned; what should stay fixed: requires_grad_(False).",
            ("register",),
            weight=2.5,
        )
    ]


def _label(one: Parameter, record: Record) -> str:
    return next((layer.name for layer in record.layers if layer.parameter == one.name), one.name)


def _takes_part(one: Parameter, record: Record) -> bool:
    """Its products are seen in the forward pass, or its bias belongs to a weight whose are."""
    label = _label(one, record)
    if any(reading.out_std is not None or reading.mean is not None for reading in readings(record, label)):
        return True
    owner = one.name.rpartition(".")[0]
    return len(one.shape) == 1 and any(
        reading.out_std is not None
        for other in record.parameters
        if other.name.rpartition(".")[0] == owner and len(other.shape) > 1
        for reading in readings(record, _label(other, record))
    )


def _only_zero(one: Parameter, record: Record) -> bool:
    """A gradient of exactly 0 at every sample, though others' are not and no unit on the way is dead."""
    silent = record.inputs is not None and record.inputs.low == record.inputs.high == 0
    if len(one.shape) < 2 or silent:
        return False
    seen = readings(record, _label(one, record))
    measured = [reading.weight_grad for reading in seen]
    # one sample is not enough: a head that starts at 0 passes on nothing before its first step
    if len(measured) < 2 or any(value is None or value != 0 for value in measured):
        return False
    if all(reading.weight_norm == 0 for reading in seen):  # factors of zero silence each other: how they start
        return False
    others = [
        reading
        for sample in record.samples
        for reading in sample.readings
        if reading.weight_grad is not None and reading.weight_grad > 0
    ]
    silent = any(
        (reading.dead or 0) > 0.99 or (reading.zeros or 0) > 0.99 or (reading.saturated or 0) > 0.5
        for sample in record.samples[:3]
        for reading in sample.readings
    )
    sizes = [reading.weight_grad or 0.0 for reading in others]
    gradual = bool(sizes) and min(sizes) < 1e-12 * max(sizes)
    return bool(others) and not silent and not gradual


RULE = Rule("L105", "unreached-parameters", judge)
