from __future__ import annotations

from latih._checks import within

from ._arguments import whole_or_rest
from ._base import At, Schedule


def linear(steps: int | None = None, floor: float = 0.0) -> Schedule:
    """Lower the learning rate in a straight line.

    η(t) = η0 · (1 − (1 − f)·t/T), with t the update, T = `steps` and f = `floor`; it stays at f after T.
    `steps=None` fills the run. The last update, t = T − 1, is still above the floor.

    torch's `LinearLR(start_factor=1, end_factor=f, total_iters=T)`; Keras's `PolynomialDecay(power=1)`.

    When: fine-tuning, and the decay after a flat part: `warmup(500) >> constant(None) >> linear(1000)`.
    It hurts when the run is stopped early: the small steps that settle the weights come last.

    Source: Defazio et al., 2023, "When, why and how much? Adaptive learning rate scheduling by refinement", which
    finds it the strongest plain schedule.

    Raises `InputError` for steps that are not a whole number of at least 1, or a floor outside [0, 1].

    >>> factor = linear(100)
    >>> factor(0), factor(75), factor(250)
    (1.0, 0.25, 0.0)
    """
    whole_or_rest("linear", steps)
    within("linear", "floor", floor, 0.0, 1.0)

    def factor(at: At) -> float:
        return 1.0 - (1.0 - floor) * min(at.step / at.steps, 1.0)

    return Schedule(factor, steps)
