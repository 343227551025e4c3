"""The self-normalising unit."""

import math

from torch import nn

from ._base import Activation


def selu() -> Activation:
    """Pulls every layer's output towards mean 0 and variance 1, so very deep dense networks need no norm.

    f(z) = scale·z for z > 0, scale·alpha·(exp(z) - 1) otherwise, with alpha = 1.6732632423543772 and scale =
    1.0507009873554805. Mean 0 and variance 1 are an attracting fixed point of that map, hence the forward gain 1.

    Use it for plain dense networks, the deeper the better. It holds only if all of these do: the layers form one
    sequence (no skip connections, no recurrence); weights are drawn by LeCun's rule; inputs are standardised to mean
    0 and variance 1; dropout, if any, is AlphaDropout (plain dropout moves the mean); no batch norm, no l1 or l2
    penalty that would move the weights' variance. It hurts otherwise, and brings nothing to convolutional networks
    that have a norm.

    Note: torch's `calculate_gain("selu")` is 3/4, which is not the self-normalising value 1.

    Source: Klambauer et al. (2017), equation 2.

    >>> round(selu().gain(), 6), selu().init
    (1.0, 'lecun()')
    """
    return Activation("selu()", nn.SELU, init="lecun()", saturates=(math.log(0.01), math.inf))
