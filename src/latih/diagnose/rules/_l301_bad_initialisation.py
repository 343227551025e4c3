"""L301 bad-initialisation: weights that start too small, too large, or all alike."""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._chain import Link, chain
from .._starts import embedded, nothing, recurrent
from .._stuck import SOON, far, lost, stuck, unlearned, wasted

DRIFT = 2.0
"""Decades by which the weights together shrink or grow the signal."""
HOPELESS = 6.0
"""Decades after which the signal is below what float32 adds up: no safe step has to prove it."""
LOUD = 3.0
"""Times the rule's deviation, in one layer of a residual branch."""
PATIENCE = 96
"""Updates in which a run may get over a start at which between a hundredth and a thousandth of the signal arrives."""
GROWTH = 100.0
ALIKE = 1e-4
"""Deviation between units, of that over everything, below which they are copies."""
_EARLY = 2
_ADVICE = "latih.initialize(model, batch, loss)  # the rule that fits each activation"


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Weights start so that the signal is lost, explodes, or is the same in every unit.

    A layer multiplies the deviation of a signal by g = rms(w)·sqrt(fan_in)/c, where c is what the function behind it
    wants: sqrt(2/(1 + slope²)) for rectifiers (He et al., 2015), 1 for tanh, sigmoid and selu (Glorot and Bengio, 2010;
    LeCun et al., 1998). One layer off by 3 is harmless, fifteen are not: judged is the product over the layers that no
    norm rescales and no skip bypasses, D = Σ log10 g. Below -2 a hundredth of the signal arrives; above 2 a hundred
    times as much. Half of what was measured as lost must be explained by D, or the function is to blame (sigmoids let
    a quarter pass), which is `vanishing-gradient`. The second signal: the run or the batch does not learn; for D below
    -6 the user's own optimizer must fail on the batch; too large weights must keep the loss far above the best
    constant's, or lose it.

    All weights of a layer equal: its units compute the same and get the same gradient, for ever (Goodfellow et al.,
    2016, section 8.4); found where the signal's effective rank is that of one unit.

    Further: a matrix that a recurrent layer applies at every step, three times larger than what keeps its state (1.5
    times with relu); embeddings of a deviation above ten; factors that both begin at zero.

    Silent on heads (see `loss-at-start`), on zeros at the end of residual branches, behind norms, and
    where the weights were not seen within the first updates.
    """
    if not record.samples or record.samples[0].step > _EARLY:
        return NotApplicable("the weights were not seen at the start")
    start = record.samples[0]
    hidden = [one for one in chain(record, start) if not one.layer.is_head and one.reading.weight_std is not None]
    found = nothing(record) or recurrent(record, start) or embedded(record, start)
    if found:
        return [_found(*found)]
    if not hidden:
        return NotApplicable("no hidden layer was read")
    return _alike(record, hidden) or _small(record, hidden) or _large(record, hidden)


def _alike(record: Record, hidden: list[Link]) -> list[Finding]:
    equal = [one for one in hidden if not one.layer.in_residual and _is_constant(one) and one.layer.elements > 1]
    if not equal:
        return []
    one = equal[0]
    units = _units(record, one)
    second: dict[str, Any] | None = {"units_that_differ": units, "of": one.layer.fan_out} if units is not None else None
    second = second or _copies(record, one, [link.layer.name for link in equal]) or stuck(record) or unlearned(record)
    if second is None:
        return []
    value = "zero" if not one.reading.weight_norm else "the same number"
    evidence = {"weight_std": one.reading.weight_std, "layers": len(equal), **second}
    name = one.layer.name or one.layer.parameter
    why = f"All weights of {name} start at {value}, so its units compute the same and stay alike."
    return [_finding(one, evidence, why)]


def _copies(record: Record, link: Link, equal: list[str]) -> dict[str, Any] | None:
    """Units that put out the same, and are asked for the same by a layer behind whose weights are equal too."""
    behind = [one.name for one in record.layers if link.layer.name in one.inputs]
    read = {one.layer: one.unit_spread for one in record.samples[0].readings}
    heads = {one.layer.name for one in chain(record, record.samples[0]) if one.layer.is_head and _is_constant(one)}
    spread = read.get(link.layer.name)
    if spread is None or spread > ALIKE or not behind or not set(behind) <= heads | set(equal):
        return None
    return {"difference of units": spread, "at_least": ALIKE}


def _units(record: Record, link: Link) -> float | None:
    """How many units differ, if it is no more than one of several."""
    reading = next((one for one in record.samples[-1].readings if one.layer == link.layer.name), None)
    most = min(63, record.batch_size - 1, link.layer.fan_out)
    if reading is None or reading.rank is None or most < 3:
        return None
    return 1.0 if reading.rank * most < 1.02 else None


def _is_constant(link: Link) -> bool:
    reading = link.reading
    size = (reading.weight_norm or 0.0) / math.sqrt(max(link.layer.elements, 1))
    return (reading.weight_std or 0.0) <= 1e-6 * size


def _small(record: Record, hidden: list[Link]) -> list[Finding]:
    plain = [one for one in hidden if one.plain and one.gain]
    if len(plain) < 2:
        return []
    drift = _decades(plain)
    measured = _measured(plain) + math.log10(plain[0].gain or 1.0)
    if drift > -DRIFT or (measured < 0 and drift > 0.5 * measured) or (len(plain) > 2 and measured > 0.25 * drift):
        return []
    soon = drift > -DRIFT - 1 and record.losses and len(record.losses) < PATIENCE
    second = None if soon else stuck(record) or (unlearned(record) if drift < -HOPELESS else None)
    if second is None:
        return []
    worst = min(plain, key=lambda one: one.gain or 1.0)
    evidence = {"signal_kept": 10**drift, "at_least": 10**-DRIFT, "gain": worst.gain, "layers": len(plain), **second}
    why = (
        f"Weights are {1 / (worst.gain or 1.0):.2g} times too small for {worst.layer.activation}, and over "
        f"{len(plain)} layers only {10**drift:.1g} of the signal is left."
    )
    return [_finding(worst, evidence, why)]


def _large(record: Record, hidden: list[Link]) -> list[Finding]:
    plain = [one for one in hidden if one.plain and one.gain]
    drift = _decades(plain)
    branch = [one for one in hidden if one.layer.in_residual and not one.normed and (one.gain or 0.0) > LOUD]
    growth = _growth(hidden) if branch else 0.0
    if drift < DRIFT and growth < GROWTH:
        return []
    second = far(record, SOON) or lost(record) or stuck(record) or wasted(record)
    if second is None:
        return []
    worst = max(plain if drift >= DRIFT else branch, key=lambda one: one.gain or 0.0)
    total = 10**drift if drift >= DRIFT else growth
    evidence = {"signal_grows": total, "at_most": GROWTH, "gain": worst.gain, "layers": len(plain or branch), **second}
    why = (
        f"Weights are {worst.gain:.2g} times too large for {worst.layer.activation}, and the layers together "
        f"multiply the signal by {total:.1g}."
    )
    return [_finding(worst, evidence, why)]


def _decades(links: list[Link]) -> float:
    return sum(math.log10(one.gain) for one in links if one.gain)


def _measured(links: list[Link]) -> float:
    """Decades that the deviation over examples really lost from the first to the last of the layers."""
    sizes = [
        one.reading.std * one.reading.alive_spread
        for one in links
        if one.reading.std is not None and one.reading.alive_spread is not None
    ]
    if len(sizes) < 2 or not sizes[0] > 0:
        return 0.0
    return math.log10(max(sizes[-1], 1e-30) / sizes[0])


def _growth(links: list[Link]) -> float:
    sizes = [one.reading.out_std for one in links if one.reading.out_std]
    return sizes[-1] / sizes[0] if len(sizes) > 1 else 0.0


def _finding(link: Link, evidence: dict[str, Any], why: str) -> Finding:
    return _found(link.layer.name or link.layer.parameter, evidence, why)


def _found(where: str, evidence: dict[str, Any], why: str) -> Finding:
    return Finding(
        "L301", "bad-initialisation", "error", where, evidence, why, _ADVICE, ("reinitialise", "insert_norm"), 1.8
    )


RULE = Rule("L301", "bad-initialisation", judge)
