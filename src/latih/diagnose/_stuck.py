"""The second signal of the rules about signals: the run, or the batch, does not learn as it should."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from latih.watch import Record, Sample

from ._progress import ENOUGH, Curve

UNFIT = 0.03
"""Share of the blind network's loss that a network which sees its inputs must get rid of in a few safe steps."""
FAR = 3.0
"""Times the best constant output's loss: above, even a constant would be better by far."""
BLANK = 1e-2
"""Deviation of a signal over examples, of that over everything: below, the output is one and the same for all."""
LATE = 0.1
"""Share of a run that may pass before the output depends on the input."""
SOON = 8
"""Updates after which weights that are known to be too large have had their time."""
STILL = 0.1
"""Share of the constant's loss by which a run must still lie above it after two dozen updates."""
ALIVE = 0.1
"""Deviation of a signal over examples, of that over everything: above, it tells them apart."""
FADED = 1e-3
"""Of the share of the head's gradient that hidden weights had at the start."""
SETTLED = 5
"""Updates after which a signal that is still lost has not come back by itself."""


def stuck(record: Record) -> dict[str, Any] | None:
    """The numbers that show it, with their thresholds; None where it learns, or where that cannot be told yet.

    On a run: a loss that is not finite; not below the best constant output, by the curve's test of significance; above
    3 times that constant's loss; or an output that is the same for all examples, which no loss can reward with more
    than the constant: at the last two samples, or for a tenth of the run so far. On a batch: 24 safe steps with its
    inputs come to within 3 % of the loss that the same steps reach with inputs that say nothing.
    """
    if record.probes is not None:
        return unfit(record)
    return lost(record) or flat(record) or far(record) or blank(record) or late(record)


def lost(record: Record) -> dict[str, Any] | None:
    """A loss that is not finite."""
    step = next((step for step, loss in enumerate(record.losses) if loss is None or not math.isfinite(loss)), None)
    if step is not None:
        return {"loss_lost_at_step": step}
    if record.origin is not None and record.probes is not None:
        return {"loss_lost_at_step": record.origin.step}
    return None


def flat(record: Record) -> dict[str, Any] | None:
    """A curve that is surely not below the best constant output."""
    curve = Curve.of(record)
    if len(curve) < ENOUGH or curve.learns is not False:
        return None
    return {"loss": curve.level, "best_constant": curve.baseline}


def far(record: Record, after: int = ENOUGH) -> dict[str, Any] | None:
    """A loss several times that of the best constant output, `after` so many updates.

    On a batch: after the user's own optimizer tried.
    """
    curve = Curve.of(record)
    baseline, floor = record.loss.baseline, record.loss.floor
    if baseline is None or floor is None or not baseline > floor or not (curve.exact or record.probes is not None):
        return None
    if record.probes is not None:
        level = lowest(record.probes.fit) if record.probes.fit else record.probes.start_loss
    else:
        level = curve.level if len(curve) >= after else None
    if level is None or level - floor < FAR * (baseline - floor):
        return None
    return {"loss": level, "best_constant": baseline, "loss_at_most": FAR * (baseline - floor) + floor}


def wasted(record: Record) -> dict[str, Any] | None:
    """Two dozen updates, and a constant would still be better by a tenth of its own loss."""
    curve = Curve.of(record)
    if record.probes is not None or len(curve) < ENOUGH or not curve.exact:
        return None
    then = float(np.median(curve.losses[ENOUGH - 8 : ENOUGH]))
    gain = curve.gain_at(then)
    return {"loss_after": then, "loss": then, "updates": ENOUGH} if gain is not None and gain < -STILL else None


