from __future__ import annotations

import math

from latih._checks import within

from ._arguments import whole_or_rest
from ._base import At, Schedule


def cosine(steps: int | None = None, floor: float = 0.0) -> Schedule:
    """Lower the learning rate along half a cosine: slowly at first, fast in the middle, slowly at the end.

    η(t) = η0 · (f + (1 − f)·(1 + cos(π·t/T))/2), with t the update, T = `steps` and f = `floor`; it stays at f after T.
    `steps=None` fills the run. The last update, t = T − 1, is still above the floor.

    torch's `CosineAnnealingLR(T_max, eta_min)` has η_min as a rate and rises again after T_max; Keras's `CosineDecay`
    has our floor as `alpha`, and stays.

    When: the default for a run of known length, with a warm-up in front: `warmup(500) >> cosine()`.
    It hurts when the run is stopped early: until half-way the rate has hardly fallen.

    Source: Loshchilov and Hutter, 2017, "SGDR", equation 5, without restarts.

    Raises `InputError` for steps that are not a whole number of at least 1, or a floor outside [0, 1].

    >>> factor = cosine(100)
    >>> factor(0), factor(50), factor(250)
    (1.0, 0.5, 0.0)
    """
    whole_or_rest("cosine", steps)
    within("cosine", "floor", floor, 0.0, 1.0)

    def factor(at: At) -> float:
        progress = min(at.step / at.steps, 1.0)
        return floor + (1.0 - floor) * (1.0 + math.cos(math.pi * progress)) / 2.0

    return Schedule(factor, steps)
