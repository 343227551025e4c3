"""L406."""

from __future__ import annotations

import numpy as np

from latih.watch import Record, Sample

from .._base import Finding, NotApplicable, Rule, Severity
from .._movement import Movement, grown
from .._progress import ENOUGH, Curve

_DROPOUT = 0.8
_PULL = 1.0
_SHRUNK = 0.5
_GONE = 0.05
"""The same in one layer alone."""
_POOR = 0.15
_PENALISED = 0.75
_SILENT = 0.99
"""Share of the units of a layer that never fire."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Decay, dropout or a penalty keeps the network from learning what it could.

    Decay: the pull wd·|w| is stronger than the pull of the loss. Where decay passes through the gradient both are
    compared directly, wd·|w| > |g| in the middle layer; where it is decoupled, lr·wd against |update| / |weight|: at
    half and more, the step is mostly decay. At the optimum of a regularised loss the two are equal by definition, so
    the ratio alone says nothing: the loss must also be less than 15 % below the constant output's.

    Penalty: weights lose more than half of their length in most layers, or 95 % of it in one. Where a term was added
    to the loss, what is left of it counts as not learned: less than 75 % gone, and as much time again changes nothing.

    Dropout: a unit kept with probability 1-p and scaled by 1/(1-p) carries noise of variance p/(1-p) for signal 1
    (Srivastava et al., 2014): 1 at the usual 0.5, 4 and more from p = 0.8.

    Silent while the loss is learned, and behind layers that never fire.
    """
    curve = Curve.of(record)
    if len(curve) < 2 * ENOUGH:
        return NotApplicable(f"fewer than {2 * ENOUGH} updates")
    if not _stays_poor(curve):
        return []
    if any((one.dead or 0.0) > _SILENT for sample in _late(record) for one in sample.readings):
        return []  # nothing asks such weights to stay: that they shrink is a consequence
    found = _decay(record) or _collapse(record) or _dropout(record)
    if not found:
        return []
    evidence, why, advice, cure = found
    evidence["gain"] = curve.gain
    severity: Severity = "error" if curve.learns is False else "warning"
    return [Finding("L406", "over-regularised", severity, "", evidence, why, advice, (cure,), 0.95)]


def _stays_poor(curve: Curve) -> bool:
    """Little is gained, and as much time again would not bring much."""
    if curve.gain is None:
        return curve.learns is not True or curve.falling < 3
    limit = _POOR if curve.exact else _PENALISED
    soon = curve.gain_at(curve.level + min(curve.slope, 0.0) * len(curve)) or 0.0
    return curve.gain < limit and (curve.falling < 3 or soon < limit)


def _late(record: Record) -> list[Sample]:
    return [sample for sample in record.samples if sample.readings][-5:]


def _decay(record: Record) -> tuple[dict, str, str, str] | None:
    settings = record.optimizer
    strength = max((one.decayed for one in record.parameters), default=0.0)
    strength = max(strength, settings.weight_decay if settings else 0.0)
    if settings is None or strength <= 0:
        return None
    rate = record.rates[-1][1] if record.rates else settings.lr
    pulls = []
    for sample in _late(record):
        for one in sample.readings:
            if settings.decoupled and one.weight_change:
                pulls.append(2 * rate * strength / one.weight_change)
            elif not settings.decoupled and one.weight_grad and one.weight_norm:
                pulls.append(strength * one.weight_norm / one.weight_grad)
    pull = float(np.median(pulls)) if pulls else 0.0
    if pull < _PULL:
        return None
    return (
        {"pull of the decay / pull of the loss": round(pull, 3), "threshold": _PULL, "weight decay": strength},
        f"Weight decay of {strength:g} pulls the weights to zero {pull:.1f} times as hard as the loss pulls them away.",
        f"weight_decay={min(strength / 100, 1e-2):.1g}"
        + ("" if settings.decoupled else "  # or AdamW, which decouples it"),
        "weight_decay",
    )


def _collapse(record: Record) -> tuple[dict, str, str, str] | None:
    """A single layer may shrink by what it is asked for: what it cannot tell apart it leaves alone."""
    if len(record.layers) < 2:
        return None
    whose, share, limit = "most layers", Movement.of(record).grown, _SHRUNK
    if share >= limit:
        (whose, share), limit = min(grown(record).items(), key=lambda one: one[1], default=("", 1.0)), _GONE
    if share >= limit:
        return None
    return (
        {"length of the weights now / at the start": round(share, 3), "threshold": limit, "of": whose},
        f"The weights of {whose} have shrunk to {share:.1%} of their first length: a penalty outweighs what the loss "
        "asks for.",
        "Divide the penalty's factor by 100, and print both terms of the loss.",
        "weight_decay",
    )


def _dropout(record: Record) -> tuple[dict, str, str, str] | None:
    if record.dropout < _DROPOUT:
        return None
    noise = record.dropout / max(1 - record.dropout, 1e-3)
    return (
        {"dropout": record.dropout, "threshold": _DROPOUT, "variance of its noise for signal 1": round(noise, 1)},
        f"Dropout drops {record.dropout:.0%} of the units: what is left is mostly noise.",
        "nn.Dropout(0.2)  # torch's p is what is dropped, not what is kept",
        "dropout",
    )


RULE = Rule("L406", "over-regularised", judge)
