"""The rectifier whose slope is random."""

import math
from functools import partial

from torch import nn

from latih._checks import InputError, within
from latih._notation import written

from ._base import Activation


def rrelu(lower: float = 0.125, upper: float = 1 / 3) -> Activation:
    """Draws the slope for negative inputs anew for every value, which regularises and keeps units alive.

    f(z) = max(0, z) + a·min(0, z) with a ~ U(lower, upper) in training and a = (lower + upper)/2 in evaluation.
    Defaults are torch's and the paper's 1/8 and 1/3. Keras has none.

    Use it with little data, where `prelu` overfits. It hurts where the noise is unwanted: regression, recurrent
    networks, anything with much dropout already.

    He's rule is taken with the slope's root mean square, sqrt((lower² + lower·upper + upper²)/3), which is what enters
    the variance in training. `gain()` is that of the evaluation mode, about 0.2 % larger at the defaults.

    Source: Xu et al. (2015). Raises `InputError` unless 0 <= lower <= upper <= 1.

    >>> rrelu().init
    'he(slope=0.2369)'
    """
    within("rrelu", "lower", lower, 0.0, 1.0)
    within("rrelu", "upper", upper, 0.0, 1.0)
    if lower > upper:
        raise InputError(f"rrelu(lower={lower!r}, upper={upper!r}): lower must not exceed upper; swap them.")
    slope = math.sqrt((lower**2 + lower * upper + upper**2) / 3)
    saturates = (0.0, math.inf) if upper < 0.01 else None
    return Activation(
        written(rrelu, lower=lower, upper=upper),
        partial(nn.RReLU, lower, upper),
        init=f"he(slope={slope:.4f})",
        saturates=saturates,
    )
