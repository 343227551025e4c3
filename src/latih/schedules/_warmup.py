from __future__ import annotations

from latih._checks import within

from ._arguments import whole
from ._base import At, Schedule


def warmup(steps: int = 500, start: float = 0.0) -> Schedule:
    """Raise the learning rate in a straight line from near zero over the first updates.

    η(t) = η0 · (s + (1 − s)·min((t + 1)/T, 1)), with t the update counted from 0, T = `steps` and s = `start`.

    The first update already moves: with s = 0 it has 1/T of the rate, because an update with rate 0 would be a batch
    thrown away. The T-th update, t = T − 1, is the first with the full rate; what follows `>>` begins at full
    rate too. A warm-up longer than the run is allowed: the rate then never gets to the top.

    torch's `LinearLR(start_factor, total_iters=T)` has s + (1 − s)·t/T, and refuses s = 0.

    When: adaptive optimizers (their variance estimate is poor at first), large batches, a fresh head on old layers.
    It hurts when it takes most of a short run.

    Source: Goyal et al., 2017, "Accurate, large minibatch SGD", section 2.2 (gradual warm-up).

    Raises `InputError` for steps that are not a whole number of at least 1, or a start outside [0, 1].

    >>> factor = warmup(4)
    >>> [factor(step) for step in range(6)]
    [0.25, 0.5, 0.75, 1.0, 1.0, 1.0]
    """
    whole("warmup", "steps", steps)
    within("warmup", "start", start, 0.0, 1.0)

    def factor(at: At) -> float:
        return start + (1.0 - start) * min((at.step + 1) / steps, 1.0)

    return Schedule(factor, steps)
