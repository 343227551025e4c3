"""L409."""

from __future__ import annotations

import numpy as np

from latih.watch import Optimizer, Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve
from .._suspects import suspect

_PATIENCE = 200
_SLOW = 3e-3
_FADED = -0.35
_DEAD = 0.05
_WELL = 0.5


def judge(record: Record) -> list[Finding] | NotApplicable:
    """An optimizer whose steps fade, or follow gradients that are too small, where another would go on.

    Each case rests on how its rule makes steps, on the measured |update| / |weight|, and on a loss that is not learned:

    - Rprop multiplies a step by 0.5 whenever a gradient's sign flips; on mini-batches signs flip by chance, so steps
      shrink without end. LBFGS builds its curvature from differences of gradients, which batches spoil.
    - Adadelta chooses its own steps; a rate made for others (1e-3 instead of 1) divides them by it.
    - Adagrad divides by the root of the sum of all squared gradients: steps fade as 1/sqrt(t) at a constant rate.
      Found where the measured ratio falls as t^-0.35 or faster and is below 3e-3 while the loss still falls.
    - Plain SGD (no momentum) moves in proportion to the gradient: on a plateau, or where layers' gradients differ by
      orders of magnitude, it creeps, while methods that divide by the gradient's size do not. Found where the loss has
      stood still for 200 updates with a ratio below 3e-3 at a usual rate.
    - Adam whose beta1² is not below the root of its beta2 (Kingma and Ba, 2015, theorem 4.1): wrong by its settings
      alone, most often two numbers in the wrong order.
    """
    curve, movement, settings = Curve.of(record), Movement.of(record), record.optimizer
    if settings is not None and _averages_cross(settings):
        return [_crossed(settings)]
    if settings is not None and settings.name in ("rprop", "lbfgs") and _lost_in_batches(record, curve):
        return [_thrown(settings, record)]
    if settings is None or not len(movement):
        return NotApplicable("the optimizer is not known")
    if len(curve) < 2 * ENOUGH:
        return NotApplicable(f"fewer than {2 * ENOUGH} updates")
    case = {"rprop": _rprop, "lbfgs": _rprop, "adadelta": _adadelta, "adagrad": _adagrad, "sgd": _plain}.get(
        settings.name
    )
    found = case(record, curve, movement) if case else None
    if found is None:
        return []
    why, advice, weight = found
    evidence = {
        "optimizer": settings.name,
        "|update|/|weight| now": movement.now,
        "at its largest": movement.peak,
        "threshold": _SLOW,
        "decades between layers": round(movement.spread, 2),
        "gain": curve.gain,
    }
    cause = suspect(record)
    if cause:
        evidence["but"] = cause
    cures = ("change_optimizer",)
    return [
        Finding("L409", "unsuited-optimizer", "warning", "", evidence, why, advice, cures, 0.5 if cause else weight)
    ]


def _lost_in_batches(record: Record, curve: Curve) -> bool:
    """The loss is lost, or has left for good, and one batch is not like another."""
    batches = record.loss.batches
    differ = len({(one.mean, one.std, *one.classes.items()) for one in batches}) > 1
    return differ and (len(curve) < len(record.losses) or curve.blown_up)


def _thrown(settings: Optimizer, record: Record) -> Finding:
    return Finding(
        "L409",
        "unsuited-optimizer",
        "error",
        "",
        {"optimizer": settings.name, "batches that differ": len(record.loss.batches), "loss": "not finite, or far off"},
        f"{settings.name.upper()} needs the gradient of all data at once; on mini-batches it took the loss away.",
        _ADAM,
        ("change_optimizer",),
        1.7,
    )


def _averages_cross(settings: Optimizer) -> bool:
    """Adam's steps are bounded, and its regret too, only where beta1 ** 2 < sqrt(beta2)."""
    return settings.beta2 is not None and "adam" in settings.name and settings.momentum**2 >= settings.beta2**0.5


def _crossed(settings: Optimizer) -> Finding:
    return Finding(
        "L409",
        "unsuited-optimizer",
        "warning",
        "",
        {"beta1 squared": settings.momentum**2, "must be below the root of beta2": (settings.beta2 or 0.0) ** 0.5},
        f"betas=({settings.momentum:g}, {settings.beta2:g}): directions are averaged over a longer time than their "
        "sizes, so steps follow gradients that are long gone at a size that is not theirs.",
        "torch.optim.Adam(model.parameters(), betas=(0.9, 0.999))  # the direction's share first",
        ("change_optimizer",),
        2.0,
    )


_CREEPS, _LITTLE = 5e-4, 0.1
_CUT = 0.9
"""Share of the gradient that a clip removes at most updates."""
_Found = tuple[str, str, float]


def _short_of(curve: Curve, share: float) -> bool:
    return curve.learns is not True if curve.gain is None else curve.gain < share


def _rprop(record: Record, curve: Curve, movement: Movement) -> _Found | None:
    noisy = curve.noise > 0.02 * abs(curve.level)
    faded = float(movement.ratios[-1]) < _DEAD * movement.peak
    if not noisy or not (faded or curve.learns is False) or not _short_of(curve, 0.9):
        return None
    name = "Rprop" if record.optimizer and record.optimizer.name == "rprop" else "LBFGS"
    return f"{name} needs the gradient of all data at once; on mini-batches its steps lose their way.", _ADAM, 1.0


def _adadelta(record: Record, curve: Curve, movement: Movement) -> _Found | None:
    low = record.optimizer is not None and record.optimizer.lr < 0.1
    if not low or movement.now >= _SLOW or not _short_of(curve, _WELL):
        return None
    return (
        "Adadelta chooses its own step size; its rate only scales it, and 1 is meant.",
        "Adadelta(params, lr=1.0)",
        0.95,
    )


def _adagrad(record: Record, curve: Curve, movement: Movement) -> _Found | None:
    steps, ratios = np.array(movement.steps) + 1.0, movement.ratios
    constant = len({rate for _, rate in record.rates}) <= 1
    if not constant or len(steps) < 5 or (ratios <= 0).any() or len(curve) < _PATIENCE / 2:
        return None
    slope = float(np.polyfit(np.log(steps), np.log(ratios), 1)[0])
    goes_on = curve.falling > 3 or curve.learns is False
    if slope > _FADED or movement.now >= _SLOW or not goes_on or not _short_of(curve, _WELL):
        return None
    return f"Adagrad's steps have faded to {movement.now / movement.peak:.1%} of the first ones.", _ADAM, 0.95


def _plain(record: Record, curve: Curve, movement: Movement) -> _Found | None:
    settings = record.optimizer
    if settings is None or settings.momentum > 0 or len(curve) < _PATIENCE or settings.lr < 1e-3:
        return None
    if sum((one.clipped or 0.0) > _CUT for one in record.samples) > len(record.samples) / 2:
        return None  # clipping makes the steps short, not the method
    still = curve.learns is False and curve.falling < 3
    if movement.now < _CREEPS and movement.travelled(len(curve)) < 0.3 and (curve.gain or 0.0) < _LITTLE:
        why = "At a usual rate plain SGD has moved the weights by a small part of their length: gradients are small."
        return why, _ADAM, 0.6
    if not still or not 1e-5 < movement.now < _SLOW or movement.peak > 10 * _SLOW:
        return None
    why = "Plain SGD moves in proportion to the gradient, which is small here: it does not leave the plateau."
    return why, _ADAM, 0.6


_ADAM = "torch.optim.Adam(model.parameters(), lr=1e-3)"

RULE = Rule("L409", "unsuited-optimizer", judge)
