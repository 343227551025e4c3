"""What an activation read from the tape does to the second moment of a signal and of a gradient."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from latih._gaussian import gaussian_mean, slope
from latih.tape import Activation

RECTIFIERS = ("relu", "leaky_relu", "prelu", "rrelu", "relu6")
_OF_TORCH = ("tanh", "sigmoid", "sin")
_OF_FUNCTIONAL = (
    *("relu", "relu6", "elu", "celu", "selu", "gelu", "silu", "mish", "hardswish", "softplus", "logsigmoid"),
    *("hardsigmoid", "hardtanh", "softsign", "tanhshrink", "hardshrink", "softshrink"),
)


def negative_slope(activation: Activation) -> float | None:
    """The slope of a rectifier's negative half; None for any other activation.

    That of rrelu is the root of its mean square, (lower² + lower·upper + upper²)/3; that of prelu, which the tape
    does not tell, is the value given as `weight`, else torch's 0.25.
    """
    constants = activation.constants
    if activation.name not in RECTIFIERS:
        return None
    if activation.name == "leaky_relu":
        return float(constants["negative_slope"])
    if activation.name == "prelu":
        return float(constants.get("weight", 0.25))
    if activation.name == "rrelu":
        low, high = float(constants["lower"]), float(constants["upper"])
        return math.sqrt((low * low + low * high + high * high) / 3)
    return 0.0


def function_of(activation: Activation) -> Callable[[Tensor], Tensor] | None:
    """The activation as a function of one number; None where it is not one (softmax, glu, "none", "unknown")."""
    name, constants = activation.name, dict(activation.constants)
    if name in ("leaky_relu", "prelu", "rrelu"):
        return functools.partial(F.leaky_relu, negative_slope=negative_slope(activation) or 0.0)
    if name == "elu" and "scale" in constants:
        return functools.partial(torch.ops.aten.elu, **constants)
    if name in _OF_TORCH:
        return getattr(torch, name)
    return functools.partial(getattr(F, name), **constants) if name in _OF_FUNCTIONAL else None


def moments(activation: Activation, variance: float = 1.0) -> tuple[float, float] | None:
    """E[f(z)²] and variance·E[f'(z)²] for z ~ N(0, variance); None where `function_of` is.

    Their ratio is what the activation and the layer behind it do to the gradient's variance where the signal's is kept.

    >>> [round(moment, 3) for moment in moments(Activation("gelu", {"approximate": "none"}))]
    [0.425, 0.456]
    """
    if activation.name == "glu":  # a·sigmoid(b) of two halves; a part of the gradient goes to each
        forward, backward = _computed("sigmoid", (), 1.0)
        return forward, (forward + backward) / 2
    if function_of(activation) is None:
        return None
    return _computed(activation.name, tuple(sorted(activation.constants.items())), variance)


@functools.lru_cache(maxsize=256)
def _computed(name: str, constants: tuple[tuple[str, Any], ...], variance: float) -> tuple[float, float]:
    function, root = function_of(Activation(name, dict(constants))), math.sqrt(variance)
    assert function is not None
    forward = gaussian_mean(lambda z: function(root * z).square())
    return forward, variance * gaussian_mean(lambda z: slope(function, root * z).square())
