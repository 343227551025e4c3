"""The logistic function."""

import math

from torch import nn

from ._base import Activation

# s(1 - s) is 1 % of its maximum, 0.25, there: twice tanh's, as sigmoid(z) = (1 + tanh(z/2))/2
_FLAT = 2.0 * math.atanh(math.sqrt(0.99))


def sigmoid() -> Activation:
    """Squeezes the signal into (0, 1): right for gates and probabilities, the classical cause of vanishing gradients.

    f(z) = 1/(1 + exp(-z)), slope f·(1 - f), which is never above 0.25 and under 0.0025 beyond ±5.986.

    Use it for gates and for the output of a binary classifier (with logits in the loss, rather). It hurts in hidden
    layers twice over: each layer multiplies the gradient by at most 0.25 times the weights, and the outputs have mean
    0.5 instead of 0, which pushes the next layer towards saturation.

    Glorot's rule, the one derived for saturating activations; it delays the trouble and does not remove it.

    Source: Rumelhart et al. (1986); Glorot & Bengio (2010), section 3.1.

    >>> round(sigmoid().backward_gain(), 2)
    4.72
    """
    return Activation("sigmoid()", nn.Sigmoid, init="glorot()", saturates=(-_FLAT, _FLAT))
