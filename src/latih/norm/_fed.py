"""Which module computes the activation that a layer feeds."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import nn
from torch.nn.modules.conv import _ConvNd
from torch.nn.utils import skip_init

from latih import tape
from latih._checks import InputError

from ._wires import Call, Wires, copied


def activations_fed(model: nn.Module, batch: Any, wires: Wires) -> dict[str, str]:
    """Layer -> path of its activation's module; layers whose activation is called as a function are missing.

    Found by replacing every such module, in a copy, by a leaky relu with a slope of its own: the tape then names the
    slope that each layer feeds.
    """
    marked = copied("insert_batch_norm", model)
    paths = [path for path, calls in wires.calls.items() if _is_activation(model.get_submodule(path), calls[0])]
    slopes = {2.0**-20 * (1 + number): path for number, path in enumerate(paths)}  # exact in every float
    for slope, path in slopes.items():
        target = marked.get_submodule(path)
        for alias in [name for name, module in marked.named_modules(remove_duplicate=False) if module is target]:
            marked.set_submodule(alias, nn.LeakyReLU(slope))
    layers = tape.read(marked, batch).layers
    fed = {layer.name: slopes.get(layer.feeds.constants.get("negative_slope", 0.0)) for layer in layers}
    return {layer: path for layer, path in fed.items() if path is not None}


def _is_activation(module: nn.Module, call: Call) -> bool:
    """Whether a layer in front of `module` would feed an activation: asked of the tape, not of the module's type."""
    if next(module.children(), None) is not None or isinstance(module, nn.Linear | _ConvNd):
        return False
    if call.shape != call.input_shape or not call.shape:
        return False
    like = next(module.parameters(), torch.zeros(0))
    # skip_init: an ordinary layer would draw random numbers
    layer = skip_init(nn.Linear, 1, call.shape[-1], device=like.device, dtype=like.dtype)
    inputs = torch.zeros(*call.shape[:-1], 1, device=like.device, dtype=like.dtype)
    try:
        read = tape.read(nn.Sequential(layer, copy.deepcopy(module)), inputs)
    except InputError:
        return False
    return read.layers[0].feeds.name not in ("none", "unknown")
