"""L408."""

from __future__ import annotations

from latih.watch import Layer, Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve

_CHANCE = 1.0
_WELL = 0.6
_ONE = 0.9


def judge(record: Record) -> list[Finding] | NotApplicable:
    """It learns, slowly comes to rest, and stays far above the floor: too narrow a net, or too short a training.

    A plateau alone may be the noise of the data, so a structural sign has to agree: a layer through which everything
    must pass, with fewer units than the answer has dimensions. A linear head on w units spans w dimensions of logits,
    and c classes ask for c - 1: at most a third of them is called too narrow. Values may depend on each other (an
    autoencoder's do), so for a vector only a single unit is, and for a single value a single unit from the first layer
    on (the output is then a function of one fixed projection of the inputs).

    Second signal: the weights have travelled their own length (the sum of |update| / |weight|), and even on the present
    slope as much time again would leave the gain below 60 % (90 % for a single unit). Too short: a planned run is over
    with less than 30 % gained and the loss still falls by six standard errors.
    """
    curve, movement = Curve.of(record), Movement.of(record)
    if len(curve) < 2 * ENOUGH or not len(movement):
        return NotApplicable(f"fewer than {2 * ENOUGH} updates")
    if curve.gain is None or not curve.exact:
        return NotApplicable("the loss of a constant output is not known")
    soon = curve.gain_at(curve.level + min(curve.slope, 0.0) * len(curve)) or 0.0
    evidence = {
        "gain": curve.gain,
        "gain after as long again": soon,
        "path of the weights": movement.travelled(len(curve)),
    }
    narrow = _narrow(record)
    if narrow and evidence["path of the weights"] > _CHANCE and curve.learns:
        layer, width, needed = narrow
        limit = _ONE if width == 1 else _WELL
        if soon < limit:
            evidence |= {"units": width, "needed": needed, "threshold": limit}
            return [_finding(layer.name, evidence, f"Everything passes through {width} unit{'s' * (width > 1)}.")]
    if record.planned and record.updates >= record.planned and curve.learns and curve.gain < 0.3 and curve.falling > 6:
        evidence["threshold"] = 0.3
        return [_finding("", evidence, "The run ended while the loss was still falling steadily.")]
    return []


def _narrow(record: Record) -> tuple[Layer, int, int] | None:
    """The narrowest layer that everything passes through, its width, and the width that the answer asks for."""
    needed = _needed(record)
    path = [layer for layer in record.layers if not layer.in_residual and not layer.recurrent and layer.fan_in]
    first, later = path[:1], path[1:]
    if not first or not later or any(layer.kind == "embedding" for layer in later):
        return None
    thinnest = min(later, key=lambda layer: layer.fan_in)
    width = thinnest.fan_in
    single = width == 1 and first[0].fan_out == 1 and first[0].fan_in > 1
    classes = record.loss.kind in ("cross_entropy", "nll")
    if single or (needed >= 3 and (3 * width <= needed if classes else width == 1)):
        return thinnest, width, needed
    return None


def _needed(record: Record) -> int:
    shape = record.loss.output_shape
    if record.loss.kind in ("cross_entropy", "nll"):
        return min(len(record.loss.classes), shape[1] if len(shape) > 1 else 0) - 1
    return shape[-1] if len(shape) > 1 else 1


def _finding(where: str, evidence: dict, why: str) -> Finding:
    short = not where
    advice = "Train longer: epochs *= 3" if short else f"Widen {where}: as many units as inputs or classes, and more."
    cures = ("train_longer",) if short else ("widen",)
    return Finding("L408", "underfitting", "warning", where, evidence, why, advice, cures, 0.8)


RULE = Rule("L408", "underfitting", judge)
