"""L305 dead-units: rectified units that never fire."""

from __future__ import annotations

from typing import Any

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._chain import CONSEQUENCE, Link, chain, raw_inputs
from .._stuck import BLANK, last_spread, stuck
from .._trouble import learns_well

MOST = 0.5
"""Share of a layer's units."""
SEEN = 16
"""Examples on which a unit must have been silent to be called dead."""
_RECTIFIERS = ("relu", "relu6", "hardswish", "threshold", "softshrink", "hardshrink")
_WINDOW = 4
_LATER, _LONG = 3, 24
"""Samples in a row without a gradient, and updates that they must span."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """More than half of a layer's rectified units never fire, and get no gradient that could wake them.

    A unit is dead that was on the flat part of its function for every example of the last four samples (Lu et al.,
    2020: a relu whose bias or weights were driven below what any input makes up for). A network does without many:
    judged are layers that lost more than half, and only where the run or the batch does not learn; a layer that lost
    all of its units passes nothing on, and neither signal nor gradient comes by: then its zero gradient is the
    second signal. Units that were alive at the start were killed by something, most often by steps that were too long:
    then the finding steps back behind whatever else is found.

    Where activations could not be seen, as of parts of a model that are called one by one, weights tell: a gradient
    that was there at the start and is exactly zero at the last three samples, while others have theirs.

    Silent inside residual branches, whose skip carries the signal, and where fewer than 16 examples were seen.
    """
    if not record.samples:
        return NotApplicable("no activations were seen")
    silenced = _silenced(record)
    if silenced is not None:
        return [silenced]
    sample = record.samples[-1]
    links = [one for one in chain(record, sample) if one.layer.activation in _RECTIFIERS]
    links = [one for one in links if not one.layer.in_residual and one.reading.dead is not None]
    links = [one for one in links if one.reading.out_std is not None]  # not finite: see non-finite-data
    if not links:
        return NotApplicable("no rectified units behind a weighted layer")
    if record.batch_size * min(len(record.samples), _WINDOW) < SEEN:
        return NotApplicable("too few examples were seen to call a unit dead")
    dying = [one for one in links if (one.reading.dead or 0.0) > MOST and not one.layer.is_head]
    if not dying:
        return []
    worst = max(dying, key=lambda one: one.reading.dead or 0.0)
    second = stuck(record) or _closed(record, worst)
    if second is None:
        return []
    share = worst.reading.dead or 0.0
    killed = _killed(record, worst.layer.name)
    evidence = {"dead": share, "at_most": MOST, "layers": len(dying), **second}
    evidence |= {"dead_at_start": killed} if killed is not None else {}
    why = f"{share:.0%} of the {worst.layer.activation} units behind {worst.layer.name} never fire."
    advice = (
        "latih.initialize(model, batch, loss)\n"
        "model = latih.activations.swap(model, 'leaky_relu')  # units that can come back"
    )
    if killed is not None:
        advice += "\n# they died in training: a tenth of the learning rate, or a warm-up"
    cures = ("reinitialise", "swap_activation", "insert_norm", "lower_lr", "warm_up")
    weight = 0.7 if killed is not None else 1.6 * (CONSEQUENCE if raw_inputs(record) else 1.0)
    return [Finding("L305", "dead-units", "error", worst.layer.name, evidence, why, advice, cures, weight)]


def _silenced(record: Record) -> Finding | None:
    """Weights that had a gradient when training began and have had none at all since, while others go on."""
    if len(record.samples) < 1 + _LATER or record.samples[0].step > 1:
        return None
    first = {one.layer: one.weight_grad for one in record.samples[0].readings if one.weight_grad}
    later = [{one.layer: one.weight_grad for one in sample.readings} for sample in record.samples[-_LATER:]]
    known = [name for name in first if all(sample.get(name) is not None for sample in later)]
    gone = [name for name in known if not any(sample[name] for sample in later)]
    if gone != known and learns_well(record):
        return None
    if not gone or not all(one.grad_norm for one in record.samples[-_LATER:]) or _apart(record) < _LONG:
        return None
    evidence = {"gradient at the start": first[gone[0]], "at the last samples": 0.0, "samples": _LATER}
    why = (
        f"{gone[0]} had a gradient when training began and has none any more, exactly: no unit between it and the loss "
        "is awake."
    )
    advice = "A tenth of the learning rate, or a warm-up; latih.activations.swap(model, 'leaky_relu')"
    cures = ("lower_lr", "warm_up", "swap_activation", "reinitialise")
    return Finding("L305", "dead-units", "warning", gone[0], evidence, why, advice, cures, 0.7)


def _apart(record: Record) -> int:
    """Updates between the first and the last of the samples that must agree."""
    return record.samples[-1].step - record.samples[-_LATER].step


def _closed(record: Record, link: Link) -> dict[str, Any] | None:
    """Nothing comes through this layer, nothing goes back, and nothing passes beside it."""
    reading, spread = link.reading, last_spread(record, record.samples[-1].readings)
    if spread is not None and spread >= BLANK:
        return None
    if (reading.dead or 0.0) < 1.0 or reading.zeros != 1.0 or reading.weight_grad:
        return None
    return {"signal": 0.0, "weight_gradient": 0.0}


def _killed(record: Record, name: str) -> float | None:
    """Share of dead units at the start, where most were alive then: something in the training has killed them."""
    start = next((one for one in record.samples[0].readings if one.layer == name), None)
    if record.probes is not None or start is None or start.dead is None or start.dead > MOST:
        return None
    return start.dead


RULE = Rule("L305", "dead-units", judge)