def gone(record: Record) -> dict[str, Any] | None:
    """What was there when training began and is gone: outputs that tell examples apart, gradients of hidden weights."""
    if record.probes is not None or len(record.samples) < 3 or record.samples[0].step >= SETTLED:
        return None
    first, now = last_spread(record, record.samples[0].readings), blank(record)
    if now is not None and first is not None and first >= ALIVE:
        return {"spread_at_the_start": first, **now}
    before, after = _hidden_share(record, record.samples[0]), _hidden_share(record, record.samples[-1])
    if not before or after is None or after > FADED * before:
        return None
    return {"hidden_gradient_over_head": after, "at_the_start": before, "at_least": FADED * before}


def _hidden_share(record: Record, sample: Sample) -> float | None:
    """Gradient of the middle hidden weight, divided by the largest of the heads'."""
    heads = {layer.name for layer in record.layers if layer.is_head}
    read = [one for one in sample.readings if one.weight_grad is not None]
    last = max((one.weight_grad or 0.0 for one in read if one.layer in heads), default=0.0)
    hidden = [one.weight_grad or 0.0 for one in read if one.layer not in heads]
    return float(np.median(hidden)) / last if hidden and last > 0 else None


def blank(record: Record) -> dict[str, Any] | None:
    """An output that does not depend on the example, at the last two samples, some updates after the start."""
    samples = [one for one in record.samples if one.step >= SETTLED][-2:]
    if len(samples) < 2:
        return None
    spreads = [last_spread(record, sample.readings) for sample in samples]
    if any(one is None or one >= BLANK for one in spreads):
        return None
    return {"spread_over_examples": spreads[-1], "spread_at_least": BLANK}


def late(record: Record) -> dict[str, Any] | None:
    """An output that did not depend on the example for a tenth of the updates so far."""
    until = 0
    for sample in record.samples:
        spread = last_spread(record, sample.readings)
        if spread is None or spread >= BLANK:
            break
        until = sample.step
    if until < max(ENOUGH, LATE * record.updates):
        return None
    return {"updates_without_signal": until, "updates_at_most": int(max(ENOUGH, LATE * record.updates))}


def unfit(record: Record) -> dict[str, Any] | None:
    """Safe steps on one batch come no further with its inputs than without them."""
    probes = record.probes
    if probes is None:
        return None
    seeing, blind = lowest(probes.fit_safe), lowest(probes.blind)
    first = next(iter(probes.fit_safe or ()), None)
    if seeing is None or blind is None or first is None:
        return None
    floor = record.loss.floor or 0.0
    # a batch of equal targets is fitted blindly
    if blind - floor < 0.1 * abs(first - floor) or seeing < blind - UNFIT * abs(blind - floor):
        return None
    return {"loss_fitted": seeing, "loss_without_inputs": blind, "should_be_lower_by": UNFIT}


def unlearned(record: Record) -> dict[str, Any] | None:
    """The user's own optimizer comes no further on one batch than a network that sees nothing; a weaker signal."""
    probes = record.probes
    if probes is None or not probes.fit:
        return unfit(record)
    if any(one is None for one in probes.fit):
        return {"loss_lost_at_step": next(step for step, one in enumerate(probes.fit) if one is None)}
    reached, blind = lowest(probes.fit), lowest(probes.blind)
    if reached is None or blind is None or reached < blind - UNFIT * abs(blind - (record.loss.floor or 0.0)):
        return None
    return {"loss_reached": reached, "loss_without_inputs": blind}


def lowest(losses: Sequence[float | None] | None) -> float | None:
    """The smallest finite one."""
    return min((one for one in losses or () if one is not None and math.isfinite(one)), default=None)


def learned(record: Record) -> float | None:
    """Share of the best constant output's loss that a run got rid of so far; None where it cannot be told."""
    curve = Curve.of(record)
    return curve.gain if record.probes is None and len(curve) >= ENOUGH else None


def last_spread(record: Record, readings: Sequence[Any]) -> float | None:
    """Of the last activation before the head; branches beside a skip do not count."""
    known = {layer.name: layer for layer in record.layers if not (layer.is_head or layer.in_residual)}
    found = [one.alive_spread for one in readings if one.alive_spread is not None and one.layer in known]
    return found[-1] if found else None
