"""What does not change while a model trains: its layers, its parameters and who moves them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from latih._shards import divided
from latih.norm import is_pinned
from latih.tape import Tape

from ._fresh import is_fresh
from ._record import Layer, Norm, Optimizer, Parameter

_NORMS = {nn.LayerNorm: "layer_norm", nn.GroupNorm: "group_norm", nn.RMSNorm: "rms_norm"}
_ADAPTIVE = ("adam", "adagrad", "rmsprop", "adadelta", "nadam", "radam", "adamax", "lion", "muon", "adafactor", "rprop")


def layers_of(tape: Tape) -> list[Layer]:
    """The tape's layers as plain data; a module with several weights gives several, under the weights' own names."""
    shared = ("parameter", "kind", "between", "inputs", "fan_in", "fan_out", "is_head", "in_residual")
    names = [layer.name for layer in tape.layers]
    return [
        Layer(
            name=layer.name if layer.name and names.count(layer.name) == 1 else layer.parameter,
            **{name: getattr(layer, name) for name in shared},
            recurrent=layer.recurrent,
            shared=layer.shared,
            activation=layer.feeds.name,
            constants={key: _plain(value) for key, value in layer.feeds.constants.items()},
            elements=layer.weight.numel(),
            bias=layer.bias is not None,
        )
        for layer in tape.layers
    ]


def parameters_of(
    parameters: Iterable[tuple[str, Tensor]], optimizer: torch.optim.Optimizer | None, unreached: set[str] | None
) -> list[Parameter]:
    """Every parameter: whether it may learn, whether the loss reaches it, whether anyone moves it."""
    groups = [] if optimizer is None else optimizer.param_groups
    decay = {id(one): float(group.get("weight_decay") or 0.0) for group in groups for one in group["params"]}
    return [
        Parameter(
            name=name,
            shape=() if is_lazy(one) else tuple(one.shape),
            trainable=one.requires_grad,
            reached=None if unreached is None else name not in unreached,
            optimised=None if optimizer is None else id(one) in decay,
            decayed=decay.get(id(one), 0.0),
            fresh=None if is_lazy(one) or divided(one) else is_fresh(one),
        )
        for name, one in parameters
    ]


def norms_of(
    model: nn.Module, layers: list[Layer], sizes: dict[str, int], modes: dict[str, bool] | None = None
) -> list[Norm]:
    """Every normalisation module; `after_bias` by the tape: a layer with a bias that nothing but the norm sees.

    `sizes`: name -> values a feature that one batch gives it; `modes`: name -> whether it ran in training mode.
    """
    found = []
    fed = _before_norms(model, layers)
    for name, module in model.named_modules():
        batch = isinstance(module, _NormBase)
        kind = next((word for one, word in _NORMS.items() if isinstance(module, one)), None)
        if batch:
            kind = "instance_norm" if "Instance" in type(module).__name__ else "batch_norm"
        if kind is not None:
            found.append(
                Norm(
                    name=name,
                    kind=kind,
                    features=_features(module),
                    training=(modes or {}).get(name, module.training),
                    tracks=batch and module.running_mean is not None,
                    pinned=is_pinned(module),
                    affine=getattr(module, "weight", None) is not None,
                    values=sizes.get(name),
                    after_bias=kind == "batch_norm" and fed.get(name, False),
                    momentum=module.momentum if batch else None,  # pyright: ignore[reportArgumentType]
                    untouched=isinstance(module, _NormBase) and _untouched(module),
                )
            )
    return found


def optimizer_of(optimizer: torch.optim.Optimizer | None) -> Optimizer | None:
    """The optimizer's settings, those of the group with the most weights."""
    group = largest_group(optimizer)
    if optimizer is None or group is None:
        return None
    name = type(optimizer).__name__.lower()
    betas = group.get("betas")
    momentum = betas[0] if isinstance(betas, tuple | list) and betas else group.get("momentum", 0.0)
    return Optimizer(
        name=name,
        lr=float(group.get("lr", 0.0)),
        momentum=float(momentum or 0.0),
        beta2=float(betas[1]) if isinstance(betas, tuple | list) and len(betas) > 1 else None,
        weight_decay=float(group.get("weight_decay", 0.0) or 0.0),
        decoupled=bool(group.get("decoupled_weight_decay", name in ("adamw", "lion", "muon"))),
        adaptive=any(one in name for one in _ADAPTIVE),
    )


def largest_group(optimizer: torch.optim.Optimizer | None) -> dict[str, Any] | None:
    """The parameter group with the most weights."""
    groups = [] if optimizer is None else optimizer.param_groups
    return max(groups, key=lambda group: sum(one.numel() for one in group["params"] if not is_lazy(one)), default=None)


def _untouched(module: _NormBase) -> bool:
    """Running statistics as they are in a new module."""
    mean, variance = module.running_mean, module.running_var
    return mean is not None and variance is not None and bool((mean == 0).all()) and bool((variance == 1).all())


def _features(module: nn.Module) -> int:
    for name in ("num_features", "num_channels"):
        if hasattr(module, name):
            return int(getattr(module, name))
    return int(module.normalized_shape[-1])  # pyright: ignore


def _before_norms(model: nn.Module, layers: list[Layer]) -> dict[str, bool]:
    """Batch norm -> whether the layer in front has a bias; by order of definition, confirmed by the tape."""
    normed = {layer.name: layer.bias for layer in layers if layer.between[:1] == ["batch_norm"]}
    found, last = {}, None
    for name, module in model.named_modules():
        if name in normed:
            last = name
        elif isinstance(module, _NormBase) and last is not None:
            found[name], last = normed[last], None
    return found


def _plain(value: Any) -> Any:
    return value if isinstance(value, bool | int | float | str) or value is None else str(value)
