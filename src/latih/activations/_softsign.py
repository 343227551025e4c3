"""The softsign."""

from torch import nn

from ._base import Activation


def softsign() -> Activation:
    """Bounds the signal as tanh does but approaches its limits slowly, so units saturate later.

    f(z) = z/(1 + |z|), slope 1/(1 + |z|)²: under 1 % beyond ±9, where tanh is flat from ±3 on.

    Use it in place of tanh when units saturate. It hurts speed of learning near 0, where its slope falls off at once:
    at z = 1 it is 0.25 against tanh's 0.42, so signals of variance 1 shrink (gain 2.34).

    Glorot's rule: it is one of the activations that the rule was derived for and tested on.

    Source: Bergstra et al. (2009); Glorot & Bengio (2010).

    >>> softsign().saturates
    (-9.0, 9.0)
    """
    return Activation("softsign()", nn.Softsign, init="glorot()", saturates=(-9.0, 9.0))
