"""The exponential linear unit that is smooth for every alpha."""

import math
from functools import partial

from torch import nn

from latih._checks import positive
from latih._notation import written

from ._base import Activation


def celu(alpha: float = 1.0) -> Activation:
    """Centres the signal as elu does, with a slope that never jumps whatever alpha is.

    f(z) = max(0, z) + min(0, alpha·(exp(z/alpha) - 1)). Equal to `elu` at alpha = 1; the slope at 0 is 1 for all alpha.

    Use it instead of `elu` when alpha is tuned: small values approach relu, large ones the identity. It hurts where elu
    does: slower than a rectifier, and flat below alpha·log(0.01).

    He's rule, as for elu, of which it is a reparametrisation.

    Source: Barron (2017). Default as in torch and Keras. Raises `InputError` for an alpha that is not above 0.

    >>> celu(0.5).text
    'celu(alpha=0.5)'
    """
    positive("celu", "alpha", alpha)
    saturates = (alpha * math.log(0.01), math.inf)
    return Activation(written(celu, alpha=alpha), partial(nn.CELU, alpha), init="he()", saturates=saturates)
