"""L402."""

from __future__ import annotations

import math

import numpy as np

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve
from .._suspects import suspect

_TINY = 1e-4
_PACE = 1e-3
_DEAD_RATE = 1e-3
"""Share of its peak below which a rate is over; cosine and one-cycle end there, but do not stay."""
_EARLY = 4
"""Part of the run after which no schedule means to be over."""
_POOR = 0.1
_MANY, _WAY, _HALF = 200, 0.3, 0.5
"""Updates; path of the weights in their own lengths (random ones need about 1); gain."""
_FAR = 10
"""Times the run so far in which the weights, at their pace, do not come as far as they are long."""
_CUT = 0.9
"""Share of the gradient: clipping is for the exceptions."""
_SURE = 1.9
"""Weight where steps do not depend on the gradient's size: nothing but the rate makes them short."""
_SOON = 3
"""Times the run so far: learning that takes longer is too slow."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Steps so short that the net of now is nearly the net of the start.

    Symptom: |update| / |weight| of the middle layer below 1e-4 all the way (log10 outside [-4, -1]; Karpathy, 2019),
    which needs thousands of updates before random weights have moved by a tenth of their length. Second signal: less
    than a tenth of the constant output's loss is gone and, at the present slope, half of it would take more than three
    times the updates done so far. Or: after 200 updates nothing is learned, and at this pace ten times as many would
    not carry the weights once as far as they are long. Or: after 200 updates of an adaptive method the weights have
    gone less than a third of their length, and the loss falls as fast as at the start. Or: fresh weights, of which at
    this pace all of the planned run changes less than a third, while the loss, at its present slope, would not come
    half of the way. Or: the schedule has been below a thousandth of its peak for more than half of the
    updates although the loss still fell when it got there.

    Silent while the rate warms up (it is short on purpose then; a warm-up of more than 200 updates without any gain, or
    of more than a third of a planned run, is not), and where the loss has been learned.
    """
    curve, movement = Curve.of(record), Movement.of(record)
    if not len(movement):
        return NotApplicable("no update was sampled")
    if len(curve) < 2 * ENOUGH:
        return NotApplicable(f"fewer than {2 * ENOUGH} updates")
    if found := _faded(record, curve, movement):
        return [found]
    if _warms_up(record):
        return NotApplicable("the learning rate is still warming up")
    if movement.peak == 0 and any(rate for _, rate in record.rates):
        return []  # nothing moves at all: that is not the rate
    creeps = _creeps(record, curve, movement)
    crawls = _crawls(curve, movement)
    never = _never_arrives(record, curve, movement)
    if not (creeps or crawls or never) and (movement.now >= _TINY or movement.peak >= 10 * _TINY or not _poor(curve)):
        return []
    rate = record.optimizer.lr if record.optimizer else None
    clipped = _clipped(record)
    cause = suspect(record) or (None if clipped else _small_gradients(record, movement))
    return [
        _finding(
            {
                "|update|/|weight|": movement.now,
                "threshold": _TINY,
                "learning rate": rate,
                "gain": curve.gain,
                **({"but": cause} if cause else {}),
            },
            f"An update changes the weights by {movement.now:.1g} of their length (1e-3 is usual), "
            f"so {len(curve)} updates have changed next to nothing.",
            f"Try lr={rate * 1e-3 / movement.now:.1g}, or let latih.find_lr(model, train) measure it."
            if rate and movement.now > 0
            else "Raise the learning rate, or let latih.find_lr(model, train) measure it.",
            0.5 if cause else _SURE if record.optimizer and record.optimizer.adaptive else 0.9,
            {"share of the gradient that clipping removes": clipped} if clipped else {},
        )
    ]


def _never_arrives(record: Record, curve: Curve, movement: Movement) -> bool:
    """Fresh weights that the whole of a planned run would not carry a third of their length, nor the loss half way."""
    ahead = (record.planned or 0) - record.updates
    if ahead <= 0 or curve.gain is None or curve.gain > _HALF:
        return False
    sizes = {one.name: math.prod(one.shape) for one in record.parameters if one.trainable and len(one.shape) > 1}
    fresh = sum(sizes[one.name] for one in record.parameters if one.name in sizes and one.fresh)
    far = movement.travelled(record.updates) + movement.now * ahead
    then = curve.gain_at(curve.level + min(curve.slope, 0.0) * ahead) or 0.0
    return fresh > sum(sizes.values()) / 2 and far < _WAY and then < _HALF


def _crawls(curve: Curve, movement: Movement) -> bool:
    """Two hundred updates, nothing is learned, and at this pace ten times as many would not carry the weights once."""
    far = movement.now * _FAR * len(curve)
    return len(curve) >= _MANY and curve.learns is False and far < 1 and movement.travelled(len(curve)) < 0.1


