from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from latih.diagnose import Finding

from .._base import Case, Cure, Training
from ._rates import present_rate, suggested_rates, with_rate


def raise_lr(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Raises the learning rate until an update changes the weights by about a thousandth of their length.

    First the rate at which the middle layer's |update| / |weight| would be 1e-3, then ten times that, then the nearest
    of 3, 10 and 100 times the present rate; the groups keep their proportion.

    It hurts where gradients are small for another reason (they vanish, units are dead): then rates that move the lower
    layers throw the upper ones out.

    Source: Karpathy (2019), "A recipe for training neural networks"; Bengio (2012), section 3.1.1.
    """
    present = present_rate(training)
    higher = (rate for rate in suggested_rates(training, case) if rate > present * 1.5)
    yield from (with_rate(training, rate, "raise_lr") for rate in islice(higher, 3))


CURE = Cure("raise_lr", raise_lr)
