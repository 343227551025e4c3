"""The layers that can be a head: which they are, and a fresh one in place of an old one."""

from __future__ import annotations

import copy

import torch
from torch import Tensor, nn

from latih.init import glorot

_CONVOLUTIONS = (nn.Conv1d, nn.Conv2d, nn.Conv3d)


def why_not(model: nn.Module, module: nn.Module) -> str:
    """Why `module` cannot be replaced by a layer of another width; "" where it can."""
    if "parametrizations" in module._modules:
        return "has a weight that a parametrization computes; remove_parametrizations(...) must come first"
    if _width_name(module) is None:
        return f"is a {type(module).__name__}, and must be a Linear, a convolution with kernel 1, or a Conv1D"
    if isinstance(module, _CONVOLUTIONS) and (set(module.kernel_size) != {1} or module.groups != 1):
        return f"has kernel {module.kernel_size} and {module.groups} groups, and a head has kernel 1 and one group"
    more = [*module._modules, *module._buffers, *(set(module._parameters) - {"weight", "bias"})]
    if more or "forward" in vars(module):
        return f"holds more than a weight and a bias ({', '.join(sorted(more)) or 'a forward of its own'})"
    weight = module._parameters.get("weight")
    if weight is None or type(weight.data) is not Tensor or not weight.is_floating_point():
        return "has no weight that is a plain tensor of real numbers"
    tied = [
        path
        for path, other in model.named_modules()
        if other is not module and any(one is weight for one in other._parameters.values())
    ]
    return f"shares its weight with {tied[0]!r}; give it a weight of its own first" if tied else ""


def outputs(module: nn.Module) -> int:
    """The number of outputs of a layer that can be replaced."""
    return getattr(module, _width_name(module) or "")


def fresh(module: nn.Module, classes: int, seed: int) -> nn.Module:
    """A copy of `module`, hooks and all, with `classes` outputs: weights by glorot() from `seed`, bias 0, trainable."""
    name = _width_name(module)
    old = module._parameters["weight"]
    assert name is not None
    assert old is not None
    transposed = name == "nf"  # Conv1D keeps its weight as (in, out)
    shape = (old.shape[0], classes) if transposed else (classes, *old.shape[1:])
    weight = old.detach().new_empty(shape)
    glorot()(weight.t() if transposed else weight, torch.Generator(weight.device).manual_seed(seed))
    new = copy.copy(module)
    new._parameters = dict(module._parameters)
    new._parameters["weight"] = nn.Parameter(weight)
    if (bias := module._parameters.get("bias")) is not None:
        new._parameters["bias"] = nn.Parameter(bias.detach().new_zeros(classes))
    setattr(new, name, classes)
    return new


def _width_name(module: nn.Module) -> str | None:
    """The attribute that says how many outputs the layer has."""
    if isinstance(module, nn.Linear):
        return "out_features"
    if isinstance(module, _CONVOLUTIONS):
        return "out_channels"
    # transformers is not imported for this
    conv1d = any(
        kind.__name__ == "Conv1D" and kind.__module__.startswith("transformers.") for kind in type(module).mro()
    )
    return "nf" if conv1d else None
