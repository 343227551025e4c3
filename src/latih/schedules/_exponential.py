from __future__ import annotations

from latih._checks import positive, within

from ._arguments import whole
from ._base import At, Schedule


def exponential(steps: int = 1000, factor: float = 0.1) -> Schedule:
    """Divide the learning rate by ten every `steps` updates, smoothly.

    η(t) = η0 · f^(t/s), with t the update, s = `steps` and f = `factor`. It has no end.

    torch's `ExponentialLR(gamma)` multiplies by γ at every call: γ = f^(1/s). Keras's `ExponentialDecay` has our two
    numbers as `decay_steps` and `decay_rate`.

    When: fine-tuning and long runs that should end with small steps.
    It hurts when s is too small: after three times s the rate is a thousandth, and nothing moves any more.

    Source: Senior et al., 2013, "An empirical study of learning rates in deep neural networks for speech
    recognition" (exponential scheduling).

    Raises `InputError` for steps that are not a whole number of at least 1, or a factor outside (0, 1].

    >>> rate = exponential(1000)
    >>> rate(0), rate(1000), round(rate(2000), 6)
    (1.0, 0.1, 0.01)
    """
    whole("exponential", "steps", steps)
    positive("exponential", "factor", factor)
    within("exponential", "factor", factor, 0.0, 1.0, "a rate that grows is warmup's work")

    def rate(at: At) -> float:
        return factor ** (at.step / steps)

    return Schedule(rate)
