"""L304 saturated-units: sigmoid or tanh units that sit on the flat part."""

from __future__ import annotations

from typing import Any

from latih.watch import Record, Sample

from .._base import Finding, NotApplicable, Rule
from .._chain import CONSEQUENCE, Link, chain, raw_inputs
from .._stuck import FAR, learned, lowest, stuck, unlearned
from .._trouble import WELL, trouble

MOST = 0.5
"""Share of a layer's values on the flat part."""
NEARLY_ALL = 0.9
LOUD = 3.0
"""Times the deviation of weights that the rule gives."""
SURE = 1.5
"""Times the best constant output's loss at which a saturated output is sure and wrong."""
HALF = 0.5
"""Share of the best constant output's loss that a run with a saturated output keeps for good."""
LONG = 96
"""Updates after which a run should have learned well."""
_BOUNDED = ("sigmoid", "tanh", "hardtanh", "hardsigmoid", "softsign")
_SQUARED = ("mse", "mae", "huber", "smooth_l1")
_EARLY = 2
LATER = 0.6
"""Weight of units that were not saturated when training began: what drove them there says more."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Most units of a bounded function sit where it is flat, and pass no gradient on.

    A value counts as saturated where the slope is below 1 % of the steepest: |z| > 3.0 for tanh, |z| > 6.0 for sigmoid.
    A layer of which more than half is saturated passes on less than half of what it was given, and no gradient to the
    weights of the other half (Glorot and Bengio, 2010, section 3). Trained networks may end there, untrained ones
    must not begin there; so the second signal is a run or a batch that does not learn, or a layer that is 90 %
    saturated from the start and still is, while the user's own optimizer gets no further than a blind network, weights
    three times too large for the function let the loss begin at three times that of the best constant output, or a
    fifth of that loss is left after 96 updates (half of the first loss, on one batch that is fitted).

    The output is looked at only under squared or absolute errors, whose gradient its flat part removes; log losses
    cancel it. Silent on gates and recurrent cells, and inside residual branches.
    """
    if not record.samples:
        return NotApplicable("no activations were seen")
    sample = record.samples[-1]
    links = [one for one in chain(record, sample) if one.layer.activation in _BOUNDED]
    links = [one for one in links if not (one.layer.in_residual or one.layer.recurrent or one.layer.shared)]
    links = [one for one in links if one.reading.out_std is not None]  # not finite: see non-finite-data
    if not links:
        return NotApplicable("no bounded activation function behind a weighted layer")
    hidden = [one for one in links if not one.layer.is_head and (one.reading.saturated or 0.0) > MOST]
    heads = [one for one in links if one.layer.is_head and (one.reading.saturated or 0.0) > MOST]
    return _hidden(record, hidden) or _output(record, heads)


def _hidden(record: Record, links: list[Link]) -> list[Finding]:
    if not links:
        return []
    worst = max(links, key=lambda one: one.reading.saturated or 0.0)
    second = stuck(record)
    if second is None and min(_from_the_start(record, worst.layer.name), worst.reading.saturated or 0.0) > NEARLY_ALL:
        second = unlearned(record) or _loud(record, worst) or _half(record)
    if second is None:
        return []
    share = worst.reading.saturated or 0.0
    why = f"{share:.0%} of the values behind {worst.layer.name} sit where {worst.layer.activation} is flat."
    evidence = {"saturated": share, "at_most": MOST, "input_std": worst.reading.out_std, "layers": len(links), **second}
    advice = (
        "inputs = (inputs - mean) / std  # large inputs saturate the first layer\n"
        "latih.initialize(model, batch, loss)  # weights that are too large saturate every layer"
    )
    cures = ("standardise_inputs", "reinitialise", "insert_norm", "swap_activation")
    # units that the training has saturated, or that raw inputs did, have a cause that is worth saying first
    began = _from_the_start(record, worst.layer.name) > MOST
    weight = 1.5 * (CONSEQUENCE if raw_inputs(record) else 1.0) if began else LATER
    return [_finding(worst, evidence, why, advice, cures, weight)]


def _loud(record: Record, link: Link) -> dict[str, Any] | None:
    """Weights that are too large for the function, and a first loss far above the best constant output's."""
    baseline, floor = record.loss.baseline, record.loss.floor
    first = record.probes.start_loss if record.probes is not None else next(iter(record.losses), None)
    if baseline is None or floor is None or first is None or (link.gain or 0.0) < LOUD:
        return None
    if first - floor < FAR * (baseline - floor):
        return None
    return {"gain": link.gain, "first_loss": first, "best_constant": baseline, "loss_at_most": FAR * (baseline - floor)}


def _half(record: Record) -> dict[str, Any] | None:
    """After a good while, or all steps on one batch, much of the loss is left."""
    if record.probes is not None and not record.losses:
        return trouble(record)
    gain = learned(record)
    if gain is None or gain > WELL or len(record.losses) < LONG:
        return None
    return {"learned": gain, "learned_at_least": WELL}


def _output(record: Record, heads: list[Link]) -> list[Finding]:
    baseline = record.loss.baseline
    if not heads or record.loss.kind not in _SQUARED or baseline is None or not _within_reach(record, heads[0]):
        return []
    second = stuck(record)
    if second is None and record.probes is not None:
        reached, start = lowest(record.probes.fit or record.probes.fit_safe), record.probes.start_loss
        if start is not None and reached is not None and start > SURE * baseline and reached > baseline:
            second = {"loss": start, "best_constant": baseline}
    elif second is None:
        start, gain = next(iter(record.losses), None), learned(record)
        sure = start is not None and start > SURE * baseline and _from_the_start(record, heads[0].layer.name) > MOST
        if sure and gain is not None and gain < HALF:
            second = {"first_loss": start, "best_constant": baseline, "learned": gain, "learned_at_least": HALF}
    if second is None:
        return []
    head = heads[0]
    share = head.reading.saturated or 0.0
    why = f"{share:.0%} of the outputs sit where {head.layer.activation} is flat: sure, wrong, and without a gradient."
    advice = (
        "latih.initialize(model, batch, loss)\nloss = torch.nn.BCEWithLogitsLoss()  # on logits, without the sigmoid"
    )
    evidence = {"saturated": share, "at_most": MOST, **second}
    return [_finding(head, evidence, why, advice, ("reinitialise", "match_loss", "standardise_inputs"))]


def _within_reach(record: Record, head: Link) -> bool:
    """Targets that the function can put out; else it is the function that does not fit."""
    low = -1.0 if head.layer.activation in ("tanh", "hardtanh", "softsign") else 0.0
    targets = record.loss.targets
    return targets is not None and targets.low >= low and targets.high <= 1.0


def _from_the_start(record: Record, name: str) -> float:
    start: Sample = record.samples[0]
    found = [one.saturated for one in start.readings if one.layer == name and one.saturated is not None]
    return found[0] if found and start.step <= _EARLY else 0.0


def _finding(
    link: Link, evidence: dict[str, Any], why: str, advice: str, cures: tuple[str, ...], weight: float = 1.5
) -> Finding:
    return Finding("L304", "saturated-units", "warning", link.layer.name, evidence, why, advice, cures, weight)


RULE = Rule("L304", "saturated-units", judge)
