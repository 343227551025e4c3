"""Which modules and functions of torch are activations that may stand between two layers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

MODULES: dict[type[nn.Module], str] = {
    nn.CELU: "celu",
    nn.ELU: "elu",
    nn.GELU: "gelu",
    nn.Hardshrink: "hardshrink",
    nn.Hardsigmoid: "hardsigmoid",
    nn.Hardswish: "hardswish",
    nn.Hardtanh: "hardtanh",
    nn.LeakyReLU: "leaky_relu",
    nn.LogSigmoid: "logsigmoid",
    nn.Mish: "mish",
    nn.PReLU: "prelu",
    nn.ReLU: "relu",
    nn.ReLU6: "relu6",
    nn.RReLU: "rrelu",
    nn.SELU: "selu",
    nn.Sigmoid: "sigmoid",
    nn.SiLU: "silu",
    nn.Softplus: "softplus",
    nn.Softshrink: "softshrink",
    nn.Softsign: "softsign",
    nn.Tanh: "tanh",
    nn.Tanhshrink: "tanhshrink",
    nn.Threshold: "threshold",
}
"""Softmax and gated units are left out: what mixes its inputs is never a plain hidden activation."""

RECTIFIERS = frozenset(("relu", "relu6", "leaky_relu", "prelu", "rrelu", "elu", "celu", "selu", "threshold"))
"""Those that nobody uses as a gate or as an output of probabilities."""

FUNCTIONS: dict[Callable[..., Any], str] = {
    getattr(home, name + ending): name
    for name in MODULES.values()
    for ending in ("", "_")
    for home in (F, torch, torch.Tensor)
    if hasattr(home, name + ending)
}


def known(value: object) -> str | None:
    """The name of the activation that a module or a function is; None for anything else."""
    if isinstance(value, nn.Module):
        return MODULES.get(type(value))
    try:
        return FUNCTIONS.get(value)  # type: ignore[arg-type]
    except TypeError:  # not hashable
        return None


def has_weights(module: nn.Module) -> bool:
    """Whether the module owns a matrix or kernel: a norm's scale is none."""
    return any(parameter.dim() > 1 for parameter in module.parameters(recurse=False))
