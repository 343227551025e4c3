"""L302 vanishing-gradient: what the first layers hear of the loss is nothing."""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Record, Sample

from .._base import Finding, NotApplicable, Rule
from .._chain import Link, chain, fall
from .._progress import Curve
from .._stuck import learned, stuck, unlearned

SHARE = 1e-3
"""Of the head's gradient that arrives at the first layer."""
ROUNDING = 1e-7
"""Of float32: below, a gradient is lost among the rounding errors of those behind it."""
STEADY = 0.5
"""Share of the variation of log gradients that one slope explains."""
FEWEST = 4
OVER_TIME = 1e-10
PATIENCE = 100
"""Updates after which a recurrent network that forgets must be better than a constant."""
LITTLE = 0.1
"""Share of the constant's loss that is surely not gone."""
LATER = 0.6
"""Weight of gradients that were there when training began: what ended them says more."""
_EARLY = 2
HALF = 0.5
"""Share of the best constant's loss that a run without memory may get rid of."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Gradients shrink from layer to layer on their way back, until the first layers no longer move.

    Backpropagation multiplies by Wᵀ·diag(f') in every layer: the norm of the gradient with respect to what a layer
    puts out falls geometrically where the mean factor is below 1, as with sigmoids, whose slope is at most 1/4
    (Hochreiter, 1991; Glorot and Bengio, 2010). Norms over the whole output are compared, which layers of any width
    and pooling pass on; a line through their logarithms over depth must explain half of the variation and fall by
    1,000 from the head to the first layer, which is an update a thousand times too small under SGD. The second
    signal: the run or the batch does not learn. Where less than 1e-7 arrives, float32 adds it up among rounding
    errors, and then it is enough that the user's own optimizer gets no further on one batch than a blind network.

    For a network that uses a weight once a time step, the gradient at the first step is compared with the head's
    (below 1e-10), and the run must not learn, or keep more than half of the best constant output's loss: short memories
    may be all that a task needs.

    A recurrent layer of one matrix multiplies its state by it at every step: the largest factor is deviation times
    sqrt(units) (Girko's circular law), 0.58 by torch's default, and the slope of its function only lowers it. Where
    so many steps leave less than 1e-7 of the first one, 100 updates have to come no further than a constant.

    Where gradients arrived when training began and no longer do, training has ended that: the finding steps back.

    Of residual branches the ends count, which carry the gradient of the stream. Silent below four layers in a row.
    """
    if not record.samples:
        return NotApplicable("no gradients were seen")
    seen = [_through_depth(record, one) or _through_time(record, one) for one in _looked_at(record)]
    found = [one for one in seen if one is not None]
    forgets = _forgets(record)
    if not found and forgets is not None:
        return [_finding(*forgets, 0.6)]
    if not found:
        return [] if chain(record, record.samples[0]) else NotApplicable("no layers in a row were read")
    where, evidence, why, hopeless = found[0]
    second = stuck(record) or (unlearned(record) if hopeless else None)
    if second is None and not (hopeless and record.probes is None and "learned" in evidence):
        return []
    ended = seen[0] is None and record.samples[0].step <= _EARLY
    return [_finding(where, {**evidence, **(second or {})}, why, LATER if ended else 1.3)]


def _finding(where: str, evidence: dict[str, Any], why: str, weight: float) -> Finding:
    advice = (
        "model = latih.activations.swap(model, 'relu')  # or latih.norm surgery: batch norm before each activation\n"
        "latih.initialize(model, batch, loss)"
    )
    cures = ("swap_activation", "reinitialise", "insert_norm", "add_skips")
    return Finding("L302", "vanishing-gradient", "error", where, evidence, why, advice, cures, weight)


def _forgets(record: Record) -> Forgotten | None:
    """A recurrent matrix that leaves nothing of the first steps, in a run that knows no more than a constant."""
    curve, inputs = Curve.of(record), record.inputs
    if record.probes is not None or len(curve) < PATIENCE or curve.learns is not False or inputs is None:
        return None
    if sum(curve.recent) > LITTLE or record.samples[0].step > _EARLY:
        return None
    steps = _steps(inputs.shape, record.batch_size)
    read = {one.layer: one for one in record.samples[0].readings}
    for layer in record.layers:
        reading = read.get(layer.name)
        if layer.kind != "rnn" or not layer.recurrent or reading is None or not reading.weight_std:
            continue
        factor = reading.weight_std * math.sqrt(layer.fan_in)
        if steps * math.log10(factor) < math.log10(ROUNDING):
            evidence = {"factor_a_step": factor, "steps": steps, "share_left": factor**steps, "at_least": ROUNDING}
            evidence |= {"loss": curve.level, "best_constant": curve.baseline, "updates": len(curve)}
            why = (
                f"{layer.name} keeps {factor:.2g} of its state a step: over {steps} steps nothing is left of the first."
            )
            return layer.name, evidence, why
    return None


def _steps(shape: tuple[int, ...], batch_size: int) -> int:
    """Time steps of (batch, time), (batch, time, features) or (time, batch, features)."""
    sizes = list(shape[:2])
    if len(sizes) > 1 and batch_size in sizes:
        sizes.remove(batch_size)
    return sizes[-1] if len(shape) > 1 else 0


def _looked_at(record: Record) -> list[Sample]:
    """The first sample, where the cause is best seen, and the last one."""
    return record.samples[:1] + record.samples[-1:]


Symptom = tuple[str, dict[str, Any], str, bool]
Forgotten = tuple[str, dict[str, Any], str]


def _through_depth(record: Record, sample: Sample) -> Symptom | None:
    # what the end of a branch puts out is added to the stream, so its gradient is the stream's
    links = [one for one in chain(record, sample) if not one.layer.in_residual or "add" in one.layer.between]
    links = [one for one in links if not one.layer.shared]
    links = [one for one in links if one.reading.grad_norm is not None and one.reading.grad_norm > 0]
    if len(links) < FEWEST:
        return None
    norms = [one.reading.grad_norm or 0.0 for one in links]
    decades, steady = fall(norms)
    share = norms[0] / norms[-1]
    if share > SHARE or 10**-decades > SHARE or steady < STEADY:
        return None
    first, last = _name(links[0]), _name(links[-1])
    evidence = {
        "first_over_last": share,
        "at_least": SHARE,
        "factor_a_layer": 10 ** (-decades / (len(links) - 1)),
        "layers": len(links),
        "step": sample.step,
    }
    why = f"Of the gradient at {last} only {share:.1g} arrives at {first}, {len(links) - 1} layers below."
    return first, evidence, why, share < ROUNDING


def _through_time(record: Record, sample: Sample) -> Symptom | None:
    links = chain(record, sample)
    shared = [one for one in links if one.layer.shared and not one.layer.is_head and one.reading.grad_norm]
    heads = [one.reading.grad_norm for one in links if one.layer.is_head and one.reading.grad_norm]
    if not shared or not heads:
        return None
    first = max(shared, key=lambda one: one.reading.grad_norm or 0.0)
    share = (first.reading.grad_norm or 0.0) / max(heads)
    if share > OVER_TIME:
        return None
    gain = learned(record)
    evidence = {"first_step_over_head": share, "at_least": OVER_TIME, "step": sample.step}
    evidence |= {} if gain is None else {"learned": gain, "learned_at_least": HALF}
    why = f"Of the gradient at the head only {share:.1g} arrives at the first time step of {_name(first)}."
    return _name(first), evidence, why, record.probes is not None or (gain is not None and gain < HALF)


def _name(link: Link) -> str:
    return link.layer.name or link.layer.parameter


RULE = Rule("L302", "vanishing-gradient", judge)
