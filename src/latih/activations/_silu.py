"""The sigmoid-weighted linear unit, also called swish."""

import math

from torch import nn

from ._base import Activation


def silu() -> Activation:
    """Gates each signal by its own sigmoid: smooth everywhere, so deep convolutional networks train a little better.

    f(z) = z·sigmoid(z); has a dip of -0.278 at z = -1.278 and follows relu far from 0. Keras calls it `silu` or
    `swish`.

    Use it in deep convolutional networks with a norm (the EfficientNet family) and in gated transformers. It hurts
    speed against `relu`, and without a norm: its gain of 1.677 is above He's 1.414, so a deep stack started by He's
    rule (the nearest of the textbook rules, and common practice) loses signal.

    Source: Elfwing et al. (2018); Ramachandran et al. (2017) as swish.

    >>> round(silu().gain(), 3)
    1.677
    """
    return Activation("silu()", nn.SiLU, init="he()", saturates=(-6.1429, math.inf))
