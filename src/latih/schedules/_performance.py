from __future__ import annotations

import math
from bisect import bisect_right

from latih._checks import InputError, positive, within

from ._arguments import whole
from ._base import At, Schedule, Scores
from ._remember import remember_last


def performance(factor: float = 0.5, patience: int = 5, minimum: float = 0.0, tolerance: float = 1e-4) -> Schedule:
    """Cut the learning rate whenever the validation result has stopped improving.

    η ← η · f when the best value so far has not improved for `patience` checks, f = `factor`; the count then starts
    anew. A value improves when it lies below best − `tolerance`·|best|; NaN never does. The multiplier never falls
    below `minimum`. It has no end, and it needs a validation set: without scores it stays at 1.

    A pure replay of the history: the factor at a step counts the scores with a step at or before it, so a resumed
    run or a plot gets the same trace. Pass the scores as a tuple and a call costs no replay.

    Keras's `ReduceLROnPlateau` cuts at the `patience`-th bad check, as here, and its tolerance is absolute; torch's
    cuts at the one after (`patience=4` there is 5 here), and for a negative best its relative tolerance
    accepts values that are worse.

    When: you validate often and do not know the run's length.
    It hurts when the validation result is noisy: chance keeps finding a new best, or the rate falls too early.

    Source: Senior et al., 2013, "An empirical study of learning rates in deep neural networks for speech
    recognition" (performance scheduling).

    Raises `InputError` for a factor outside (0, 1), a patience below 1, a minimum or tolerance outside [0, 1].

    >>> schedule = performance(factor=0.5, patience=2)
    >>> scores = ((10, 1.0), (20, 0.9), (30, 0.95), (40, 0.91), (50, 0.8))
    >>> schedule(39, scores), schedule(40, scores), schedule(60, scores)
    (1.0, 0.5, 0.5)
    """
    positive("performance", "factor", factor)
    if factor >= 1:
        raise InputError(f"performance(factor={factor!r}): factor must be below 1 to cut the rate; 0.5 halves it.")
    whole("performance", "patience", patience)
    within("performance", "minimum", minimum, 0.0, 1.0, "it is a multiplier of the base rate, not a rate")
    within("performance", "tolerance", tolerance, 0.0, 1.0)

    def replay(scores: Scores) -> tuple[list[int], list[float]]:
        """The steps of the scores, and the factor before the first and after each of them."""
        best, bad, rate, rates = math.inf, 0, 1.0, [1.0]
        for _, value in scores:
            if value < (best - tolerance * abs(best) if math.isfinite(best) else best):
                best, bad = value, 0
            else:
                bad += 1
            if bad == patience:
                rate, bad = max(rate * factor, minimum), 0
            rates.append(rate)
        return [step for step, _ in scores], rates

    remembered = remember_last(replay)

    def rate(at: At) -> float:
        steps, rates = remembered(at.scores)
        return rates[bisect_right(steps, at.step)]

    return Schedule(rate)
