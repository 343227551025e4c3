"""He's rule, for ReLU and its relatives."""

from typing import Literal, get_args

from latih._checks import one_of, within
from latih._notation import written

from ._base import Distribution, Initializer, scaled

Mode = Literal["fan_in", "fan_out"]


def he(slope: float = 0.0, mode: Mode = "fan_in", distribution: Distribution = "normal") -> Initializer:
    """Keeps the variance of a rectified signal, so that deep ReLU networks start with gradients of usable size.

    Var[w] = 2 / ((1 + slope²) · fan): a rectifier keeps (1 + slope²)/2 of the square of a symmetric signal. `slope` is
    that of the negative half (0 for ReLU); `mode="fan_in"` keeps the variance forward, "fan_out" backward; in a network
    whose widths change, the two differ by a factor that does not grow with depth, so either trains.

    `distribution` is "normal", "uniform" or "truncated" (cut at two standard deviations, variance kept). Keras calls
    the truncated one `he_normal`; torch's `kaiming_normal_` is the plain normal and takes the slope as `a`, whose
    default in torch's own layers is sqrt(5): that is Var = 1/(3·fan_in), six times too little for ReLU.

    Use it for ReLU, leaky and parametric ReLU, ELU, GELU, SiLU, Mish. It hurts under tanh and sigmoid (drives them into
    saturation) and SELU (whose fixed point needs 1/fan_in).

    Source: He et al. (2015), equations 10, 14 and 15. Raises `InputError` for a slope outside [0, 1] or an unknown
    mode.

    >>> import torch
    >>> round(he()(torch.empty(1000, 500), torch.Generator().manual_seed(0)).var().item() * 500, 2)
    2.0
    """
    within("he", "slope", slope, 0.0, 1.0)
    one_of("he", "mode", mode, get_args(Mode))

    def variance(fan_in: int, fan_out: int) -> float:
        return 2.0 / ((1.0 + slope**2) * (fan_in if mode == "fan_in" else fan_out))

    return scaled(written(he, slope=slope, mode=mode, distribution=distribution), variance, distribution)
