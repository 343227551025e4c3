"""The second signal of rules about structure and data: is there trouble, and is there none for sure?"""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Record

from ._progress import ENOUGH, Curve

_WELL = 0.8
"""Share of the best constant output's loss that is gone in a run that learns well."""
_HARDLY = 0.1
"""Share of it below which next to nothing was learned."""
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
    if curve.learns is False:
        return {"loss": curve.level, "loss of the best constant": curve.baseline}
    if above(curve):
        return {"loss": curve.level, "loss of the best constant": curve.baseline}
    if len(curve) >= ENOUGH and curve.risen > 6 and curve.level > curve.start:
        return {"loss": curve.level, "loss at the start": curve.start}
    return None


def above(curve: Curve) -> bool:
    """Every one of the last losses is still half as large again as what the best constant output costs."""
    last = curve.losses[-8:]
    return len(curve) >= ENOUGH and curve.baseline is not None and min(last) > 1.5 * curve.baseline


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
    return curve.level < 0.5 * curve.start if gain is None else gain > _WELL


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
