from __future__ import annotations

from latih._checks import positive

from ._arguments import whole
from ._base import At, Schedule


def power(steps: int = 1000, exponent: float = 1.0) -> Schedule:
    """Halve the learning rate after `steps` updates, then ever more slowly (to a third, a quarter, ...).

    η(t) = η0 / (1 + t/s)^c, with t the update, s = `steps` and c = `exponent`. It has no end.

    Keras calls c = 1 `InverseTimeDecay(decay_rate=1)`; torch has no name for it.

    When: a run whose length is not known, and convex problems, where c = 1 is the classical rate.
    It hurts when the run is short against s (nothing falls) or long (the rate dies out before the work is done).

    Source: Senior et al., 2013, "An empirical study of learning rates in deep neural networks for speech
    recognition" (power scheduling); the classical c = 1 goes back to Robbins and Monro, 1951.

    Raises `InputError` for steps that are not a whole number of at least 1, or an exponent that is not above 0.

    >>> factor = power(1000)
    >>> factor(0), factor(1000), factor(3000)
    (1.0, 0.5, 0.25)
    """
    whole("power", "steps", steps)
    positive("power", "exponent", exponent)

    def factor(at: At) -> float:
        return (1.0 + at.step / steps) ** -exponent

    return Schedule(factor)
