"""L206: all examples look alike."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._trouble import trouble
from .._wiring import first_layers, first_reading, seen_scale

FAINT = 0.01
"""Variation over examples, where the first layer is made for 1."""
_FROM_BIAS = 0.05
"""Deviation over examples, of that over everything, below which units differ by their bias alone."""
SAME = 0.02
"""Share of examples that differ from the first."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """What does not vary over examples cannot tell them apart.

    With features of deviation s a first layer of usual weights puts out s times what its bias, and the layers behind,
    are made for: at s = 0.01 the gradient for what varies is a hundredth of that for the bias, its curvature a
    ten-thousandth. Symptom: the root mean square of the features' deviations is at most 0.01 (as the first layer sees
    it; a norm in front heals it), or no more than 2 % of the examples differ from the first. The second signal is a
    run, or the fit of one small batch, in trouble; identical examples are enough where their targets differ.
    """
    inputs = record.inputs
    if inputs is None or not inputs.feature_stds or (inputs.shape and inputs.shape[0] < 2):
        return NotApplicable("the inputs were not seen")
    alike = inputs.varies <= SAME
    variation = float(np.sqrt(np.mean(np.square(inputs.feature_stds)))) if inputs.dtype.startswith("float") else 1.0
    faint = inputs.dtype.startswith(("float", "bfloat")) and variation <= FAINT and not _normed(record, variation)
    if not (alike or faint):
        return []
    second: dict[str, Any] | None = trouble(record)
    if second is None and alike and _targets_differ(record):
        second = {"targets differ": True}
    evidence = {"deviation over examples": variation, "threshold": FAINT}
    evidence |= {"share that differs from the first": inputs.varies, "threshold of those": SAME}
    evidence["constant features"] = inputs.constant
    return [
        Finding(
            "L206",
            "constant-inputs",
            "info" if second is None else "warning",
            "inputs",
            evidence | (second or {}),
            "All examples look alike to the network: "
            + ("they are the same." if alike else f"they vary by {variation:.2g} where 1 is expected."),
            "print(x.std(0))  # integer division, scaling twice? then x = (x - x_train.mean(0)) / x_train.std(0)",
            ("standardise_inputs",),
            weight=2.5,
        )
    ]


def _normed(record: Record, variation: float) -> bool:
    """The first layer sees more than that: there is a norm, or a scaling, in front."""
    assert record.inputs is not None
    scales = []
    for layer in first_layers(record):
        scale, reading = seen_scale(layer, record), first_reading(record, layer.name)
        if scale is not None:  # what units differ by without any example is their bias
            spread = 1.0 if reading is None or reading.alive_spread is None else reading.alive_spread
            scales.append(scale * (spread if spread < _FROM_BIAS else 1.0))
    return bool(scales) and max(scales) > 10 * math.hypot(record.inputs.mean, record.inputs.std) + 10 * variation


def _targets_differ(record: Record) -> bool:
    targets = record.loss.targets
    return len(record.loss.classes) > 1 or (targets is not None and targets.std > 0)


RULE = Rule("L206", "constant-inputs", judge)
