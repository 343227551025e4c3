from __future__ import annotations

from ._arguments import multiplier, whole
from ._base import Schedule


def constant(steps: int | None = 0, factor: float = 1.0) -> Schedule:
    """Keep the learning rate where it is.

    η(t) = η0 · factor, with η0 the base rate.

    `steps=0`, the default, has no end; a number makes it a piece to go on from, and `None` fills what is left of
    the run: `warmup(500) >> constant(None) >> linear(1000)` is the warm-up, stable, decay schedule.

    When: the reference to compare a schedule with, and the flat part between two others.
    It hurts when the rate that learns fast at the start is too coarse to settle at the end.

    Raises `InputError` for steps that are not a whole number, or a factor below 0.

    >>> constant()(12345)
    1.0
    """
    multiplier("constant", "factor", factor)
    if steps is not None:
        whole("constant", "steps", steps, minimum=0)
    level = float(factor)
    return Schedule(lambda at: level, steps)
