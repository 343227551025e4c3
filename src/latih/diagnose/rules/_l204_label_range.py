"""L204: labels that the loss does not know."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from latih.watch import Loss, Record

from .._base import Finding, NotApplicable, Rule

_CLASSES = frozenset(("cross_entropy", "nll"))
_BINARY = frozenset(("binary_cross_entropy", "bce_with_logits"))
IGNORED = 0.05
"""Share of examples without a class that the loss skips."""
ENOUGH = 10
"""Examples a class after which a class that was never seen is missing, not rare."""
MOST = 100
"""Classes up to which a missing one is noticed: vocabularies have words that never come."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Cross-entropy over C outputs knows the classes 0 to C - 1; binary losses know targets from 0 to 1.

    - Binary: with a target t outside [0, 1] the loss -t log p - (1 - t) log(1 - p) has no lower bound, so it is
      an error whatever the run looks like.
    - Classes below 0 (but the ignored -100) or from C on: an error.
    - Counted from one: class 0 is never seen, all of 1 to C - 1 are, and there are ten examples a class: the first
      output is never right. Only where each example has one label.
    - Lost classes: more than 5 % of the examples carry the ignored label, and outputs exist whose class never comes:
      what should have been their label has become "skip me". Ignored positions of sequences and images are usual.
    """
    loss = record.loss
    if loss.kind not in _CLASSES | _BINARY or loss.targets is None:
        return NotApplicable("targets are not classes, or were not seen")
    found = next(_cases(loss), None)
    if found is None:
        return []
    severity, evidence, why, advice = found
    return [Finding("L204", "label-range", severity, "targets", evidence, why, advice, ("relabel",), weight=3.0)]


def _cases(loss: Loss) -> Iterator[tuple[Any, dict[str, Any], str, str]]:
    targets = loss.targets
    assert targets is not None
    if loss.kind in _BINARY:
        if targets.low < 0 or targets.high > 1:
            yield (
                "error",
                {"lowest": targets.low, "highest": targets.high, "allowed": [0, 1]},
                f"Targets run from {targets.low:g} to {targets.high:g}, and {loss.kind} wants 0 to 1: beyond, it has "
                "no floor.",
                "y = (y > 0).float()  # 0 and 1",
            )
        return
    classes = loss.class_count or 0
    seen = {label: count for label, count in loss.classes.items() if label >= 0}
    wrong = [label for label in loss.classes if (label < 0 and label != -100) or (classes and label >= classes)]
    if wrong:
        yield (
            "error",
            {"labels": wrong[:10], "outputs": classes},
            f"Labels {wrong[:5]} are not among the classes 0 to {classes - 1}.",
            "labels = torch.tensor([index[name] for name in names])  # 0 .. classes - 1",
        )
    if len(loss.target_shape) != 1 or not 2 <= classes <= MOST or not seen:
        return
    enough = sum(seen.values()) >= ENOUGH * classes
    missing = [label for label in range(classes) if label not in seen]
    if enough and missing == [0] and classes > 2:
        yield (
            "warning",
            {"classes seen": [min(seen), max(seen)], "outputs": classes, "examples": sum(seen.values())},
            f"Labels run from 1 to {classes - 1} and never are 0: they are counted from one, and the first output is "
            "never right.",
            f"y = y - 1  # and nn.Linear(..., {classes - 1})",
        )
    ignored = loss.classes.get(-100, 0) / max(sum(loss.classes.values()), 1)
    if enough and ignored > IGNORED and missing:
        yield (
            "warning",
            {"ignored": ignored, "threshold": IGNORED, "classes never seen": missing},
            f"{ignored:.0%} of the examples carry the label -100, which the loss skips, and the classes {missing} "
            "never come.",
            "assert (y >= 0).all()  # look at how names become labels",
        )


RULE = Rule("L204", "label-range", judge)
