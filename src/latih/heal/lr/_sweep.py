"""The range test: one update at each rate of a geometric ramp, and what the loss is after each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from latih.schedules import Schedule

from ._batches import Batches
from ._stage import Stage, mean

_ABOVE = 0.1
"""The loss has diverged when it lies this share of its size above where it began, and as far above as it fell..."""
_IN_A_ROW = 3
"""...for so many updates; a single one may be a batch that does not fit."""
_HUGE = 100.0
"""At so many times the size where it began, one is enough."""


@dataclass(frozen=True)
class Swept:
    """What a range test saw."""

    start: float
    """Loss of the probe before the first update."""
    rates: tuple[float, ...]
    losses: tuple[float, ...]
    """Loss of the probe after the update at each rate."""
    end: Literal["diverged", "highest", "unusable"]
    """Where it stopped; unusable: the loss is not finite before anything was updated."""


def sweep(stage: Stage, batches: Batches, low: float, high: float, steps: int) -> Swept:
    """Raise the rate from `low` to `high` in `steps` updates, by the same factor each time (Smith, 2017, section 3.3).

    The loss of the batch that is trained on would jump from batch to batch; here after every update the same probe of
    the training examples is judged, with the same random numbers. Stops where that loss diverges.
    """
    factor = (high / low) ** (1 / (steps - 1))
    rates: list[float] = []
    losses: list[float] = []
    with stage.run(low, Schedule(lambda at: factor**at.step)) as step:
        start = lowest = mean(batches.probe, stage.losses(step, batches.probe))
        if not math.isfinite(start):
            return Swept(start, (), (), "unusable")
        size, above = max(abs(start), 1e-12), 0
        for number, pair in zip(range(steps), batches.endless(), strict=False):
            stage.update(step, pair)
            loss = mean(batches.probe, stage.losses(step, batches.probe))
            rates.append(low * factor**number)
            losses.append(loss)
            lowest = min(lowest, loss) if math.isfinite(loss) else lowest
            limit = start + max(_ABOVE * size, start - lowest)
            above = above + 1 if loss > limit else 0
            if not math.isfinite(loss) or above == _IN_A_ROW or loss > start + _HUGE * size:
                return Swept(start, tuple(rates), tuple(losses), "diverged")
    return Swept(start, tuple(rates), tuple(losses), "highest")
