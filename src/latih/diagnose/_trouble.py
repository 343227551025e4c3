"""The second signal of rules about structure and data: is there trouble, and is there none for sure?"""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Record

from ._progress import ENOUGH, Curve

WELL = 0.8
"""Share of the best constant output's loss that is gone in a run that learns well."""
_HARDLY = 0.1
"""Share of it below which next to nothing was learned."""
_ABOVE = 1.2
"""Times the best constant's loss; a run that is nearer to it, and stays, gives the constant."""
_PATIENT = 3.0
"""Times as long as so far that a young run may still need."""
_YOUNG = 8 * ENOUGH
"""Updates."""
_FITTED = 0.5
"""Share of its first loss that a small batch loses, or the network cannot fit it."""


def trouble(record: Record) -> dict[str, Any] | None:
    """What shows that the run, or the batch of a check, does not learn, as evidence; None if nothing does."""
    if record.probes is not None and not record.losses:
        return _of_probes(record)
    lost = sum(loss is None or not math.isfinite(loss) for loss in record.losses)
    if lost or record.origin is not None:
        return {"losses that are not finite": lost}
    curve = Curve.of(record)
    if curve.learns is False and (record.ended or not arriving(curve)):
        return {"loss": curve.level, "loss of the best constant": curve.baseline}
    if above(curve, patient=not record.ended):
        return {"loss": curve.level, "loss of the best constant": curve.baseline}
    if len(curve) >= ENOUGH and curve.risen > 6 and curve.level > curve.start:
        return {"loss": curve.level, "loss at the start": curve.start}
    return None


def above(curve: Curve, *, patient: bool = True) -> bool:
    """Every one of the last losses is still half as large again as what the best constant output costs.

    `patient`: a run that is on its way down to it is not meant.
    """
    if len(curve) < ENOUGH or curve.baseline is None or min(curve.losses[-8:]) <= 1.5 * curve.baseline:
        return False
    return not (patient and on_its_way(curve))


def on_its_way(curve: Curve) -> bool:
    """A young run that gets from above the best constant's loss down to it in a few times the updates it has had.

    What is left of the way is the loss's excess, or its root where that is a squared distance; the pace is that of the
    last half. A run that has had many updates must be there in as many again.
    """
    if arriving(curve):
        return True
    if curve.baseline is None or curve.falling < 3 or curve.level <= curve.baseline:
        return False
    power = 2.0 if curve.known == "mse" else 1.0
    left = (curve.level - curve.baseline) ** (1 / power)
    pace = -curve.slope / power * left ** (1 - power)  # of the root, by the chain rule
    patience = _PATIENT if len(curve) < _YOUNG else 1.0
    return left <= patience * len(curve) * pace


def arriving(curve: Curve) -> bool:
    """In its first 96 updates a run is well above the best constant's loss, and most of the way there."""
    if curve.baseline is None or len(curve) >= 4 * ENOUGH or curve.level <= _ABOVE * curve.baseline:
        return False
    return curve.fallen > 3 and curve.start - curve.level > curve.level - curve.baseline


def hardly_learns(record: Record) -> dict[str, Any] | None:
    """As `trouble`, and also where the loss stands still a little below what the best constant output costs."""
    curve = Curve.of(record)
    found = trouble(record)
    if found is None and len(curve) >= ENOUGH and curve.gain is not None and curve.gain < _HARDLY and curve.trend >= -2:
        return {"gain over the best constant": curve.gain, "threshold of the gain": _HARDLY}
    return found


def learns_well(record: Record) -> bool:
    """The run is fine, whatever it looks like: most of what a constant output leaves is gone, and stays gone."""
    curve = Curve.of(record)
    if any(loss is None for loss in record.losses) or curve.learns is not True:
        return False
    gain = curve.gain
    return curve.level < 0.5 * curve.start if gain is None else gain > WELL


def _of_probes(record: Record) -> dict[str, Any] | None:
    probes = record.probes
    assert probes is not None
    if probes.start_loss is not None and not math.isfinite(probes.start_loss):
        return {"loss": probes.start_loss}
    for name, losses in (("own optimizer", probes.fit), ("safe optimizer", probes.fit_safe)):
        if losses:
            finite = [one for one in losses if one is not None and math.isfinite(one)]
            if len(finite) < len(losses) or not finite:
                return {f"losses on one small batch, {name}": losses}
            left = _left(min(finite[-3:]), finite[0], record.loss.floor)
            if left > _FITTED:
                return {f"share of the loss left on one small batch, {name}": left, "threshold": _FITTED}
    return None


def _left(last: float, first: float, floor: float | None) -> float:
    room = first - (floor or 0.0)
    return (last - (floor or 0.0)) / room if room > 0 else (1.0 if last >= first else 0.0)