def _clipped(record: Record) -> float | None:
    """Share of the gradient that a clip removes, where it removes nearly all of it at nearly every update."""
    told = [sample.clipped for sample in record.samples if sample.clipped is not None]
    share = float(np.median(told)) if len(told) >= 3 else 0.0
    return share if share > _CUT else None


def _creeps(record: Record, curve: Curve, movement: Movement) -> bool:
    """Two hundred updates, a small part of the way, and the loss falls as fast as ever: it has only begun."""
    if len(curve) < _MANY or curve.gain is None or curve.gain > _HALF or movement.travelled(len(curve)) > _WAY:
        return False
    adaptive = record.optimizer is not None and record.optimizer.adaptive
    thirds = [float(part.mean()) for part in np.array_split(np.array(curve.losses), 3)]
    steady = thirds[1] - thirds[2] > 0.8 * (thirds[0] - thirds[1]) > 0
    return adaptive and steady and curve.falling > 3


def _poor(curve: Curve) -> bool:
    if curve.gain is None:
        return curve.learns is not True
    midway = curve.level - (curve.baseline or 0.0) / 2 if curve.floor is not None else curve.level / 2
    ahead = -curve.slope * _SOON * len(curve)
    return curve.gain < _POOR and (curve.falling < 3 or ahead < midway)


def _warms_up(record: Record) -> bool:
    rates = [rate for _, rate in record.rates]
    if len(rates) < 3 or record.updates - record.rates[-1][0] > 20 or rates[-1] <= rates[-2] or rates[-1] < max(rates):
        return False
    if record.planned:
        return record.updates < record.planned / 3
    return record.updates < 200


def _faded(record: Record, curve: Curve, movement: Movement) -> Finding | None:
    """The rate was alive once, the loss fell, and then the rate was over."""
    if not record.rates:
        return None
    peak, now = max(rate for _, rate in record.rates), record.rates[-1][1]
    if peak == 0:
        if movement.peak > 0:
            return None  # another group moves: this one waits for its turn
        return _finding({"learning rate": 0.0}, "The learning rate is 0.", "Set lr, and look at the schedule.", 1.0)
    since = next((step for step, rate in record.rates if rate < _DEAD_RATE * peak), None)
    later = [rate for step, rate in record.rates if since is not None and step > since]
    if since is None or max(later, default=0.0) > _DEAD_RATE * peak or now > _DEAD_RATE * peak:
        return None
    alive = Curve(curve.losses[:since], curve.baseline, curve.floor, curve.exact)
    learned = curve.gain is not None and curve.gain > 0.5
    if since < record.updates / _EARLY and alive.fallen > 3 and movement.travelled(len(curve)) < 1:
        learned = False  # however far the loss came, random weights have further to go
    if since > record.updates / 2 or record.updates - since < ENOUGH or learned or curve.falling > 3:
        return None
    if len(alive) >= 4 and alive.fallen < 3 and curve.learns and movement.travelled(since) > _WAY:
        return None  # it had its chance and stood still: nothing was lost by ending
    return _finding(
        {"learning rate": now, "peak": peak, "threshold": _DEAD_RATE * peak, "since update": since, "gain": curve.gain},
        f"The schedule brought the learning rate to {now / peak:.1g} of its peak within {since} updates, "
        "while the loss was still falling.",
        "Is it meant an epoch and stepped an update? scheduler.step() belongs behind the batches' loop then.",
        1.0,
    )


def _small_gradients(record: Record, movement: Movement) -> str | None:
    """A rate that is usual for its optimizer moves little only where gradients are small.

    Steps along the gradient are in proportion to it: no rate is usual, but where 1 and more would be needed for a
    pace of 1e-3, it is not the rate that is wrong.
    """
    if movement.spread > 2:
        return "layers differ by more than a factor of 100"
    settings = record.optimizer
    if settings is None or movement.now <= 0:
        return None
    rate = record.rates[-1][1] if record.rates else settings.lr
    if settings.lr >= 1e-4 if settings.adaptive else rate * _PACE / movement.now >= 1:
        return "the rate is usual, the gradients are small"
    return None


def _finding(evidence: dict, why: str, advice: str, weight: float, clipped: dict | None = None) -> Finding:
    if clipped:
        evidence |= clipped
        why = f"Clipping removes {next(iter(clipped.values())):.1%} of the gradient at nearly every update. {why}"
        advice = "Clip the exceptions only: a limit of ten times the usual norm of the gradient. " + advice
    cures = ("stretch_schedule",) if "since update" in evidence else ("stretch_schedule", "raise_lr")
    return Finding("L402", "learning-rate-too-low", "warning", "", evidence, why, advice, cures, weight)


RULE = Rule("L402", "learning-rate-too-low", judge)
