"""What a range test says: where the loss falls, falls fastest, is lowest, and begins to rise.

Smith (2017, "Cyclical learning rates for training neural networks", section 3.3) reads two rates off the curve: where
it begins to fall, and where it stops to. The slope is taken over the logarithm of the rate, because the ramp is
geometric: over the rate itself every difference is divided by a step that grows with the rate, so the "steepest" point
is pulled to where the rates are smallest, for every optimizer alike. Even the right slope is no rate to train with: it
says where a run that has come this far gains most from one update, not what a run from the start survives. So the
curve only gives candidates, and short trainings choose.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from ._sweep import Swept

_MEDIAN = 5
_WINDOW = 0.25
"""Decades to each side from which a slope is taken."""
_RISE = 0.1
"""Of what the loss fell: so far above the lowest point it counts as rising."""
_FALL = 1e-3
"""Of the loss's size: what falls less has not fallen."""


@dataclass(frozen=True)
class Curve:
    """The smoothed losses and the rates that matter; None where the loss never fell."""

    smooth: tuple[float, ...]
    """Running median over five rates: one loss out of line does not move it."""
    steepest: float | None = None
    """Where the loss falls fastest per decade of the rate."""
    lowest: float | None = None
    """Where it is lowest."""
    rises: float | None = None
    """From where it lies clearly above that; None where the sweep ended before."""


def read_curve(swept: Swept) -> Curve:
    """Smooth the losses, take slopes by least squares over half a decade, and find the points."""
    smooth = _smoothed(swept.losses)
    finite = [place for place, loss in enumerate(smooth) if math.isfinite(loss)]
    if not finite:
        return Curve(smooth)
    bottom = min(finite, key=lambda place: smooth[place])
    fell = swept.start - smooth[bottom]
    if fell <= max(_FALL * abs(swept.start), 3 * _jitter(swept.losses, smooth, bottom)):
        return Curve(smooth)
    logs = [math.log10(rate) for rate in swept.rates]
    slopes = [_slope(logs, smooth, place) for place in range(bottom + 1)]
    steepest = min(range(bottom + 1), key=lambda place: slopes[place])
    after = (place for place in range(bottom, len(smooth)) if not smooth[place] <= smooth[bottom] + _RISE * fell)
    rises = next(after, None)
    return Curve(smooth, swept.rates[steepest], swept.rates[bottom], None if rises is None else swept.rates[rises])


def _smoothed(losses: Sequence[float]) -> tuple[float, ...]:
    half = _MEDIAN // 2
    windows = [losses[max(place - half, 0) : place + half + 1] for place in range(len(losses))]
    # a loss that is not a number is worse than any: a median cannot order it
    return tuple(median(loss if loss == loss else math.inf for loss in window) for window in windows)


def _jitter(losses: Sequence[float], smooth: Sequence[float], bottom: int) -> float:
    """How far a loss usually lies from the smooth curve before the lowest point."""
    off = [abs(one - other) for one, other in zip(losses[: bottom + 1], smooth, strict=False)]
    return median(one for one in off if math.isfinite(one)) if any(map(math.isfinite, off)) else 0.0


def _slope(logs: Sequence[float], losses: Sequence[float], place: int) -> float:
    near = [k for k in range(len(logs)) if abs(logs[k] - logs[place]) <= _WINDOW and math.isfinite(losses[k])]
    if len(near) < 2:
        return 0.0
    x, y = (sum(values[k] for k in near) / len(near) for values in (logs, losses))
    return sum((logs[k] - x) * (losses[k] - y) for k in near) / sum((logs[k] - x) ** 2 for k in near)
