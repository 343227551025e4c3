"""First weights that spoil a training by their size alone, outside the chain of plain layers."""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Reading, Record, Sample

from ._chain import NORMS, RAW
from ._progress import ENOUGH
from ._stuck import SOON, far, learned, lost, stuck

_STATE, _STATE_RELU = 3.0, 1.5
"""Times the deviation that keeps a state: bounded functions saturate slowly, rectifiers multiply at every step."""
_HALF = 0.5
Start = tuple[str, dict[str, Any], str]
"""Where, the evidence, and why."""


def nothing(record: Record) -> Start | None:
    """Layers that begin at zero and get a gradient of zero, because what they are multiplied with is zero too."""
    if record.probes is not None or len(record.samples) < 3:
        return None
    read = [{one.layer: one for one in sample.readings} for sample in record.samples]
    still = [
        layer
        for layer in record.layers
        if layer.name in read[-1] and all(_is_nothing(one.get(layer.name)) for one in read[:3] + read[-1:])
    ]
    moving = any(one.weight_change for one in read[-1].values())
    trainable = {one.name for one in record.parameters if one.trainable and len(one.shape) > 1}
    all_there_is = trainable and trainable <= {layer.parameter for layer in still}
    if not still or not (moving or all_there_is):
        return None
    name = still[0].name
    why = f"All weights of {name} start at zero, and so does what they are multiplied with: neither gets a gradient."
    evidence = {"weight_norm": 0.0, "gradient": 0.0, "layers": len(still), "step": record.samples[-1].step}
    return name, evidence, why


def _is_nothing(reading: Reading | None) -> bool:
    return reading is not None and reading.weight_norm == 0 and reading.weight_grad == 0


def recurrent(record: Record, start: Sample) -> Start | None:
    """A matrix that is applied at every time step, far larger than what keeps the state: c / sqrt(units)."""
    read = {one.layer: one for one in start.readings}
    for layer in record.layers:
        reading = read.get(layer.name)
        if not layer.recurrent or reading is None or reading.weight_std is None or not layer.fan_in:
            continue
        relu = layer.activation in ("relu", "leaky_relu")
        gain = reading.weight_std * math.sqrt(layer.fan_in) / (math.sqrt(2) if relu else 1.0)
        limit = _STATE_RELU if relu else _STATE
        second = (far(record, SOON) or lost(record) or stuck(record) or _halfway(record)) if gain > limit else None
        if second is not None:
            why = f"The state of {layer.name} is multiplied by weights {gain:.2g} times too large at every time step."
            return layer.name, {"gain": gain, "at_most": limit, **second}, why
    return None


def embedded(record: Record, start: Sample) -> Start | None:
    """Vectors of names that are tens long in every direction: the layers behind them saturate or overshoot."""
    read = {one.layer: one for one in start.readings}
    for layer in record.layers:
        reading = read.get(layer.name)
        if layer.kind != "embedding" or reading is None or not NORMS.isdisjoint(layer.between) or layer.is_head:
            continue
        scale = reading.weight_std or 0.0
        second = (far(record, SOON) or stuck(record) or _halfway(record)) if scale > RAW else None
        if second is not None:
            why = f"The vectors of {layer.name} have deviation {scale:.3g}; the layers behind it are made for 1."
            return layer.name, {"deviation": scale, "at_most": RAW, **second}, why
    return None


def _halfway(record: Record) -> dict[str, Any] | None:
    """A run of four dozen updates in which more than half of the best constant's loss is left."""
    gain = learned(record) if len(record.losses) >= 2 * ENOUGH else None
    return None if gain is None or gain > _HALF else {"learned": gain, "learned_at_least": _HALF}
