"""Which batch norm can be folded into which layer, and why others cannot."""

from __future__ import annotations

from collections import Counter

from torch import nn
from torch.nn.modules.batchnorm import SyncBatchNorm, _BatchNorm
from torch.nn.modules.conv import _ConvNd, _ConvTransposeNd
from torch.nn.utils import parametrize

from latih._checks import InputError, did_you_mean

from ._modules import BatchNorm1d
from ._wires import Call, Edge, Wires

Layer = nn.Linear | _ConvNd
_TORCHS_NORMS = (_BatchNorm.forward, SyncBatchNorm.forward, BatchNorm1d.forward)
_TORCHS_LAYERS = tuple(
    vars(kind)[name]
    for kind in (
        nn.Linear,
        _ConvNd,
        *(getattr(nn, f"Conv{way}{dims}d") for way in ("", "Transpose") for dims in (1, 2, 3)),
    )
    for name in ("forward", "_conv_forward")
    if name in vars(kind)
)


def norms_and_layers(model: nn.Module, wires: Wires, keep: set[str]) -> tuple[dict[str, str], dict[str, str]]:
    """Norm -> layer for those that fold, norm -> reason for those that do not; `model` has not been changed yet."""
    norms = {name: module for name, module in model.named_modules() if isinstance(module, _BatchNorm)}
    for name in keep - set(norms):
        raise InputError(f"keep={name!r}: there is no batch norm of that name{did_you_mean(name, norms, '.')}")
    makers = {
        call.result: name
        for name, calls in wires.calls.items()
        for call in calls
        if call.result is not None and isinstance(model.get_submodule(name), Layer)
    }
    folded, kept = {}, {}
    for name, norm in norms.items():
        calls = wires.calls.get(name, [])
        reason = "it is to be kept" if name in keep else _own_reason(norm, calls)
        layer = None if reason else _in_front(calls, makers)
        reason = reason or ("" if layer else "it follows no linear or convolutional layer directly")
        if layer is not None:
            _check_used_once(model, layer, name, wires)
            reason = _pair_reason(model.get_submodule(layer), calls, wires)
        if layer is not None and not reason:
            folded[name] = layer
        else:
            kept[name] = reason
    return folded, kept


def _in_front(calls: list[Call], makers: dict[Edge, str]) -> str | None:
    return next((makers[call.source] for call in calls if call.source in makers), None)


def _own_reason(norm: _BatchNorm, calls: list[Call]) -> str:
    if not calls:
        return "the batch does not reach it"
    if all(call.source is None and call.result is None for call in calls):
        return "autograd records nothing around it"
    if norm.running_mean is None or norm.running_var is None:
        return "it keeps no running statistics"
    if type(norm).forward not in _TORCHS_NORMS or _changed(norm):
        return "it computes more than a batch norm"
    return ""


def _pair_reason(layer: nn.Module, calls: list[Call], wires: Wires) -> str:
    (call, *others) = calls
    if others:
        return "it is used more than once"
    assert call.source is not None
    if wires.readers[call.source] > 1:
        return "the output of the layer in front goes elsewhere too"
    if isinstance(layer, nn.Linear) and len(call.input_shape) != 2:
        return "the layer in front has its features last, the norm second"
    if isinstance(layer, _ConvTransposeNd) and layer.groups > 1:
        return "the transposed convolution in front has groups"
    if not _is_torchs_own(layer) or _changed(layer):
        return "the layer in front computes more than a product"
    return ""


def _is_torchs_own(layer: nn.Module) -> bool:
    methods = [getattr(type(layer), name, None) for name in ("forward", "_conv_forward")]
    return all(method is None or method in _TORCHS_LAYERS for method in methods)


def _changed(module: nn.Module) -> bool:
    """Whether a hook or a parametrization may change what the module computes."""
    return bool(module._forward_hooks or module._forward_pre_hooks) or parametrize.is_parametrized(module)


def _check_used_once(model: nn.Module, layer: str, norm: str, wires: Wires) -> None:
    uses = Counter(id(one) for module in model.modules() for one in module._parameters.values() if one is not None)
    times, weight = len(wires.calls[layer]), model.get_submodule(layer).weight
    if times > 1 or uses[id(weight)] > 1:
        what = f"is used {times} times" if times > 1 else "shares its weight with another"
        raise InputError(
            f"fold(model): layer {layer!r} in front of norm {norm!r} {what}, and folding would change every use; "
            f"give each use a layer of its own, or pass keep=({norm!r},)."
        )
