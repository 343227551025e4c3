"""A model whose first stage prepares its inputs, seen without that stage."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

from latih.tape import split_batch, untouched

from ._wrapping import parts_of


def staged(model: nn.Module, batch: Any) -> tuple[str, nn.Module, Any]:
    """Path of the network proper ("" without stages), the network, and the batch as it gets it.

    A stage is what other cures put in front, as `nn.Sequential(inputs=..., net=...)`. What a network wants of its
    inputs, as selu does, is judged behind it.
    """
    parts = parts_of(model)
    if "inputs" not in parts:
        return "", model, batch
    inputs, targets = split_batch(batch)
    with untouched(list(model.modules()), {inputs.device}), torch.no_grad():
        return "net", parts["net"], (parts["inputs"](inputs), targets)
