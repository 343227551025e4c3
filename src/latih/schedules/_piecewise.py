from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import pairwise

from latih._checks import InputError

from ._arguments import multiplier, whole
from ._base import At, Schedule


def piecewise(boundaries: Sequence[int] = (1000, 2000), factors: Sequence[float] = (1.0, 0.1, 0.01)) -> Schedule:
    """Step the learning rate down at the updates you name.

    η(t) = η0 · factors[i], with i the number of boundaries at or below update t: each factor multiplies the base
    rate itself, not the factor before it. It has no end.

    torch's `MultiStepLR(milestones, gamma)` is factors 1, γ, γ², ...; Keras's `PiecewiseConstantDecay` lists rates
    instead of factors and still uses the earlier one at the boundary itself, where torch and we have switched.

    When: a recipe that was tuned this way, such as the residual networks' (divide by ten at a half and three quarters).
    It hurts when the boundaries come from a run of another length.

    Source: Senior et al., 2013 (predetermined piecewise constant); He et al., 2016, section 3.4, divide by ten.

    Raises `InputError` unless boundaries rise, are whole numbers, and there is one factor more than boundaries.

    >>> factor = piecewise((100, 200), (1.0, 0.1, 0.01))
    >>> factor(99), factor(100), factor(1000)
    (1.0, 0.1, 0.01)
    """
    call = f"piecewise(boundaries={boundaries!r}, factors={factors!r})"
    if not isinstance(boundaries, Sequence) or not isinstance(factors, Sequence):
        raise InputError(f"{call}: both must be tuples; write piecewise((1000, 2000), (1.0, 0.1, 0.01)).")
    for boundary in boundaries:
        whole("piecewise", "boundaries", boundary)
    for value in factors:
        multiplier("piecewise", "factors", value)
    if any(later <= earlier for earlier, later in pairwise(boundaries)):
        raise InputError(f"{call}: boundaries must rise; sort them and name each once.")
    if len(factors) != len(boundaries) + 1:
        raise InputError(
            f"{call}: {len(boundaries)} boundaries part a run into {len(boundaries) + 1} pieces; "
            f"give {len(boundaries) + 1} factors, the first for the time before the first boundary."
        )
    borders, values = tuple(boundaries), tuple(float(value) for value in factors)

    def factor(at: At) -> float:
        return values[bisect_right(borders, at.step)]

    return Schedule(factor)
