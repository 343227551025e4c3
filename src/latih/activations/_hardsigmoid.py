"""The logistic function in straight pieces."""

from torch import nn

from ._base import Activation


def hardsigmoid() -> Activation:
    """Imitates sigmoid by straight pieces, for gates on small devices.

    f(z) = min(max(z/6 + 1/2, 0), 1), as in torch and Keras 3; older Keras had slope 0.2 instead of 1/6.

    Use it for gates (squeeze-and-excitation) where the exponential is too slow. It hurts in hidden layers as sigmoid
    does, with slope 1/6 at best and exactly 0 beyond ±3. Glorot's rule, as for sigmoid.

    Source: Courbariaux et al. (2015; slope 1/2 there); Howard et al. (2019) for 1/6.

    >>> import torch
    >>> hardsigmoid()()(torch.tensor([-4.0, 0.0, 4.0]))
    tensor([0.0000, 0.5000, 1.0000])
    """
    return Activation("hardsigmoid()", nn.Hardsigmoid, init="glorot()", saturates=(-3.0, 3.0))
