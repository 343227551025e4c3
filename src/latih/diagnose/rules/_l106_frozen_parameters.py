"""L106: weights that are kept fixed although they never learned anything."""

from __future__ import annotations

import math

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._progress import ENOUGH
from .._trouble import learns_well, trouble
from .._wiring import is_matrix

SHARE = 0.5
"""Of the frozen weights that can be told: from here on they are a random draw, not a pretrained body."""
PART = 0.05
"""Of all weights."""
_EXPANDS = 8
"""Outputs for each input from which a random layer loses nothing."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Freezing keeps what was learned; frozen random weights keep nothing.

    Symptom: `requires_grad` is False. Second signal: the frozen weights are still what an initialisation draws,
    independent values of one uniform or normal law with rows and columns of equal size, which training destroys soon
    (Kolmogorov and Smirnov's test of the law, a test of the rows' and columns' mean squares). A frozen body that was
    trained passes, and so does one in which a frozen norm has seen batches before. Random features are a method too: a
    run that learns well with them gets an info, and so does one that learns at all where every frozen layer has eight
    times more outputs than inputs.
    """
    if not record.parameters:
        return NotApplicable("the parameters were not seen")
    frozen = [one for one in record.parameters if not one.trainable]
    if not frozen:
        return []
    total = sum(math.prod(one.shape) for one in record.parameters)
    told = [one for one in frozen if one.fresh is not None]
    random = [one for one in told if one.fresh]
    names = {one.name for one in frozen}
    known = sum(math.prod(one.shape) for one in told)
    fresh = sum(math.prod(one.shape) for one in random)
    part = sum(math.prod(one.shape) for one in frozen) / max(total, 1)
    used = any(norm.tracks and not norm.untouched and f"{norm.name}.weight" in names for norm in record.norms)
    grave = bool(random) and not used and fresh >= SHARE * known and fresh >= PART * total and _suffers(record)
    evidence = {
        "frozen": [one.name for one in frozen][:20],
        "share of all weights": part,
        "never trained, share of the frozen": fresh / known if known else None,
        "threshold": SHARE,
    }
    evidence |= trouble(record) or {}
    first = (random or frozen)[0].name
    return [
        Finding(
            "L106",
            "frozen-parameters",
            "warning" if grave else "info",
            first,
            evidence,
            f"{len(frozen)} parameters ({part:.0%} of the weights) are frozen"
            + (" and still hold the random values that they were made with." if grave else "."),
            "Let them learn: model.requires_grad_(True)  # or load the pretrained weights before freezing",
            ("unfreeze",),
            weight=2.5 if grave else 0.5,
        )
    ]


def _suffers(record: Record) -> bool:
    """Trouble now, or after a hundred updates still not learned well."""
    if trouble(record) is not None:
        return True
    return len(record.losses) >= 4 * ENOUGH and not learns_well(record) and not _random_features(record)


def _random_features(record: Record) -> bool:
    """What is frozen makes many features of few: random ones are a method then (Rahimi and Recht, 2007)."""
    frozen = {one.name for one in record.parameters if not one.trainable and one.fresh}
    layers = [layer for layer in record.layers if layer.parameter in frozen]
    wide = all(is_matrix(one) and one.fan_out >= _EXPANDS * max(one.fan_in, 1) for one in layers)
    return bool(layers) and wide


RULE = Rule("L106", "frozen-parameters", judge)
