"""The rectifier whose slope is learned."""

import math
from functools import partial

from torch import nn

from latih._checks import within
from latih._notation import written

from ._base import Activation


def prelu(slope: float = 0.25) -> Activation:
    """Learns how much gradient negative inputs pass, instead of fixing it.

    f(z) = max(0, z) + a·min(0, z) with one learned `a` per layer, starting at `slope`. The paper and torch start at
    0.25 (torch can also hold one `a` per channel); Keras starts at 0 and holds one per element.

    Use it with large data sets, where it can beat `relu`. It hurts with small ones, which it helps to overfit; and
    under weight decay, which pulls the slope back to relu's: do not decay it.

    He's rule is taken at the starting slope. `saturates` is None, as it holds at the start.

    Source: He et al. (2015), section 2.1. Raises `InputError` for a slope outside [0, 1].

    >>> sum(parameter.numel() for parameter in prelu()().parameters())
    1
    """
    within("prelu", "slope", slope, 0.0, 1.0)
    saturates = (0.0, math.inf) if slope < 0.01 else None
    return Activation(
        written(prelu, slope=slope), partial(nn.PReLU, 1, slope), init=f"he(slope={slope})", saturates=saturates
    )
