"""Normalised exponentials: scores that become weights adding up to 1.

Each output depends on all inputs along `dim`, so there is no gain and no interval of saturation; they saturate where
one score leads the others by far, since the slope p·(1 - p) goes to 0 there. Glorot's rule for the layer in front: it
is in effect a linear layer. The default dim is the last; for class scores of images (batch, classes, height, width)
pass -3 (what torch calls Softmax2d).
"""

from functools import partial

from torch import nn

from latih._checks import InputError
from latih._notation import written

from ._base import Activation


def softmax(dim: int = -1) -> Activation:
    """Turns scores into positive weights that add up to 1, so that units compete.

    f(z)_i = exp(z_i)/Σ_j exp(z_j) along `dim`.

    Use it in attention and to read class probabilities. It hurts in hidden layers (units shrink to 1/n each) and in
    front of a cross-entropy loss, which takes scores: a second softmax makes gradients small and learning slow.

    Source: Bridle (1990). Raises `InputError` for a dim that is not an integer.

    >>> import torch
    >>> softmax()()(torch.zeros(4))
    tensor([0.2500, 0.2500, 0.2500, 0.2500])
    """
    _check("softmax", dim)
    return Activation(written(softmax, dim=dim), partial(nn.Softmax, dim), init="glorot()", elementwise=False)


def log_softmax(dim: int = -1) -> Activation:
    """Turns scores into log-probabilities, exact where the softmax would underflow.

    f(z)_i = z_i - log Σ_j exp(z_j) along `dim`.

    Use it as the output in front of a negative log-likelihood loss (`NLLLoss`). It hurts in hidden layers, and in
    front of a cross-entropy loss it does nothing but cost time.

    Source: the logarithm of Bridle's (1990) softmax. Raises `InputError` for a dim that is not an integer.

    >>> import torch
    >>> log_softmax()()(torch.tensor([0.0, -1000.0]))
    tensor([    0., -1000.])
    """
    _check("log_softmax", dim)
    return Activation(written(log_softmax, dim=dim), partial(nn.LogSoftmax, dim), init="glorot()", elementwise=False)


def softmin(dim: int = -1) -> Activation:
    """Turns distances into weights that add up to 1, the nearest getting the largest.

    f(z)_i = exp(-z_i)/Σ_j exp(-z_j) along `dim`: softmax(-z).

    Use it to weigh by distance or cost. It hurts where softmax does.

    Source: Bridle's (1990) softmax of -z. Raises `InputError` for a dim that is not an integer.

    >>> import torch
    >>> softmin()()(torch.tensor([0.0, 1000.0]))
    tensor([1., 0.])
    """
    _check("softmin", dim)
    return Activation(written(softmin, dim=dim), partial(nn.Softmin, dim), init="glorot()", elementwise=False)


def _check(call: str, dim: int) -> None:
    if not isinstance(dim, int) or isinstance(dim, bool):
        raise InputError(f"{call}(dim={dim!r}): dim must be an integer; -1 is the last dimension.")
