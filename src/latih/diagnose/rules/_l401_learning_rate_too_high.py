"""L401."""

from __future__ import annotations

import numpy as np

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve, swings
from .._stuck import gone
from .._suspects import suspect

_SOONEST = 10
_WIPED = 1.0
"""An update as long as the weight itself."""
_FAST = 0.2
"""Mean ratio over the first updates."""
_USUAL = 0.1
_LONG = 0.03
"""Ratio that ends a signal within tens of updates, as seen from 1e-3, which is usual."""
_GROWN = 3.0
_SHRUNK = 0.5
_MEDIOCRE = 0.5


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Steps as long as the weights that they change: what was initialised is gone, and nothing is learned.

    Symptom: |update| / |weight| of the middle layer, momentum, clipping and decay included. About 1e-3 an update is
    usual and 1e-1 the end of the useful range (Karpathy, 2019). It counts as too high where one update is as long as
    the weight (the network of the step before is gone), where the first 24 updates make 0.2 on average, and above 0.1
    where the loss swings or has left for good (a step beyond 2 / curvature overshoots) or the weights have grown to
    three times their first length. From 0.03 on where the output told examples apart when training began and no longer
    does: units that died, attention or norms that collapsed.

    Second signal: the loss is at the constant output's or above, is lost, or stands still with less than half of the
    gain; before 24 updates (from ten on) that the last five losses are not below the first, for the first symptom only.
    Other causes of long steps (unscaled data, initial weights, uncleared gradients, decay) keep the finding, with less
    weight. Silent without samples of updates, and in every run that learns.
    """
    curve, movement = Curve.of(record), Movement.of(record)
    if not len(movement):
        return NotApplicable("no update was sampled")
    if len(record.losses) < _SOONEST:
        return NotApplicable(f"fewer than {_SOONEST} updates")
    failure = _failure(record, curve, movement)
    symptom = _symptom(record, curve, movement) if failure else None
    if not failure or not symptom:
        return []
    name, value, threshold = symptom
    cause = suspect(record) or ("the weights shrink" if movement.grown < _SHRUNK else None)
    rate = record.optimizer.lr if record.optimizer else None
    evidence = {name: round(value, 4), "threshold": threshold, "usual |update|/|weight|": 1e-3, "learning rate": rate}
    evidence |= {"gain": curve.gain if len(curve) else None, **({"but": cause} if cause else {})}
    return [
        Finding(
            "L401",
            "learning-rate-too-high",
            "warning" if failure == "stands still" else "error",
            f"update {movement.steps[int(movement.ratios.argmax())]}",
            evidence,
            f"Updates change the weights by up to {movement.peak:.0%} of their length (0.1 % is usual), and the loss "
            f"{failure}.",
            _advice(rate, movement.peak),
            ("lower_lr", "warm_up", "clip"),
            0.5 if cause else 0.9,
        )
    ]


def _failure(record: Record, curve: Curve, movement: Movement) -> str | None:
    """In what way the run does not learn, as the end of a sentence."""
    if record.losses[-1] is None:
        # what was learned well until then was not lost by the length of the steps
        return None if curve.learns and movement.peak < _WIPED else "is not finite"
    if len(curve) < ENOUGH:
        worse = np.median(curve.losses[-5:]) >= np.median(curve.losses[:2])
        return "is not below its start" if worse and movement.peak >= _WIPED else None
    if curve.learns is False:
        return "is not below what a constant output reaches"
    if curve.gain is None or movement.peak < _WIPED:
        return None
    if curve.learns:
        return "stands still" if curve.gain < _MEDIOCRE and curve.falling < 3 else None
    # it falls, but only back from where the first steps threw it
    return "is not below what a constant output reaches" if curve.exact and curve.gain < 0 else None


def _symptom(record: Record, curve: Curve, movement: Movement) -> tuple[str, float, float] | None:
    if movement.peak >= _WIPED:
        return "largest |update|/|weight|", movement.peak, _WIPED
    if len(record.losses) < ENOUGH:
        return None
    early = movement.travelled(ENOUGH) / ENOUGH
    if early >= _FAST:
        return "mean |update|/|weight| of the first updates", early, _FAST
    if movement.peak >= _LONG and gone(record):
        return "largest |update|/|weight|", movement.peak, _LONG
    restless = record.losses[-1] is None or curve.blown_up or swings(curve) or movement.grown >= _GROWN
    return ("largest |update|/|weight|", movement.peak, _USUAL) if restless and movement.peak >= _USUAL else None


def _advice(rate: float | None, ratio: float) -> str:
    lower = f"lr={rate * 0.01 / ratio:.1g}" if rate and ratio > 0 else "a rate a hundred times smaller"
    return f"Start with {lower}, or let latih.find_lr(model, train) measure it; warm up: schedules.warmup(100)."


RULE = Rule("L401", "learning-rate-too-high", judge)
