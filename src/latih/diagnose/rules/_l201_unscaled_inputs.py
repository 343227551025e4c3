"""L201: inputs on scales that the first layer is not made for."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from latih.watch import Layer, Record, Values

from .._base import Finding, NotApplicable, Rule
from .._trouble import trouble
from .._wiring import first_layers, first_reading, seen_scale

LARGE = 10.0
"""Root mean square that the first layer sees, where initialisations assume 1."""
OFFSET = 10.0
"""|mean| / deviation of the middle feature."""
UNLIKE = 30.0
"""Root mean square of the largest feature over that of the middle one."""
FAR = 4.0
"""First loss over that of the best constant output, in a check."""
FITTED = 0.5
"""Loss that the own optimizer reaches on a small batch, over the best constant's, below which it copes."""
CORNERED = 0.5
"""Share of the first layer's activation values on a flat part."""
GATES = 10.0
"""Deviation of what gates are given: a sigmoid's slope is a thousandth of its largest at 8."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """The first layer's curvature is that of E[x xᵀ]: its scale and its condition decide which steps are stable.

    Gradient descent is stable below a rate of 2 / (largest eigenvalue), and slow along the smallest one. Three
    symptoms, each of which multiplies the ratio of the two by a hundred or more: a root mean square R that the first
    layer sees (largest eigenvalue ~ R²) of 10 or more; an offset, |mean| / deviation >= 10 in the middle feature
    (condition ~ features times its square; LeCun et al., 1998, section 4.3); features of unlike size, the largest 30
    times the middle one (condition ~ square). R is measured behind whatever lies in front: it is the first layer's
    output over what its weights would give for R = 1, so a norm in front, or inputs that the model scales itself, are
    healthy. One-hot columns, counts, pixels of 0..1 and tokens are below all of them.

    None of these is a fault as such: adaptive optimizers often cope. A warning only where the run, or the fit of
    one small batch, is in trouble too, the first loss of a check is four times the best constant's (large inputs make
    large outputs; an offset does not) and the own optimizer does not bring a small batch to half of that, or the
    first layer's units, or by the size of its weights the gates of a recurrent one, sit on their flat parts from the
    first step on.
    """
    inputs = record.inputs
    if inputs is None:
        return NotApplicable("the inputs were not seen")
    layers = first_layers(record)
    pixels = len(inputs.shape) == 4  # whole numbers, but of pictures
    if not (pixels or inputs.dtype.startswith(("float", "bfloat"))) or not layers:
        return NotApplicable("inputs are names, not numbers")
    scales = [(scale, layer) for layer in layers if (scale := seen_scale(layer, record)) is not None]
    scale, layer = max(scales, key=lambda one: one[0], default=(_scale(inputs), layers[0]))
    symptoms = _symptoms(inputs, scale)
    if not symptoms:
        return []
    second = _second(record, layer.name, "scale that the first layer sees" in symptoms)
    gates = _gates(record, layer, scale)
    if gates >= GATES:
        second = (second or {}) | {"deviation of what the gates are given": gates, "threshold of the gates": GATES}
    if second is None and "scale that the first layer sees" not in symptoms:
        return []
    return [
        Finding(
            "L201",
            "unscaled-inputs",
            "info" if second is None else "warning",
            layer.name,
            symptoms | (second or {}),
            f"Inputs are not on the scale that {layer.name} is made for (mean 0, deviation 1): "
            + _words(symptoms)
            + ".",
            "x = (x - x_train.mean(0)) / x_train.std(0)  # or nn.BatchNorm1d(n) as the first layer",
            ("standardise_inputs", "insert_norm"),
            weight=2.0,
        )
    ]


def _symptoms(inputs: Values, scale: float) -> dict[str, Any]:
    found: dict[str, Any] = {}
    if scale >= LARGE:
        found |= {"scale that the first layer sees": scale, "threshold": LARGE}
    means, stds = np.abs(inputs.feature_means), np.array(inputs.feature_stds)
    varying = stds > 1e-6 * max(float(stds.max(initial=0.0)), 1e-30)
    if scale < 0.1 * _scale(inputs) or not varying.any():
        return found  # a norm or a scaling in front
    sizes = np.hypot(means, stds)
    offset = float(np.median(means[varying] / stds[varying]))
    unlike = float(sizes.max() / max(float(np.median(sizes[varying])), 1e-30))
    if offset >= OFFSET:
        found |= {"|mean| / deviation": offset, "threshold of the offset": OFFSET}
    if unlike >= UNLIKE and len(inputs.shape) == 2 and scale >= 3:
        found |= {"largest feature / middle one": unlike, "threshold of features": UNLIKE}
    return found


def _second(record: Record, layer: str, large: bool) -> dict[str, Any] | None:
    first = first_reading(record, layer)
    cornered = None if first is None else first.saturated
    found = dict(trouble(record) or {})
    probes, baseline = record.probes, record.loss.baseline
    if large and probes is not None and not record.losses and probes.start_loss is not None and baseline:
        fitted = min((one for one in probes.fit or () if one is not None), default=math.inf)
        times = 0.0 if fitted < FITTED * baseline else probes.start_loss / baseline
        found |= {"first loss / best constant's": times, "threshold of the loss": FAR} if times > FAR else {}
    if cornered is not None and cornered >= CORNERED:
        found |= {"share of saturated values behind it": cornered, "threshold of saturation": CORNERED}
    return found or None


def _gates(record: Record, layer: Layer, scale: float) -> float:
    """Of what a recurrent layer's gates are given by inputs of this scale; 0 for other layers."""
    first = first_reading(record, layer.name)
    if layer.kind not in ("rnn", "lstm", "gru") or first is None or not first.weight_std or not layer.fan_in:
        return 0.0
    return scale * first.weight_std * math.sqrt(layer.fan_in)


def _scale(inputs: Values) -> float:
    return math.hypot(inputs.mean, inputs.std)


def _words(symptoms: dict[str, Any]) -> str:
    return "; ".join(f"{name} {value:.3g}" for name, value in symptoms.items() if "threshold" not in name)


RULE = Rule("L201", "unscaled-inputs", judge)
