"""Which op is an activation, and with what constants."""

from __future__ import annotations

import math
from typing import Any

import torch

from ._base import Activation
from ._ops import saved, words

# op -> (name in torch.nn.functional, the constants worth telling)
_ACTIVATIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "Relu": ("relu", ()),
    "LeakyRelu": ("leaky_relu", ("negative_slope",)),
    "Celu": ("celu", ("alpha",)),
    "Gelu": ("gelu", ("approximate",)),
    "Silu": ("silu", ()),
    "Mish": ("mish", ()),
    "Hardswish": ("hardswish", ()),
    "Hardsigmoid": ("hardsigmoid", ()),
    "Sigmoid": ("sigmoid", ()),
    "Tanh": ("tanh", ()),
    "Softplus": ("softplus", ("beta", "threshold")),
    "Softmax": ("softmax", ("dim",)),
    "SafeSoftmax": ("softmax", ("dim",)),
    "LogSoftmax": ("log_softmax", ("dim",)),
    "LogSigmoid": ("logsigmoid", ()),
    "RreluWithNoise": ("rrelu", ("lower", "upper")),
    "PreluKernel": ("prelu", ()),
    "Hardshrink": ("hardshrink", ("lambd",)),
    "Softshrink": ("softshrink", ("lambd",)),
    "Glu": ("glu", ("dim",)),
    "Sin": ("sin", ()),
    "softsign": ("softsign", ()),
    "tanhshrink": ("tanhshrink", ()),
    "softmin": ("softmin", ()),
    "gumbel_softmax": ("gumbel_softmax", ()),
}

# An activation followed at once by one of these is some other function than its name says (relu squared, say).
BENDS = words("Pow Abs Exp Log Sqrt Square Neg Reciprocal Rsqrt")


def activation(op: str, node: Any, constants: dict[str, Any]) -> Activation | None:
    """The activation that `op` is, with its saved constants; None for any other op."""
    if op in _ACTIVATIONS:
        name, wanted = _ACTIVATIONS[op]
        return Activation(name, constants or {key: saved(node, key) for key in wanted})
    if op in ("threshold", "Threshold"):
        return Activation("threshold", constants or {"threshold": saved(node, "threshold")})
    if op == "Elu":
        return _elu(*(float(saved(node, key)) for key in ("alpha", "scale", "input_scale")))
    if op == "Hardtanh":
        return _clamped(saved(node, "min_val"), saved(node, "max_val"))
    if op in ("Clamp", "ClampMin"):
        return _clamped(saved(node, "min"), saved(node, "max") if op == "Clamp" else None)
    return Activation("relu") if op == "Maximum" and _against_zero(node) else None


def _elu(alpha: float, scale: float, input_scale: float) -> Activation:
    selu = math.isclose(alpha, 1.6732632423543772) and math.isclose(scale, 1.0507009873554805)
    if selu and input_scale == 1.0:
        return Activation("selu")
    if scale == input_scale == 1.0:
        return Activation("elu", {"alpha": alpha})
    return Activation("elu", {"alpha": alpha, "scale": scale, "input_scale": input_scale})


def _clamped(low: Any, high: Any) -> Activation | None:
    if high is None and isinstance(low, int | float) and low == 0:
        return Activation("relu")
    if not (isinstance(low, int | float) and isinstance(high, int | float)):
        return None
    return Activation("relu6") if (low, high) == (0, 6) else Activation("hardtanh", {"min_val": low, "max_val": high})


def _against_zero(node: Any) -> bool:
    constant = [key for key, (source, _) in zip(("self", "other"), node.next_functions, strict=True) if source is None]
    return len(constant) == 1 and not bool(torch.any(saved(node, constant[0])))
