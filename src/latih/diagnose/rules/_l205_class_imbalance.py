"""L205: one class is so common that saying it always is nearly right."""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Batch, Record

from .._base import Finding, NotApplicable, Rule, Severity
from .._progress import ENOUGH, Curve
from .._trouble import learns_well

COMMON = 0.9
"""Share of the most common class."""
RARE = 1 / 3
"""Of an equal share, below which a class is rare."""
FOUND = 0.5
"""Share of the rare classes' examples that the network gets right."""
HEAVIER = 2.0
"""Times the weight of a rare class that the most common one may have."""
_EXACT = 100
_HALF = 0.5
SURE = 0.05
"""Probability, if half of them were found, of as few as were."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """An average over examples weighs classes by how often they come, and so does its gradient.

    Symptom: the most common class has 90 % or more, or others have less than a third of an equal share. Second signal:
    over the later half of the sampled batches the network surely answers fewer than half of the rare classes' examples
    rightly, by its largest output or the right side of one half (binomial test, 5 %), after 48 updates at least: at
    first every network finds the common class alone. Where no class has 90 %, the common ones must be found, and the
    loss must have stopped falling. Where classes are weighted, or the rare ones are found, it is at most an info; so
    it is where each example has several labels, of which few apply by nature, while more than half of the best
    constant's loss is gone or the loss still falls. Weights that are larger for the most common class than for the
    rare ones are the wrong way round: a warning at once.
    """
    batches = [one for one in record.loss.batches if one.classes]
    if not batches:
        return NotApplicable("targets are not classes, or were not seen")
    counts: dict[int, int] = {}
    for batch in batches:
        for label, count in batch.classes.items():
            if label >= 0:
                counts[label] = counts.get(label, 0) + count
    total = sum(counts.values())
    if len(counts) < 2 or not total:
        return []
    common = max(counts, key=lambda label: counts[label])
    share = counts[common] / total
    rare = _rare(record, counts, common, share)
    if not rare:
        return []
    if record.loss.class_weights and (heavy := _upside_down(record.loss.class_weights, common, rare)) is not None:
        return [_reversed(common, share, heavy)]
    found, seen = _found(batches[len(batches) // 2 :], rare)
    early = len(record.losses) < 2 * ENOUGH
    missed = _so_few(found, seen) <= SURE and not (record.loss.weighted or early or learns_well(record))
    missed = missed and not _many_questions(record)
    if share < COMMON:
        missed = missed and _others_are_found(record, batches, rare)
        if not missed:
            return []
    evidence = {"most common class": common, "its share": share, "threshold": COMMON if share >= COMMON else RARE}
    if seen:
        evidence |= {"share of the others found": found / seen, "of": seen, "threshold of those": FOUND}
    return [_finding(common, share, found, seen, "warning" if missed else "info", evidence)]


def _finding(common: int, share: float, found: int, seen: int, severity: Severity, evidence: dict[str, Any]) -> Finding:
    nearly_all = share >= COMMON
    others = (
        f", and of the {'others' if nearly_all else 'rare ones'} the network finds {found / seen:.0%}" if seen else ""
    )
    return Finding(
        "L205",
        "class-imbalance",
        severity,
        "targets",
        evidence,
        f"{share:.1%} of the examples are of class {common}{others}.",
        "weight = len(y) / (classes * torch.bincount(y)); loss = nn.CrossEntropyLoss(weight=weight)",
        ("class_weights",),
        weight=1.8 if nearly_all else 0.6,
    )


def _reversed(common: int, share: float, heavy: float) -> Finding:
    return Finding(
        "L205",
        "class-imbalance",
        "warning",
        "targets",
        {"most common class": common, "its share": share, "its weight over a rare one's": heavy, "threshold": HEAVIER},
        f"Class {common} has {share:.1%} of the examples and {heavy:.3g} times the weight of a rare one, which is then "
        "not heard at all.",
        "weight = len(y) / (classes * torch.bincount(y)); loss = nn.CrossEntropyLoss(weight=weight)",
        ("turn_weights",),
        weight=2.2,
    )


def _rare(record: Record, counts: dict[int, int], common: int, share: float) -> set[int]:
    """All but the common class where that is nearly all there is, else those far below an equal share.

    The symbols of a text are rare by nature, so that counts only where an example has one answer.
    """
    if share >= COMMON:
        return set(counts) - {common}
    if record.loss.target_shape != (record.batch_size,):
        return set()
    fair = sum(counts.values()) / len(counts)
    return {label for label, count in counts.items() if count < RARE * fair}


def _upside_down(weights: list[float], common: int, rare: set[int]) -> float | None:
    """How many times heavier the common class is than the heaviest rare one; None where it is not."""
    if not 0 <= common < len(weights) or max(rare) >= len(weights):
        return None
    heaviest = max(weights[label] for label in rare)
    times = weights[common] / heaviest if heaviest > 0 else math.inf
    return times if times > HEAVIER else None


def _others_are_found(record: Record, batches: list[Batch], rare: set[int]) -> bool:
    """The loss has stopped falling, and of the classes that are not rare the network finds most."""
    curve = Curve.of(record)
    if not (record.ended or curve.falling < 3):
        return False
    later = batches[len(batches) // 2 :]
    found, seen = _found(later, {label for one in later for label in one.classes} - rare)
    return seen > 0 and found > FOUND * seen


def _so_few(found: int, seen: int) -> float:
    """Probability of at most `found` among `seen`, each with probability one half."""
    if seen <= _EXACT:
        return sum(math.comb(seen, count) for count in range(found + 1)) * 0.5**seen
    return math.erfc((seen / 2 - found - 0.5) / math.sqrt(seen / 2)) / 2


def _many_questions(record: Record) -> bool:
    """Each example answers several, of which most are no by nature, and half of the loss is gone or on its way."""
    several = len(record.loss.target_shape) == 2 and record.loss.target_shape[1] > 1
    curve = Curve.of(record)
    if not several or curve.gain is None:
        return False
    still = curve.falling > 3 or len(curve) < 4 * ENOUGH
    return curve.gain > _HALF or (curve.learns is not False and still and not record.ended)


def _found(batches: list[Batch], wanted: set[int]) -> tuple[int, int]:
    """How many examples of the `wanted` classes were answered rightly, and how many there were."""
    told = [batch for batch in batches if batch.right or len(batch.classes) > 1]
    seen = sum(count for one in told for label, count in one.classes.items() if label in wanted)
    right = sum(count for one in told for label, count in one.right.items() if label in wanted)
    return right, (seen if any(one.right for one in told) else 0)


RULE = Rule("L205", "class-imbalance", judge)
