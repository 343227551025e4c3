"""The hyperbolic tangent in straight pieces."""

from functools import partial

from torch import nn

from latih._checks import InputError, within
from latih._notation import written

from ._base import Activation


def hardtanh(low: float = -1.0, high: float = 1.0) -> Activation:
    """Cuts the signal to an interval: exact in the middle, no gradient at all outside.

    f(z) = min(max(z, low), high). torch's names are `min_val` and `max_val`, same defaults.

    Use it where tanh is too slow, or to bound an output. It hurts in deep networks: a unit outside the interval for
    every example is dead, where tanh would still pass a trace. Glorot's rule, since the middle part is the identity.

    Source: Collobert (2004). Raises `InputError` unless low < high (both within ±1e6).

    >>> import torch
    >>> hardtanh(0.0, 2.0)()(torch.tensor([-1.0, 1.0, 3.0]))
    tensor([0., 1., 2.])
    """
    within("hardtanh", "low", low, -1e6, 1e6)
    within("hardtanh", "high", high, -1e6, 1e6)
    if not low < high:
        raise InputError(f"hardtanh(low={low!r}, high={high!r}): low must be below high; swap them.")
    text = written(hardtanh, low=low, high=high)
    return Activation(text, partial(nn.Hardtanh, low, high), init="glorot()", saturates=(low, high))
