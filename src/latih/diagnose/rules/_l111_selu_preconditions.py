"""L111: SELU normalises itself only under conditions, and they are not met."""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Layer, Record

from .._base import Finding, NotApplicable, Rule
from .._progress import ENOUGH, Curve
from .._trouble import above, hardly_learns
from .._wiring import first_layers, first_reading, seen_scale

RATIO = (0.8, 1.25)
"""Deviation of the weights, times sqrt(fan_in), that counts as LeCun's initialisation."""
KEPT = (0.5, 2.0)
"""Deviation of the signal around its fixed point of 1 that SELU's own contraction brings back."""

_HALF = 0.5


def judge(record: Record) -> list[Finding] | NotApplicable:
    """SELU pulls mean and variance of its signal to 0 and 1, if the net is a plain stack, with LeCun's weights.

    Klambauer et al. (2017): for weights of mean 0 and variance 1 / fan_in the map of mean and variance has a stable
    fixed point at (0, 1). Other variances move or remove it, skips add variance at every sum, plain dropout
    changes both moments (alpha dropout does not), and inputs must begin near it. Each unmet condition is an info; a
    warning needs the consequence too: the deviation of the last SELU's output has left [0.5, 2] at the first samples,
    and the run hardly learns, or one small batch cannot be fitted; or, with plain dropout, less than half was learned
    in a hundred updates.
    """
    selus = [layer for layer in record.layers if layer.activation == "selu"]
    if len(selus) < 2:
        return NotApplicable("there are not two SELU layers")
    unmet = _unmet(record, selus)
    if not unmet:
        return []
    first = first_reading(record, selus[-1].name)
    last = first.std if first is not None else None
    drifts = last is not None and not KEPT[0] <= last <= KEPT[1]
    curve = Curve.of(record)
    fails = hardly_learns(record)
    little = len(curve) >= 4 * ENOUGH and curve.gain is not None and curve.gain < _HALF
    if fails is not None and record.losses and curve.learns is False and len(curve) < 4 * ENOUGH and not above(curve):
        fails = None  # a signal that fades is slow at first; what it learns later tells
    grave = (drifts and fails is not None) or (record.dropout > 0 and little)
    evidence = unmet | {"deviation after the last SELU": last, "fixed point": 1.0, "kept within": KEPT}
    return [
        Finding(
            "L111",
            "selu-preconditions",
            "warning" if grave else "info",
            selus[0].name,
            evidence | (fails or {}),
            "SELU does not normalise itself here: " + ", ".join(unmet) + ".",
            "latih.initialize(model, batch, loss)  # LeCun for SELU; with skips use relu and a norm",
            ("reinitialise", "swap_activation", "standardise_inputs"),
            weight=1.8 if grave else 0.4,
        )
    ]


def _unmet(record: Record, selus: list[Layer]) -> dict[str, Any]:
    unmet: dict[str, Any] = {}
    ratios = []
    for layer in selus:
        reading = first_reading(record, layer.name)
        if reading is not None and reading.weight_std and layer.fan_in:
            ratios.append(reading.weight_std * math.sqrt(layer.fan_in))
    middle = sorted(ratios)[len(ratios) // 2] if ratios else None
    if middle is not None and not RATIO[0] <= middle <= RATIO[1]:
        unmet["weights are not LeCun's"] = middle
    if any(layer.in_residual or "add" in layer.between for layer in record.layers):
        unmet["there are skip connections"] = True
    scales = [scale for layer in first_layers(record) if (scale := seen_scale(layer, record)) is not None]
    if scales and not KEPT[0] <= max(scales) <= KEPT[1]:
        unmet["inputs are not standardised"] = max(scales)
    if record.dropout > 0:
        unmet["plain dropout instead of alpha dropout"] = record.dropout
    return unmet


RULE = Rule("L111", "selu-preconditions", judge)
