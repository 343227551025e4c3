"""What else would make steps too long or too short: causes that other rules name, and that come first."""

from __future__ import annotations

import math

import numpy as np

from latih.watch import Record

_SCALE = 10.0
"""Standard deviations, or distance of the mean, above which data are called unscaled here."""
_FAN_IN = (0.1, 5.0)
"""Std of the first weights times the square root of the fan-in: 0.58 by torch's default, 1 LeCun, 1.41 He."""
_LONG, _BURST = 3.0, 30.0
"""|gradient| / |weight| at the first update (about 0.1 to 1 where it is well), and a burst over the usual gradient."""


def suspect(record: Record) -> str | None:
    """A reason in words why the length of the steps is a consequence; None where none is seen.

    A rule about the learning rate stays a finding beside it, but leaves the first place to the rule that names it.
    """
    inputs, targets = record.inputs, record.loss.targets
    if stale_share(record) > 0.5:
        return "gradients of earlier updates were never cleared"
    if record.loss.sign < 0:
        return "the loss is negated"
    if inputs is not None and "float" in inputs.dtype and _wide(inputs.mean, inputs.std, inputs.feature_stds):
        return "the inputs are not scaled"
    regression = record.loss.kind in ("mse", "mae", "huber", "smooth_l1")
    if targets is not None and regression and _wide(targets.mean, targets.std, []):
        return "the targets are not scaled"
    if regression and record.loss.reduction == "sum":
        return "the loss is a sum over the batch"
    if record.loss.floor is not None and min((one for one in record.losses if one is not None), default=0.0) < _below(
        record
    ):
        return "the loss lies below the lowest value that it should have"
    if _explodes(record):
        return "the gradients are far larger than the weights"
    scales = first_scales(record)
    if scales and not _FAN_IN[0] < float(np.median(scales)) < _FAN_IN[1]:
        return "the first weights are far from the rule for their fan-in"
    return None


def first_scales(record: Record) -> list[float]:
    """Std of each layer's first weights times the square root of its fan-in."""
    fans = {layer.name: layer.fan_in for layer in record.layers if layer.fan_in and layer.kind != "embedding"}
    first = record.samples[0].readings if record.samples else []
    return [one.weight_std * math.sqrt(fans[one.layer]) for one in first if one.weight_std and one.layer in fans]


def stale_share(record: Record) -> float:
    """Share of the updates that stepped along old gradients too; what follows a lost loss does not count."""
    return record.stale_updates / max(sum(loss is not None for loss in record.losses), 1)


def _below(record: Record) -> float:
    floor = record.loss.floor or 0.0
    return floor - 1e-3 * max(abs(record.loss.baseline or 0.0), 1e-3)


def _explodes(record: Record) -> bool:
    """Steps in proportion to the gradient are long because of it, at the start or, in recurrent nets, in bursts."""
    if not record.samples or record.optimizer is None or record.optimizer.adaptive:
        return False
    shares = [
        one.weight_grad / one.weight_norm for one in record.samples[0].readings if one.weight_grad and one.weight_norm
    ]
    norms = [one.grad_norm for one in record.samples if one.grad_norm]
    bursts = any(layer.recurrent for layer in record.layers) and norms and max(norms) > _BURST * float(np.median(norms))
    return bool(bursts) or bool(shares and float(np.median(shares)) > _LONG)


def _wide(mean: float, std: float, stds: list[float]) -> bool:
    largest = max([std, *stds])
    return largest > _SCALE or abs(mean) > _SCALE * max(std, 1.0)
