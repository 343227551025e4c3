"""What the layers are to each other, for rules about structure."""

from __future__ import annotations

import math

from latih.watch import Layer, Reading, Record

_NORMS = ("layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm", "normalize")
BENDS = frozenset((*_NORMS, "pool", "mask", "add", "cat", "mul", "attention", "product"))
"""Between two layers, what keeps them from being one: not linear, or another signal joins."""
_TABLES = frozenset(("embedding",))
_RECURRENT = frozenset(("rnn", "lstm", "gru"))


def is_matrix(layer: Layer) -> bool:
    """A linear map of values: no table of vectors, nothing that calls itself."""
    return layer.kind not in _TABLES | _RECURRENT | {"attention", "bilinear", "unknown"} and not layer.recurrent


def bends(layer: Layer) -> bool:
    """The function behind `layer` is none that is a straight line: a leaky one of slope 1 is."""
    slope = layer.constants.get("negative_slope")
    straight = layer.activation == "leaky_relu" and isinstance(slope, int | float) and abs(slope - 1) < 1e-3
    return layer.activation != "none" and not straight


def linear_pairs(record: Record, *, pooled: bool = False) -> list[tuple[Layer, Layer]]:
    """Layers in a row with nothing but linear steps between, whose middle is no bottleneck.

    `pooled`: pooling is let through (it may be an average), and so is the step from kernels to matrices behind it.
    """
    bent = BENDS - {"pool"} if pooled else BENDS
    by_name = {layer.name: layer for layer in record.layers}
    shapes = {one.name: one.shape for one in record.parameters}
    pairs = []
    for second in record.layers:
        if len(second.inputs) != 1 or not is_matrix(second):
            continue
        first = by_name.get(second.inputs[0])
        if first is None or not is_matrix(first) or bends(first) or bent & set(first.between):
            continue
        kernels = shapes.get(first.parameter, ()), shapes.get(second.parameter, ())
        if (pooled and "pool" in first.between) or _adds_nothing(first, second, *kernels):
            pairs.append((first, second))
    return pairs


def all_linear(record: Record, *, pooled: bool = False) -> bool:
    """Nothing in the whole network bends: no activation, no norm of single examples, no product of signals.

    `pooled`: pooling is let through (it may be an average).
    """
    layers = record.layers
    bent = BENDS - ({"add", "cat", "pool"} if pooled else {"add", "cat"})
    plain = all(is_matrix(one) or one.kind in _TABLES for one in layers)
    straight = all((one.is_head or not bends(one)) and not bent & set(one.between) for one in layers)
    return bool(layers) and plain and straight


def first_layers(record: Record) -> list[Layer]:
    """Those that see the inputs, tables aside."""
    return [layer for layer in record.layers if not layer.inputs and layer.kind not in _TABLES]


def seen_scale(layer: Layer, record: Record) -> float | None:
    """Root mean square of what `layer` is given, by what it puts out at the first sample.

    Random weights of deviation s put out values of root mean square s sqrt(fan_in) times that of their inputs.
    """
    reading = first_reading(record, layer.name)
    if reading is None or not layer.fan_in or layer.recurrent or layer.kind in _RECURRENT | {"attention"}:
        return None
    if reading.out_std is None or reading.out_mean is None or not reading.weight_std:
        return None
    return math.hypot(reading.out_std, reading.out_mean) / (reading.weight_std * math.sqrt(layer.fan_in))


def first_reading(record: Record, layer: str) -> Reading | None:
    """Of `layer`, at the first sample that saw it."""
    return next((one for sample in record.samples for one in sample.readings if one.layer == layer), None)


def readings(record: Record, layer: str) -> list[Reading]:
    """All of `layer`."""
    return [one for sample in record.samples for one in sample.readings if one.layer == layer]


def _adds_nothing(first: Layer, second: Layer, shape: tuple[int, ...], after: tuple[int, ...]) -> bool:
    """Whether one layer could do what both do: the middle is as wide as the narrower side, or wider."""
    if first.kind == second.kind == "linear":
        return first.fan_out >= min(first.fan_in, second.fan_out)
    if not (first.kind == second.kind and first.kind.startswith("conv") and len(shape) == len(after) > 2):
        return False
    spatial, next_spatial = math.prod(shape[2:]), math.prod(after[2:])
    depthwise = (shape[1] == 1 and shape[0] > 1 and bool(first.inputs)) or (after[1] == 1 and shape[0] > 1)
    if depthwise or (shape[2:] != after[2:] and 1 not in (spatial, next_spatial)) or first.kind.startswith("conv_t"):
        return False  # factors of a larger kernel
    if 1 in (spatial, next_spatial):
        return shape[0] >= min(first.fan_in, second.fan_out)
    return shape[0] >= min(shape[1], after[0])
