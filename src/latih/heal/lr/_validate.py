"""Candidates proven by training: the same weights, batches and random numbers, judged on the same held-out examples."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import stdev

from latih.schedules import constant

from ._batches import Batches
from ._curve import Curve
from ._stage import Stage, mean

_APART = 10**0.5
_JUDGED_AT = (0.7, 0.8, 0.9, 1.0)
"""Shares of the updates after which a run is judged; a single moment would be luck."""
_MOST_TRIALS = 6
_LONGER, _FINAL = 5, 4
"""Times the usual length: where nothing learns, and where two rates come near each other."""
_TIE = 0.03
"""Of the whole gain: what lies further apart is no tie, however noisy."""
_CLIFF, _NEARLY = 0.5, 0.8
"""Of the whole gain: what is left of it beyond a cliff, and what a safer rate must reach."""


@dataclass(frozen=True)
class Candidate:
    """One rate and what a short training with it came to."""

    lr: float
    loss: float
    """Held-out loss towards the end of the run; infinite where the run diverged."""
    updates: int
    parts: tuple[float, ...] = ()
    """The same of each part of the held-out examples: comparisons are made part by part."""

    @property
    def finite(self) -> bool:
        """Whether the run came to an end."""
        return math.isfinite(self.loss)


def rounded(rate: float) -> float:
    """To two digits, so that what is suggested is what was tried.

    >>> rounded(0.031622)
    0.032
    """
    return float(f"{rate:.1e}")


@dataclass(frozen=True)
class Trials:
    """What was tried, and what came of it."""

    candidates: tuple[Candidate, ...]
    """By rate, smallest first."""
    best: Candidate | None
    """None where no rate makes the held-out loss fall beyond noise."""
    start: tuple[float, ...]
    """Losses of the held-out parts before the first update."""
    updates: int
    finals: tuple[Candidate, ...] = ()
    """Longer runs of the best and the rate below it, where that came near."""


def validate(stage: Stage, batches: Batches, curve: Curve, ends: tuple[float, float], updates: int) -> Trials:
    """Train for `updates` at half a decade below the curve's lowest point, at a whole one, at one and a half.

    Where the best lies at the edge of what was tried, the next rate is tried as well. Where nothing learns, as deep
    networks without norm do at first, runs of five times the length decide from the lowest point on.
    """
    assert curve.lowest is not None
    start = tuple(stage.untrained(batches))
    for length, powers in ((updates, (1, 2, 3)), (_LONGER * updates, (0, 1, 2))):
        rates = [rounded(curve.lowest / _APART**power) for power in powers]
        rates = [rate for rate in rates if ends[0] <= rate <= ends[1]] or [curve.lowest]
        tried = {rate: run_candidate(stage, batches, rate, length) for rate in rates}
        while (rate := _next(tried, start)) is not None and ends[0] <= rate <= ends[1]:
            tried[rate] = run_candidate(stage, batches, rate, length)
        found = tuple(sorted(tried.values(), key=lambda one: one.lr))
        best = choose(found, start)
        if best is not None and _gains(start, best):
            finals = _finals(stage, batches, found, best, start) if length == updates else ()
            return Trials(found, _leader(finals, start) or best, start, length, finals)
    return Trials(found, None, start, length)


def _finals(
    stage: Stage, batches: Batches, found: Sequence[Candidate], best: Candidate, start: Sequence[float]
) -> tuple[Candidate, ...]:
    """A short run flatters a rate that is fast but cannot settle: longer ones decide."""
    below = max((one for one in found if one.lr < best.lr), key=lambda one: one.lr, default=None)
    if below is None or not _gain(below, start) >= _NEARLY * _gain(best, start):
        return ()
    return tuple(run_candidate(stage, batches, one.lr, _FINAL * best.updates) for one in (below, best))


def _next(tried: Mapping[float, Candidate], start: Sequence[float]) -> float | None:
    """The rate beyond the edge at which the best lies."""
    best = _leader(list(tried.values()), start)
    if len(tried) >= _MOST_TRIALS:
        return None
    if best is None or best.lr == min(tried):
        return rounded(min(tried) / _APART)
    return rounded(max(tried) * _APART) if best.lr == max(tried) else None


def run_candidate(stage: Stage, batches: Batches, lr: float, updates: int) -> Candidate:
    """A short training at `lr`; it ends early where its loss is no longer finite."""
    moments = {max(round(updates * share), 1) for share in _JUDGED_AT}
    seen = []
    with stage.run(lr, constant()) as step:
        for number, pair in zip(range(1, updates + 1), batches.endless(), strict=False):
            if not math.isfinite(stage.update(step, pair)):
                return Candidate(lr, math.inf, number)
            if number in moments:
                seen.append(stage.evaluate(step, batches.held))
    parts = tuple(sum(one) / len(one) for one in zip(*seen, strict=True))
    loss = mean(batches.held, parts)
    return Candidate(lr, loss if math.isfinite(loss) else math.inf, updates, parts)


def choose(candidates: Sequence[Candidate], start: Sequence[float]) -> Candidate | None:
    """The lowest loss; of those within one standard error of it, part by part, the largest rate; none before a cliff.

    A rate stands before a cliff where the next one tried loses half of the gain or diverges: other batches or more of
    them may push it over. Then the rate below is taken, if that has nearly the same gain.
    """
    best = _leader(candidates, start)
    if best is None:
        return None
    gain = _gain(best, start)
    below = max((one for one in candidates if one.lr < best.lr), key=lambda one: one.lr, default=None)
    above = min((one for one in candidates if one.lr > best.lr), key=lambda one: one.lr, default=None)
    cliff = above is not None and not _gain(above, start) >= _CLIFF * gain
    return below if cliff and below is not None and _gain(below, start) >= _NEARLY * gain else best


def _leader(candidates: Sequence[Candidate], start: Sequence[float]) -> Candidate | None:
    finite = [one for one in candidates if one.finite]
    if not finite:
        return None
    best = min(finite, key=lambda one: one.loss)
    gain = _gain(best, start)

    def ties(other: Candidate) -> bool:
        behind, error = _difference(other.parts, best.parts)
        return behind <= min(error, _TIE * max(gain, 0.0)) or other is best

    return max(filter(ties, finite), key=lambda one: one.lr)


def _gain(one: Candidate, start: Sequence[float]) -> float:
    return sum(start) / len(start) - sum(one.parts) / len(one.parts) if one.finite else -math.inf


def _gains(start: Sequence[float], best: Candidate) -> bool:
    gained, error = _difference(start, best.parts)
    # before training a loss may be infinite on some part: anything finite is better
    return not math.isfinite(gained) or gained > 2 * error


def _difference(one: Sequence[float], other: Sequence[float]) -> tuple[float, float]:
    """Mean of the paired differences, and its standard error."""
    apart = [a - b for a, b in zip(one, other, strict=True)]
    if not all(map(math.isfinite, apart)):
        return math.inf, 0.0
    return sum(apart) / len(apart), stdev(apart) / math.sqrt(len(apart)) if len(apart) > 1 else 0.0
