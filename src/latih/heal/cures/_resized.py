"""A layer or norm like another one, of another width."""

from __future__ import annotations

import warnings
from math import gcd
from typing import Any

import torch
from torch import nn

_CONVOLUTION = ("kernel_size", "stride", "padding", "dilation", "groups", "bias", "padding_mode")
_RECURRENT = ("num_layers", "bias", "batch_first", "dropout", "bidirectional")
_MOMENTS = ("eps", "momentum", "affine", "track_running_stats")

# kind -> (names of what it reads and puts out, the other arguments)
_ENDS: dict[type[nn.Module], tuple[tuple[str, str], tuple[str, ...]]] = {
    nn.Linear: (("in_features", "out_features"), ("bias",)),
    nn.Conv1d: (("in_channels", "out_channels"), _CONVOLUTION),
    nn.Conv2d: (("in_channels", "out_channels"), _CONVOLUTION),
    nn.RNN: (("input_size", "hidden_size"), ("nonlinearity", *_RECURRENT)),
    nn.GRU: (("input_size", "hidden_size"), _RECURRENT),
    nn.LSTM: (("input_size", "hidden_size"), _RECURRENT),
}
_FEATURES: dict[type[nn.Module], tuple[str, tuple[str, ...]]] = {
    nn.BatchNorm1d: ("num_features", _MOMENTS),
    nn.BatchNorm2d: ("num_features", _MOMENTS),
    nn.InstanceNorm1d: ("num_features", _MOMENTS),
    nn.InstanceNorm2d: ("num_features", _MOMENTS),
    nn.LayerNorm: ("normalized_shape", ("eps", "elementwise_affine", "bias")),
    nn.RMSNorm: ("normalized_shape", ("eps", "elementwise_affine")),
    nn.GroupNorm: ("num_channels", ("num_groups", "eps", "affine")),
}
WEIGHTED, NORMS = frozenset(_ENDS), frozenset(_FEATURES)


def units_of(layer: nn.Module) -> int:
    """What a layer puts out; 0 where that is tied to something else."""
    if getattr(layer, "groups", 1) != 1 or getattr(layer, "proj_size", 0):
        return 0
    return getattr(layer, _ENDS[type(layer)][0][1])


def arguments(module: nn.Module) -> dict[str, Any]:
    """With which `type(module)` makes a module like it, the sizes first."""
    kind = type(module)
    sizes, rest = _ENDS[kind] if kind in WEIGHTED else ((_FEATURES[kind][0],), _FEATURES[kind][1])
    found = {name: getattr(module, name) for name in (*sizes, *rest)}
    if "bias" in found and not isinstance(found["bias"], bool):
        found["bias"] = found["bias"] is not None
    if kind is nn.GroupNorm:
        found = {"num_groups": found.pop("num_groups"), **found}
    return found


def putting_out(given: dict[str, Any], kind: type[nn.Module], units: int) -> dict[str, Any]:
    """Arguments of a layer with so many units."""
    return given | {_ENDS[kind][0][1]: units}


def reading(given: dict[str, Any], kind: type[nn.Module], old: int, new: int) -> dict[str, Any] | None:
    """Arguments of a layer or norm that gets `new` units a position instead of `old`; None where that cannot be."""
    name = _ENDS[kind][0][0] if kind in WEIGHTED else _FEATURES[kind][0]
    size = given[name]
    if given.get("groups", 1) != 1:
        return None
    if isinstance(size, tuple):
        at = next((place for place, one in enumerate(size) if one % old == 0), None)
        return None if at is None else given | {name: (*size[:at], size[at] // old * new, *size[at + 1 :])}
    if size % old:
        return None
    given = given | {name: size // old * new}
    if kind is nn.GroupNorm:
        given["num_groups"] = gcd(given["num_groups"], given[name])
    return given


def made(like: nn.Module, given: dict[str, Any]) -> nn.Module:
    """On the device of `like`, in its precision and mode."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the user's own constructor has said them
        return type(like)(**given, **_place(like)).train(like.training)


def written(like: nn.Module, given: dict[str, Any]) -> str:
    """The call that makes it; what is as by default is left out."""
    kind = type(like)
    sizes = [name for name in given if name in ("num_groups", "kernel_size") or name in _sizes(kind)]
    needed: dict[str, Any] = {name: given[name] for name in sizes}
    plain = arguments(kind(**needed, device="meta"))
    said = [f"{given[name]!r}" for name in sizes]
    said += [f"{name}={value!r}" for name, value in given.items() if name not in sizes and value != plain[name]]
    place = _place(like)
    said += [f"dtype={place['dtype']}"] if "dtype" in place else []
    said += [f"device={str(place['device'])!r}"] if "device" in place else []
    return f"nn.{kind.__name__}({', '.join(said)})"


def _sizes(kind: type[nn.Module]) -> tuple[str, ...]:
    return _ENDS[kind][0] if kind in WEIGHTED else (_FEATURES[kind][0],)


def _place(like: nn.Module) -> dict[str, Any]:
    held = next((one for one in [*like.parameters(), *like.buffers()] if one.is_floating_point()), None)
    if held is None:
        return {}
    return {
        **({} if held.dtype == torch.get_default_dtype() else {"dtype": held.dtype}),
        **({} if held.device.type == "cpu" else {"device": held.device}),
    }
