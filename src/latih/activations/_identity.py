"""No activation."""

from torch import nn

from ._base import Activation


def identity() -> Activation:
    """Passes the signal unchanged: a stack of such layers is one linear map, whatever its depth.

    f(z) = z. Glorot's rule, which treats the signal forward and the gradient backward alike.

    Use it for output layers and bottlenecks, or to study linear networks. It hurts as a hidden activation: depth then
    adds parameters and no functions.

    Source: Saxe et al. (2014) on how deep linear networks learn.

    >>> identity().gain(), identity().saturates
    (1.0, None)
    """
    return Activation("identity()", nn.Identity, init="glorot()")
