"""L303 exploding-gradient: gradients that grow from layer to layer, or from update to update."""

from __future__ import annotations

import math
from statistics import median
from typing import Any

from latih.watch import Record, Sample

from .._base import Finding, NotApplicable, Rule
from .._chain import CONSEQUENCE, chain, fall, raw_inputs
from .._movement import Movement
from .._stuck import SOON, far, lost, stuck, unlearned

DEPTH = 1.5
"""Decades by which the gradient grows on its way back through the layers."""
STEADY = 0.5
FEWEST = 4
FORWARD = 3.0
"""Decades by which the signal grows on its way through the layers."""
SPIKE = 1e3
"""Times the usual norm of all gradients."""
LONG = 0.2
"""|update| / |weight| before the jump, from which on the steps had thrown the network there."""
REPEATED = 5.0
"""Times that layers which are applied again and again make the gradient larger."""
_EARLY = 2


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Gradients grow geometrically on their way back, or suddenly by orders of magnitude.

    Through depth: where each layer multiplies the gradient by more than 1, a line through the logarithms of its norms
    over depth rises towards the input; 1.5 decades are more than the chance drift of a well drawn net, whose log
    variance spreads by about sqrt(5·depth/width). Through the forward pass: a signal that grows by 1,000 until the
    output overflows, or the loss is several times the best constant's. Through time: the norm of all gradients jumps
    to 1,000 times its median, as at the cliffs of recurrent networks (Pascanu, Mikolov and Bengio, 2013); where the
    steps were long before, they come first. The second signal: the loss is lost, stays several times above the best
    constant's, or does not learn.

    Silent where inputs or targets are not finite (`non-finite-data`), and inside residual branches.
    """
    if not record.samples:
        return NotApplicable("no gradients were seen")
    start = record.samples[0]
    found = _backward(record, start) if start.step <= _EARLY else None
    found = found or _forward(record, start) or _again_and_again(record, start) or _spikes(record)
    if found is None:
        return []
    evidence, why, weight = found
    second = lost(record) or far(record, SOON) or stuck(record) or unlearned(record)
    if second is None:
        return []
    weight *= CONSEQUENCE if raw_inputs(record) else 1.0
    where = str(evidence.pop("where", ""))
    advice = (
        "latih.initialize(model, batch, loss)\n"
        "torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)  # between backward() and step()"
    )
    cures = ("reinitialise", "swap_activation", "clip", "insert_norm", "lower_lr")
    return [Finding("L303", "exploding-gradient", "error", where, {**evidence, **second}, why, advice, cures, weight)]


Symptom = tuple[dict[str, Any], str, float]


def _backward(record: Record, sample: Sample) -> Symptom | None:
    links = [one for one in chain(record, sample) if not (one.layer.in_residual or one.layer.shared)]
    links = [one for one in links if one.reading.grad_norm is not None and one.reading.grad_norm > 0]
    if len(links) < FEWEST:
        return None
    norms = [one.reading.grad_norm or 0.0 for one in links]
    decades, steady = fall(norms)
    if -decades < DEPTH or steady < STEADY or norms[0] < norms[-1]:
        return None
    growth = norms[0] / norms[-1]
    evidence = {"where": links[0].layer.name, "first_over_last": growth, "at_most": 10**DEPTH, "layers": len(links)}
    return evidence, f"On its way back through {len(links)} layers the gradient grows {growth:.2g} times.", 1.4


def _again_and_again(record: Record, sample: Sample) -> Symptom | None:
    """Through layers that are applied several times, as the steps of a differential equation."""
    links = [one for one in chain(record, sample) if one.reading.grad_norm]
    shared = [place for place, one in enumerate(links) if one.layer.shared]
    if sample.step > _EARLY or not shared or shared[0] == 0 or shared[-1] + 1 == len(links):
        return None
    before, after = links[shared[0] - 1], links[shared[-1] + 1]
    growth = (before.reading.grad_norm or 0.0) / (after.reading.grad_norm or 1.0)
    if growth < REPEATED:
        return None
    evidence = {"where": links[shared[0]].layer.name, "before_over_behind": growth, "at_most": REPEATED}
    return (
        evidence,
        f"On its way back through layers that are applied again and again the gradient grows {growth:.2g} times.",
        1.3,
    )


def _forward(record: Record, sample: Sample) -> Symptom | None:
    if record.inputs is not None and record.inputs.non_finite > 0:
        return None
    origin = record.origin
    lost_inside = origin is not None and origin.layer != "loss" and origin.step <= _EARLY
    if sample.step > _EARLY or not (lost_inside or far(record, SOON)):
        return None
    sizes = [one.reading.out_std for one in chain(record, sample) if one.reading.out_std]
    if len(sizes) < 2 or math.log10(max(sizes[1:]) / sizes[0]) < FORWARD:
        return None
    growth = max(sizes[1:]) / sizes[0]
    evidence = {"where": origin.layer if origin else "", "signal_grows": growth, "at_most": 10**FORWARD}
    return evidence, f"The signal grows {growth:.2g} times from layer to layer until nothing finite is left.", 1.5


def _spikes(record: Record) -> Symptom | None:
    norms = [(one.step, one.grad_norm) for one in record.samples if one.grad_norm]
    if len(norms) < 3:
        return None
    usual = median(norm for _, norm in norms[: max(len(norms) // 2, 2)])
    step, peak = max(norms, key=lambda one: one[1])
    if peak < SPIKE * usual:
        return None
    movement = Movement.of(record)
    before = [ratio for at, ratio in zip(movement.steps, movement.ratios, strict=True) if at < step]
    recurrent = any(one.recurrent or one.shared or one.kind in ("rnn", "lstm", "gru") for one in record.layers)
    evidence = {"gradient_norm": peak, "usually": usual, "at_most": SPIKE * usual, "step": step}
    why = f"At update {step} the gradient is {peak / usual:.2g} times as large as usual."
    return evidence, why, 0.4 if max(before, default=0.0) >= LONG else 1.2 if recurrent else 0.5


RULE = Rule("L303", "exploding-gradient", judge)
