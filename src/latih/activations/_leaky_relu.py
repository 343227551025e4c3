"""The leaky rectifier."""

import math
from functools import partial

from torch import nn

from latih._checks import within
from latih._notation import written

from ._base import Activation


def leaky_relu(slope: float = 0.01) -> Activation:
    """Lets a little gradient through negative inputs, so that units cannot die.

    f(z) = max(slope·z, z), with 0 <= slope <= 1. He's rule takes the slope into account: Var = 2/((1 + slope²)·fan_in).

    The default is torch's 0.01 (the paper's); Keras has 0.3 in its layer and 0.2 in its function. A "huge leak" of 0.2
    often learns better than 0.01.

    Use it when units die under `relu`; costs nothing. It hurts little: outputs are no longer sparse, and the slope is
    one more number to choose (`prelu` learns it).

    Source: Maas et al. (2013); Xu et al. (2015) for the larger leak. Raises `InputError` for a slope outside
    [0, 1].

    >>> leaky_relu(0.2).init
    'he(slope=0.2)'
    """
    within("leaky_relu", "slope", slope, 0.0, 1.0)
    # below 1 % of the steepest slope counts as flat
    saturates = (0.0, math.inf) if slope < 0.01 else None
    return Activation(
        written(leaky_relu, slope=slope), partial(nn.LeakyReLU, slope), init=f"he(slope={slope})", saturates=saturates
    )
