"""L202: targets on a scale that the output does not start from."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from latih.watch import Record, Values

from .._base import Finding, NotApplicable, Rule
from .._progress import Curve
from .._trouble import above, trouble
from .._wiring import first_reading

FAR = 10.0
"""Root mean square of the targets over that of the first outputs, either way."""
UNHEARD = 100.0
"""Deviation of the largest target column over that of the smallest."""
ABOVE = 1.5
"""Times the best constant's loss."""
_HALF = 0.5
_VALUES = frozenset(("mse", "mae", "huber", "smooth_l1"))


def judge(record: Record) -> list[Finding] | NotApplicable:
    """A fresh network puts out values of about 1; targets far from that make it travel before it can learn.

    The way is |mean(t)| or std(t) over the outputs' first size. Adaptive steps cover about lr each, so a way of T takes
    T / lr updates; gradients of squared error are T times as large, so plain steps of a usual rate throw the net away
    (the loss's curvature stays, the way does not). Targets much smaller than the outputs are drowned by them.
    Symptom: a ratio of 10 or more, either way. Second signal: after 24 updates the loss is still 1.5 times what the
    best constant output costs (the way is not done), or the run is in trouble. Targets of several columns whose
    deviations differ by 100 or more share a squared error of which the small one is 1/10,000: the optimizer never
    hears it. The same where a squared error is added to another loss, and the first sum is the square (within a factor
    of two) of its targets, of size 10 or larger.
    """
    loss, targets = record.loss, record.loss.targets
    drowned = _drowned(record)
    if drowned is not None:
        return [_finding(drowned, "Targets of an error that is added are so large that it is nearly all of the loss")]
    if loss.kind not in _VALUES or targets is None:
        return NotApplicable("targets are not values, or were not seen")
    unlike = _unlike(targets) if loss.kind == "mse" else None
    if unlike is not None:
        yields = {"deviation of the largest target / smallest": unlike, "threshold": UNHEARD}
        return [_finding(yields, "Targets of very unlike size share one loss: the small ones are never heard")]
    start = _first_size(record)
    size = max(abs(targets.mean), targets.std)
    if start is None or size <= 0:
        return []
    ratio = size / max(start, 1e-30)
    # outputs that start near zero are no reason to call usual targets large
    large, small = ratio >= FAR and size >= FAR, ratio <= 1 / FAR and size <= 1 / FAR
    if not (large or small):
        return []
    second = _second(record)
    if second is None:
        return []
    evidence = {"targets": [targets.mean, targets.std], "size / first outputs": ratio, "threshold": FAR} | second
    word = "larger" if large else "smaller"
    return [_finding(evidence, f"Targets are {max(ratio, 1 / ratio):.3g} times {word} than what the network puts out")]


def _second(record: Record) -> dict[str, Any] | None:
    curve = Curve.of(record)
    if above(curve, patient=not record.ended):
        return {"loss": curve.level, "loss of the best constant": curve.baseline, "threshold of the loss": ABOVE}
    probes, baseline = record.probes, record.loss.baseline
    fitted = [one for one in (probes.fit_safe or [] if probes is not None else []) if one is not None]
    if not record.losses and fitted and baseline is not None and min(fitted) > ABOVE * baseline:
        return {"loss after fitting one batch": min(fitted), "loss of the best constant": baseline, "times": ABOVE}
    return trouble(record)


def _finding(evidence: dict[str, Any], why: str) -> Finding:
    return Finding(
        "L202",
        "unscaled-targets",
        "warning",
        "loss",
        evidence,
        why + ", so training is spent on getting there.",
        "y = (y - y_train.mean(0)) / y_train.std(0)  # and undo it after predicting: prediction * std + mean",
        ("standardise_targets",),
        weight=2.2,
    )


def _unlike(targets: Values) -> float | None:
    stds = np.array(targets.feature_stds)
    stds = stds[stds > 1e-9 * stds.max(initial=0.0)] if len(stds) else stds
    if not 2 <= len(stds) <= 16:
        return None
    ratio = float(stds.max() / stds.min())
    return ratio if ratio >= UNHEARD else None


def _drowned(record: Record) -> dict[str, Any] | None:
    """A squared error is added to another loss, and the sum begins at the square of its targets' size."""
    first = record.probes.start_loss if record.probes is not None else next(iter(record.losses), None)
    size = max((math.hypot(one.mean, one.std) for one in record.loss.added), default=0.0)
    if first is None or size < FAR or not _HALF < first / size**2 < 1 / _HALF:
        return None
    return {"size of the added targets": size, "first loss": first, "its square": size**2, "threshold": FAR}


def _first_size(record: Record) -> float | None:
    """Of the outputs, at the first sample."""
    heads = [layer.name for layer in record.layers if layer.is_head]
    found = [one for name in heads if (one := first_reading(record, name)) is not None and one.out_std is not None]
    sizes = [math.hypot(one.out_std or 0.0, one.out_mean or 0.0) for one in found]
    return max(sizes, default=None)


RULE = Rule("L202", "unscaled-targets", judge)
