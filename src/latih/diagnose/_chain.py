"""The layers through which a signal passes one after the other, with what was read of them at one sample."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from latih.watch import Layer, Reading, Record, Sample

NORMS = frozenset(("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm", "local_response_norm"))
RAW = 10.0
"""Distance or deviation of a feature."""
CONSEQUENCE = 0.5
"""Factor on the weight of a finding whose cause are the inputs."""
GAINS = {
    # 1/sqrt(E[f(z)²]) for z ~ N(0, 1); leaky_relu follows its slope
    **dict.fromkeys(("relu", "relu6", "hardswish"), math.sqrt(2)),
    **dict.fromkeys(("gelu", "silu", "mish"), 1.5),
    "elu": 1.25,
}


class Link(NamedTuple):
    """One layer of the chain."""

    layer: Layer
    reading: Reading

    @property
    def plain(self) -> bool:
        """Nothing rescales what the weight puts out, and nothing passes beside it."""
        return not (self.layer.in_residual or self.layer.recurrent or self.normed)

    @property
    def normed(self) -> bool:
        """A norm rescales what the weight puts out."""
        return not NORMS.isdisjoint(self.layer.between)

    @property
    def gain(self) -> float | None:
        """Root mean square of the weights times sqrt(fan in), over what the function after it wants: 1 is the rule."""
        reading, layer = self.reading, self.layer
        if reading.weight_norm is None or not layer.fan_in or not layer.elements:
            return None
        scale = reading.weight_norm / math.sqrt(layer.elements) * math.sqrt(layer.fan_in)
        return scale / wanted(layer)


def wanted(layer: Layer) -> float:
    """Root mean square of the weights times sqrt(fan in) that keeps the scale of a signal (He; LeCun; Glorot)."""
    if layer.activation in ("leaky_relu", "rrelu", "prelu"):
        slope = layer.constants.get("negative_slope", layer.constants.get("slope", 0.01))
        slope = float(slope) if isinstance(slope, int | float) else 0.25
        return math.sqrt(2 / (1 + slope**2))
    return GAINS.get(layer.activation, 1.0)


def chain(record: Record, sample: Sample) -> list[Link]:
    """Weighted layers in forward order; embeddings, attention and recurrent blocks are no links."""
    read = {one.layer: one for one in sample.readings}
    return [
        Link(layer, read[layer.name])
        for layer in record.layers
        if layer.name in read and (layer.kind == "linear" or layer.kind.startswith("conv"))
    ]


def fall(values: list[float]) -> tuple[float, float]:
    """Of positive numbers along a chain: log10 of last over first on the fitted line, and the share that it explains.

    >>> fall([1e-6, 1e-4, 1e-2, 1.0])
    (6.0, 1.0)
    """
    logs = np.log10(np.array(values))
    places = np.arange(len(logs)) - (len(logs) - 1) / 2
    slope = float((places * logs).sum() / (places**2).sum())
    left = logs - logs.mean() - slope * places
    total = float(((logs - logs.mean()) ** 2).sum())
    return round(slope * (len(logs) - 1), 9), round(1 - float((left**2).sum()) / total, 9) if total > 0 else 0.0


def raw_inputs(record: Record) -> bool:
    """Inputs whose features lie tens from 0: whatever happens behind them has that cause."""
    values = record.inputs
    if values is None or "float" not in values.dtype:
        return False
    return max(map(abs, [*values.feature_means, *values.feature_stds, 0.0])) > RAW
