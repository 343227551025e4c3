from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from latih.diagnose import Finding

from .._base import Case, Cure, Training
from ._rates import present_rate, suggested_rates, with_rate


def lower_lr(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Lowers the learning rate until an update changes the weights by about a thousandth of their length.

    A step beyond 2 / curvature overshoots (Cauchy's bound for gradient descent), and one as long as the weight wipes
    out what was learned. First the rate at which the middle layer's |update| / |weight| would be 1e-3, then ten
    times that, then the nearest of a third, a tenth and a hundredth of the present rate; the groups keep their
    proportion.

    It hurts where something else makes steps long (raw inputs, weights that are too large): then learning is slow.

    Source: Cauchy (1847) for the bound; Karpathy (2019), "A recipe for training neural networks", for the ratio.
    """
    present = present_rate(training)
    lower = (rate for rate in suggested_rates(training, case) if rate < present / 1.5)
    yield from (with_rate(training, rate, "lower_lr") for rate in islice(lower, 3))


CURE = Cure("lower_lr", lower_lr)
