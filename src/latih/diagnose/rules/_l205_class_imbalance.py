"""L205: one class is so common that saying it always is nearly right."""

from __future__ import annotations

import math

from latih.watch import Batch, Record

from .._base import Finding, NotApplicable, Rule
from .._progress import ENOUGH, Curve
from .._trouble import learns_well

COMMON = 0.9
"""Share of the most common class."""
FOUND = 0.5
"""Share of the other classes' examples that the network gets right."""
_EXACT = 100
_HALF = 0.5
SURE = 0.05
"""Probability, if half of them were found, of as few as were."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """An average over examples weighs classes by how often they come, and so does its gradient.

    Symptom: the most common class has 90 % or more. Second signal: over the later half of the sampled batches the
    network surely answers fewer than half of the other classes' examples rightly, by its largest output or the right
    side of one half (binomial test, 5 %), after 48 updates at least: at first every network finds the common class
    alone. Where classes are weighted, or the rare ones are found, it is at most an info; so it is where each example
    has several labels, of which few apply by nature, while more than half of the best constant's loss is gone or
    the loss still falls.
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
    if share < COMMON:
        return []
    found, seen = _found(batches[len(batches) // 2 :], common)
    early = len(record.losses) < 2 * ENOUGH
    missed = _so_few(found, seen) <= SURE and not (record.loss.weighted or early or learns_well(record))
    missed = missed and not _many_questions(record)
    evidence = {"most common class": common, "its share": share, "threshold": COMMON}
    if seen:
        evidence |= {"share of the others found": found / seen, "of": seen, "threshold of those": FOUND}
    return [
        Finding(
            "L205",
            "class-imbalance",
            "warning" if missed else "info",
            "targets",
            evidence,
            f"{share:.1%} of the examples are of class {common}"
            + (f", and of the others the network finds {found / seen:.0%}." if missed else "."),
            "weight = len(y) / (classes * torch.bincount(y)); loss = nn.CrossEntropyLoss(weight=weight)",
            ("class_weights",),
            weight=1.8,
        )
    ]


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


def _found(batches: list[Batch], common: int) -> tuple[int, int]:
    told = [batch for batch in batches if batch.right or len(batch.classes) > 1]
    seen = sum(count for one in told for label, count in one.classes.items() if label not in (common, -100))
    right = sum(count for one in told for label, count in one.right.items() if label != common)
    return right, (seen if any(one.right for one in told) else 0)


RULE = Rule("L205", "class-imbalance", judge)
