"""The exponential linear unit."""

import math
from functools import partial

from torch import nn

from latih._checks import positive
from latih._notation import written

from ._base import Activation


def elu(alpha: float = 1.0) -> Activation:
    """Centres the signal near 0 and keeps negative units alive, which speeds dense networks up.

    f(z) = z for z > 0, alpha·(exp(z) - 1) otherwise: smooth at 0 for alpha = 1, bounded below by -alpha.

    Use it in dense networks of moderate depth, without or with a norm. It hurts speed (an exponential per unit), and
    inputs far below 0 still pass no gradient: under 1 % from z = log(0.01) = -4.6 on for alpha = 1.

    He's rule is what the authors trained with; its exact gain is 1.245 against He's 1.414 for alpha = 1, so the
    variance grows with depth, but by at most 1 a layer.

    Source: Clevert et al. (2016), section 3. Default as in torch and Keras. Raises `InputError` for an alpha that is
    not above 0.

    >>> round(elu().gain(), 3)
    1.245
    """
    positive("elu", "alpha", alpha)
    flat_below = min(0.0, math.log(0.01 * max(1.0, alpha) / alpha))
    return Activation(written(elu, alpha=alpha), partial(nn.ELU, alpha), init="he()", saturates=(flat_below, math.inf))
