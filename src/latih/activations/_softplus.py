"""The smooth rectifier and its mirror image."""

import math
from functools import partial

from torch import nn

from latih._checks import positive
from latih._notation import written

from ._base import Activation

# a sigmoid is 1 % at -log(99)
_LOG_99 = math.log(99.0)


def softplus(beta: float = 1.0) -> Activation:
    """Makes every signal positive without a kink, for outputs such as rates and scales.

    f(z) = log(1 + exp(beta·z))/beta; its slope is sigmoid(beta·z). torch switches to f(z) = z where beta·z > 20.

    Use it on the output layer for what must be above 0. It hurts in hidden layers: every output is positive (mean 0.8
    for standard normal input), which drives the next layer's inputs apart from 0, and slopes are below 1 everywhere.

    He's rule, since that is relu's, which it equals far from 0; rules of gain 1 would shrink gradients faster.

    Source: Dugas et al. (2001). Default as in torch; Keras fixes beta = 1. Raises `InputError` for a beta that is not
    above 0.

    >>> softplus().init
    'he()'
    """
    positive("softplus", "beta", beta)
    text, saturates = written(softplus, beta=beta), (-_LOG_99 / beta, math.inf)
    return Activation(text, partial(nn.Softplus, beta), init="he()", saturates=saturates)


def logsigmoid() -> Activation:
    """Turns a score into the logarithm of a probability, for losses; not for hidden layers.

    f(z) = log(sigmoid(z)) = -softplus(-z): never positive, slope sigmoid(-z).

    Use it inside a loss, where it is exact for scores at which sigmoid underflows. It hurts in hidden layers as
    `softplus` does, with the sign turned; He's rule for the same reason.

    Source: the logarithm of the logistic function.

    >>> import torch
    >>> logsigmoid()()(torch.tensor(-1000.0))
    tensor(-1000.)
    """
    return Activation("logsigmoid()", nn.LogSigmoid, init="he()", saturates=(-math.inf, _LOG_99))
