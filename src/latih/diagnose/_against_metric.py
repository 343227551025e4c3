"""Does the metric that somebody wants get better with the loss that is minimised?"""

from __future__ import annotations

from typing import Any

import numpy as np

from latih.watch import Record

from ._progress import Curve, kendall, wavering

HIGHER_IS_BETTER = ("accuracy", "acc", "score", "r2", "f1", "auc", "iou", "dice", "recall", "precision", "map", "top1")
_ENOUGH = 5
"""Evaluations."""
_SURE = 2.0
_SURELY = 6.0
"""Standard errors by which the training loss has fallen."""
_APART = 4.0
"""Times the scatter of neighbouring evaluations by which the metric has fallen."""
_GONE = 0.1
"""Share of the first training loss that is left where it was minimised well."""


def against_metric(record: Record) -> dict[str, Any] | None:
    """The validation loss falls, and a metric falls with it or never leaves 0: the numbers; None if all is well.

    Both are taken of the same network on the same data at the same moment, so it is no matter of overfitting.
    """
    told = [one.values for one in record.evaluations if one.part == "valid"]
    losses = [one.get("loss") for one in told]
    if len(told) < _ENOUGH or any(one is None for one in losses):
        return None
    fell, curve = kendall([one for one in losses if one is not None]), Curve.of(record)
    if not curve.losses or curve.fallen < _SURELY:
        return None
    for name in told[0]:
        values = [one.get(name) for one in told]
        if not _larger_is_better(name) or any(one is None for one in values):
            continue
        metric = np.array(values, dtype=float)
        worse = kendall(metric) < -_SURE and fell < -_SURE and metric[0] - metric[-1] > _APART * wavering(metric)
        if worse or (not metric.any() and fell < 0 and 0 <= curve.level < _GONE * abs(curve.losses[0])):
            return {"metric": name, "first": float(metric[0]), "last": float(metric[-1]), "trend of the loss, z": fell}
    return None


def _larger_is_better(name: str) -> bool:
    words = name.lower().replace("-", "_").split("_")
    return any(word in HIGHER_IS_BETTER for word in words)
