"""Glorot's rule, for tanh, sigmoid and layers without an activation."""

from latih._checks import positive
from latih._notation import written

from ._base import Distribution, Initializer, scaled


def glorot(distribution: Distribution = "normal", gain: float = 1.0) -> Initializer:
    """Balances the variance of the signal forward against that of the gradient backward.

    Var[w] = gain² / fan_avg, with fan_avg = (fan_in + fan_out) / 2. Forward alone would ask for 1/fan_in and backward
    alone for 1/fan_out; both hold only when the layer keeps its width, and this is the compromise.

    `distribution` is "normal", "uniform" (limit sqrt(3·Var)) or "truncated" (cut at two standard deviations and widened
    so that the variance holds). Keras calls the truncated one `glorot_normal`; torch's `xavier_normal_` is the plain
    normal. torch's `calculate_gain("tanh")` is 5/3; the rule itself has gain 1.

    Use it for tanh, softsign, sigmoid, softmax and linear layers. It hurts under ReLU: half of the signal's square is
    cut away in each layer, so its standard deviation falls as 2^(-layers/2).

    Source: Glorot & Bengio (2010), equations 12 and 16. Raises `InputError` for a gain that is not above 0.

    >>> import torch
    >>> weight = glorot("uniform")(torch.empty(100, 200))
    >>> weight.abs().max() <= (6 / 300) ** 0.5
    tensor(True)
    """
    positive("glorot", "gain", gain)
    text = written(glorot, distribution=distribution, gain=gain)
    return scaled(text, lambda fan_in, fan_out: gain**2 / ((fan_in + fan_out) / 2), distribution)
