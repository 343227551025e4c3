"""L205: one class is so common that saying it always is nearly right."""

from __future__ import annotations

from latih.watch import Batch, Record

from .._base import Finding, NotApplicable, Rule

COMMON = 0.9
"""Share of the most common class."""
FOUND = 0.5
"""Share of the other classes' examples that the network gets right."""
FEWEST = 10
"""Examples of the other classes that must have been seen."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """An average over examples weighs classes by how often they come, and so does its gradient.

    Symptom: the most common class has 90 % or more. Second signal: over the later half of the sampled batches the
    network answers fewer than half of the other classes' examples rightly (at least 10 seen), by its largest output
    or the right side of one half. Where classes are weighted, or the rare ones are found, it is at most an info.
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
    missed = seen >= FEWEST and found < FOUND and not record.loss.weighted
    evidence = {"most common class": common, "its share": share, "threshold": COMMON}
    if seen:
        evidence |= {"share of the others found": found, "of": seen, "threshold of those": FOUND}
    return [
        Finding(
            "L205",
            "class-imbalance",
            "warning" if missed else "info",
            "targets",
            evidence,
            f"{share:.1%} of the examples are of class {common}"
            + (f", and of the others the network finds {found:.0%}." if missed else "."),
            "weight = len(y) / (classes * torch.bincount(y)); loss = nn.CrossEntropyLoss(weight=weight)",
            ("class_weights",),
            weight=1.8,
        )
    ]


def _found(batches: list[Batch], common: int) -> tuple[float, int]:
    told = [batch for batch in batches if batch.right or len(batch.classes) > 1]
    seen = sum(count for one in told for label, count in one.classes.items() if label not in (common, -100))
    right = sum(count for one in told for label, count in one.right.items() if label != common)
    return (right / seen if seen else 1.0), (seen if any(one.right for one in told) else 0)


RULE = Rule("L205", "class-imbalance", judge)
