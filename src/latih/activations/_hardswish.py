"""Silu without the exponential."""

import math

from torch import nn

from ._base import Activation


def hardswish() -> Activation:
    """Imitates silu by straight pieces, which small devices compute fast and quantise well.

    f(z) = z·min(max(z + 3, 0), 6)/6: exactly 0 below -3, exactly z above 3.

    Use it in networks for phones and microcontrollers, behind a norm. It hurts in deep networks without one: gain 1.737
    against He's 1.414 (the nearest of the textbook rules), and units whose input stays below -3 are dead.

    Source: Howard et al. (2019), section 5.2.

    >>> round(hardswish().gain(), 3)
    1.737
    """
    return Activation("hardswish()", nn.Hardswish, init="he()", saturates=(-3.0, math.inf))
