"""The rectifier."""

import math

from torch import nn

from ._base import Activation


def relu() -> Activation:
    """Passes positive signals unchanged, so gradients do not shrink on their way through active units.

    f(z) = max(0, z). Half of the square of a symmetric signal is cut away, hence He's 2/fan_in and the gain sqrt(2).

    Use it as the default for convolutional networks: fast, sparse, well supported by hardware. It hurts when units
    die: a unit whose input is negative for every example has slope 0 and never comes back (large learning rates and
    very negative biases do that; then lower the rate, or use `leaky_relu`). Its output is never negative, so the mean
    drifts with depth unless a norm centres it.

    Source: Nair & Hinton (2010); Glorot et al. (2011).

    >>> round(relu().gain() ** 2, 6)
    2.0
    """
    return Activation("relu()", nn.ReLU, init="he()", saturates=(0.0, math.inf))
