"""L109: batch norm that standardises over too few values."""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._trouble import learns_well, trouble

FEWEST = 4
"""Values a feature up to which the estimate is worthless whatever the network is."""
FEW = 8
"""Values up to which it is, if the run is in trouble."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Batch norm divides by a deviation estimated from the m values that a batch gives each feature.

    The estimate's relative error is about sqrt(1 / (2 (m - 1))): 71 % for m = 2, 41 % for 4, 27 % for 8. Of two values
    (x1 - x2) / 2 |x1 - x2| / 2 leaves only signs, so nothing but "which is larger" passes. m is the batch size times
    positions, as one forward pass sees it: accumulating gradients does not help. A warning up to 4 values unless the
    run learns well; up to 8 only with a run in trouble.
    """
    norms = [one for one in record.norms if one.kind == "batch_norm"]
    if not norms:
        return NotApplicable("there is no batch norm")
    small = [one for one in norms if one.training and one.values is not None and one.values <= FEW and not one.pinned]
    if not small:
        return []
    worst = min(small, key=lambda one: one.values or 0)
    values = worst.values or 1
    fails = trouble(record)
    grave = not learns_well(record) and (values <= FEWEST or fails is not None)
    evidence: dict[str, Any] = {
        "values a feature": values,
        "threshold": FEWEST if values <= FEWEST else FEW,
        "relative error of the deviation": math.sqrt(0.5 / max(values - 1, 0.5)),
        "norms": len(small),
    }
    return [
        Finding(
            "L109",
            "norm-batch-too-small",
            "warning" if grave else "info",
            worst.name,
            evidence | (fails or {}),
            f"{worst.name} standardises over {values} values a feature, which say next to nothing about their mean "
            "and deviation.",
            "Larger batches (at least 16), or a norm that needs none: nn.GroupNorm(1, channels), nn.LayerNorm(n)",
            ("swap_norm", "batch_size"),
            weight=2.0,
        )
    ]


RULE = Rule("L109", "norm-batch-too-small", judge)
