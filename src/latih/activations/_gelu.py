"""The gaussian error linear unit."""

import math
from functools import partial
from typing import Literal, get_args

from torch import nn

from latih._checks import one_of
from latih._notation import written

from ._base import Activation

Approximation = Literal["none", "tanh"]
# where the slope falls below 1 % of its maximum, 1.129
_FLAT_BELOW = {"none": -3.0216, "tanh": -3.0093}


def gelu(approximate: Approximation = "none") -> Activation:
    """Weights each signal by the chance that a gaussian lies below it: a smooth relu that trains transformers well.

    f(z) = z·Φ(z), with Φ the normal distribution function; "tanh" replaces it by
    z/2·(1 + tanh(sqrt(2/π)·(z + 0.044715·z³))). torch and Keras default to the exact form, JAX and GPT-2 to "tanh":
    match the one that pretrained weights were trained with.

    Use it in transformers and wherever silu works. It hurts speed against `relu`. Its gain is 1.534, above He's
    1.414: without a norm a deep stack loses signal, so use it together with one. He's rule is the nearest of the
    textbook rules and common practice.

    Source: Hendrycks & Gimpel (2016), section 2. Raises `InputError` for an unknown approximation.

    >>> round(gelu().gain(), 3)
    1.534
    """
    one_of("gelu", "approximate", approximate, get_args(Approximation))
    saturates = (_FLAT_BELOW[approximate], math.inf)
    text = written(gelu, approximate=approximate)
    return Activation(text, partial(nn.GELU, approximate=approximate), init="he()", saturates=saturates)
