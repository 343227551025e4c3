"""L408."""

from __future__ import annotations

import math

from latih.watch import Layer, Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve

_CHANCE = 1.0
_WELL = 0.6
_ONE = 0.9
_SURE = 5.0
_FEW = 4
"""Units in a hidden layer up to which more of them are tried before more time."""
_TIMES = 2.0
"""Cover and Hart (1967): with many examples the nearest neighbour's error is at most twice the least possible one."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """It learns, slowly comes to rest, and stays far above the floor: too narrow a net, or too short a training.

    A plateau alone may be the noise of the data, so another sign has to agree. Either a layer through which everything
    must pass, with fewer units than the answer has dimensions: a linear head on w units spans w dimensions of logits,
    and c classes ask for c - 1 (before the end of a run, a third of them is called too few). Or, at the end,
    the answer of the five nearest examples, which costs less than half of the network's loss, surely (five standard
    errors), and would still do so after as long again: no noise stands in the way then.

    Values may depend on each other (an autoencoder's do), so for a vector only a single unit is too few, and for a
    single value a single unit from the first layer on (the output is then a function of one fixed projection of the
    inputs).

    Second signal: the weights have travelled their own length (the sum of |update| / |weight|), and even on the present
    slope as much time again would leave the gain below 60 % (90 % for a single unit). Too short: the run is over
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
    if narrow and (evidence["path of the weights"] > _CHANCE or record.ended) and curve.learns:
        layer, width, needed = narrow
        limit = _ONE if width == 1 else _WELL
        if soon < limit:
            evidence |= {"units": width, "needed": needed, "threshold": limit}
            return [
                _finding(record, layer.name, evidence, f"Everything passes through {width} unit{'s' * (width > 1)}.")
            ]
    over = record.updates >= record.planned if record.planned else record.ended
    if over and curve.learns and curve.gain < 0.3 and curve.falling > 6:
        evidence["threshold"] = 0.3
        return [_finding(record, "", evidence, "The run ended while the loss was still falling steadily.", 0.3)]
    return _behind_neighbours(record, curve)


def _behind_neighbours(record: Record, curve: Curve) -> list[Finding]:
    """Looking at the five nearest examples leaves less than half of the loss that the network leaves."""
    loss = record.loss
    if (
        loss.neighbours is None or loss.weighted or not record.ended or (curve.gain or 0.0) > _ONE
    ):  # many a plateau is left late
        return []
    told = [one.values.get("loss") for one in record.evaluations if one.part == "valid"]
    level = min([curve.level, *(one for one in told if one is not None)])  # dropout makes the training loss larger
    soon = level + min(curve.slope, 0.0) * len(curve)
    left, needless = soon - (loss.floor or 0.0), loss.neighbours - (loss.floor or 0.0)
    sure = (level - loss.neighbours) / math.hypot(loss.neighbours_error, curve.error) > _SURE
    if not sure or left < _TIMES * needless or needless < 0:
        return []
    evidence = {"loss": level, "loss of the nearest neighbours' answer": loss.neighbours, "threshold, times": _TIMES}
    why = (
        f"The loss is at {level:.3g}, and guessing each example from its five nearest ones costs "
        f"{loss.neighbours:.3g}: there is more to learn than the network has learned."
    )
    return [_finding(record, "network", evidence, why, 0.15)]


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
    few = width < needed if record.ended else 3 * width <= needed
    if single or (needed >= 3 and (few if classes else width == 1)):
        return thinnest, width, needed
    return None


def _needed(record: Record) -> int:
    shape = record.loss.output_shape
    if record.loss.kind in ("cross_entropy", "nll"):
        return min(len(record.loss.classes), shape[1] if len(shape) > 1 else 0) - 1
    return shape[-1] if len(shape) > 1 else 1


def _few(record: Record) -> bool:
    """Some hidden layer has a handful of units or channels."""
    shapes = {one.name: one.shape for one in record.parameters}
    hidden = [layer for layer in record.layers if layer.fan_out and not layer.is_head and layer.kind != "embedding"]
    channels = (shapes.get(one.parameter, ()) if one.kind.startswith("conv") else () for one in hidden)
    return any((shape[0] if shape else one.fan_out) <= _FEW for one, shape in zip(hidden, channels, strict=True))


def _finding(record: Record, where: str, evidence: dict, why: str, weight: float = 0.8) -> Finding:
    short = not where
    advice = "Train longer: epochs *= 3" if short else f"Widen {where}: as many units as inputs or classes, and more."
    cures = ("train_longer", "widen") if short else ("widen",)
    cures = cures[::-1] if _few(record) else cures
    return Finding(
        "L408", "underfitting", "warning", "" if where == "network" else where, evidence, why, advice, cures, weight
    )


RULE = Rule("L408", "underfitting", judge)
