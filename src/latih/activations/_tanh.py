"""The hyperbolic tangent."""

import math

from torch import nn

from ._base import Activation

# 1 - tanh² is 1 % there
_FLAT = math.atanh(math.sqrt(0.99))


def tanh() -> Activation:
    """Bounds the signal to (-1, 1) around 0; the better of the two classical activations, still one that saturates.

    f(z) = tanh(z), slope 1 - f², which is 1 at 0 and under 1 % beyond ±2.993.

    Use it in recurrent networks, in shallow networks, and for outputs in (-1, 1). It hurts in deep networks:
    saturated units pass no gradient, so start with Glorot's rule, which keeps inputs in the middle part, and
    standardise the data.

    Source: LeCun et al. (1998), section 4.4; Glorot & Bengio (2010).

    >>> tanh().init, round(tanh().gain(), 3)
    ('glorot()', 1.593)
    """
    return Activation("tanh()", nn.Tanh, init="glorot()", saturates=(-_FLAT, _FLAT))
