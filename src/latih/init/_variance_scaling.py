"""Any variance over a fan: the rule of which the others are cases."""

from typing import Literal, get_args

from latih._checks import one_of, positive
from latih._notation import written

from ._base import Distribution, Initializer, scaled

Fan = Literal["fan_in", "fan_out", "fan_avg"]


def variance_scaling(scale: float = 1.0, mode: Fan = "fan_in", distribution: Distribution = "normal") -> Initializer:
    """Keeps the variance under any activation, given the factor that the activation takes away.

    Var[w] = scale / fan, with fan = fan_in, fan_out or their mean. A layer whose inputs are f(z), with z of variance 1,
    keeps that variance with scale = 1/E[f(z)²], z ~ N(0, 1): 2.35 for GELU, 2.81 for SiLU, 1.55 for ELU, 2.21 for Mish
    (`activations.gelu().gain()` is its root). Scale 1 is `lecun()`, 2 is `he()`, 1 over "fan_avg" is `glorot()`.

    Keras and JAX have it under the same name; their default is the truncated normal for some fans, here the plain one.
    Use it for activations that have no rule of their own. It hurts nowhere where the scale is right; a scale 20 % off
    is a factor of 10,000 after 50 layers.

    Source: He et al. (2015), equations 8 to 10, with E[f(z)²] in place of the rectifier's 1/2. Raises `InputError` for
    a scale that is not above 0.

    >>> import torch
    >>> weight = variance_scaling(2.35)(torch.empty(1000, 500), torch.Generator().manual_seed(0))
    >>> round(weight.var().item() * 500, 1)
    2.4
    """
    positive("variance_scaling", "scale", scale)
    one_of("variance_scaling", "mode", mode, get_args(Fan))

    def variance(fan_in: int, fan_out: int) -> float:
        return scale / {"fan_in": fan_in, "fan_out": fan_out, "fan_avg": (fan_in + fan_out) / 2}[mode]

    return scaled(written(variance_scaling, scale=scale, mode=mode, distribution=distribution), variance, distribution)
