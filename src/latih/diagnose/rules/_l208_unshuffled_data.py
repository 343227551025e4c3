"""L208: examples come in an order that has to do with their targets."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from latih.watch import Batch, Record

from .._base import Finding, NotApplicable, Rule, Severity
from .._progress import ENOUGH, Curve, swings
from .._trouble import trouble

PURE = 0.5
"""Entropy within batches over that of all together."""
SURE = 8.0
"""Standard errors by which batches differ more than random ones."""
APART = 0.5
"""Share of the targets' variance that lies between batches."""
FEWEST = 4
"""Batches."""
_LEARNT = 0.5
"""Share of the constant's loss that is gone in training, while held-out data would be better off with the constant."""
RANDOM = 1e-6
"""p-value of a random order, from a check of the training data."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Batches must be small samples of the whole, or every update pulls towards what its batch happens to hold.

    The gradient of a batch is an unbiased estimate only if it is a random sample; sorted classes make the network
    forget the ones that are away. Symptom, over the sampled batches: classes within a batch are mixed less than half
    as much as altogether (mean entropy within over the pooled one; for values, half of the variance lies between
    batches). Second signal: chi-squared of the table (batches x classes), or the between-batch variance, lies 8
    standard errors above what shuffling gives. Sequences whose targets are neighbours in time, and batches that a loss
    wants in pairs, may be meant: values are an info while the loss does not swing with them. The first sampled batches
    lie close together, so it takes some batches of a run until the order shows.
    """
    order = record.probes.order if record.probes is not None else None
    if order is not None and order < RANDOM and not record.losses:
        return [_finding("info", {"p-value of a random order": order, "threshold": RANDOM})]
    batches = [one for one in record.loss.batches if one.size > 1]
    if len(batches) < FEWEST or len(record.loss.target_shape) > 2:
        return NotApplicable("too few batches of single targets were seen")
    if all(one.classes for one in batches):
        mixed, errors = _of_classes(batches)
        if mixed is not None and mixed < PURE and errors > SURE:
            evidence = {"entropy within / altogether": mixed, "threshold": PURE}
            return [_finding("warning", evidence | {"standard errors": errors, "threshold of those": SURE})]
        return []
    apart, errors = _of_values(batches)
    if apart > APART and errors > SURE:
        evidence = {"variance between batches": apart, "threshold": APART}
        evidence |= {"standard errors": errors, "threshold of those": SURE} | (_suffers(record) or {})
        return [_finding("warning" if _suffers(record) else "info", evidence)]
    return []


def _finding(severity: Severity, evidence: dict[str, Any]) -> Finding:
    return Finding(
        "L208",
        "unshuffled-data",
        severity,
        "data",
        evidence,
        "Examples come in an order that has to do with their targets: batches are far from samples of the whole.",
        "DataLoader(data, batch_size=32, shuffle=True)",
        ("shuffle",),
        weight=2.2,
    )


def _suffers(record: Record) -> dict[str, Any] | None:
    """A loss that goes up and down with what the batches hold, or that is not below the best constant's."""
    curve = Curve.of(record)
    if len(curve) < 2 * ENOUGH:
        return None
    if swings(curve) or curve.rises >= 2:
        return {"rises of the loss": curve.rises}
    told = [one.values.get("loss") for one in record.evaluations[-1:] if one.part == "valid"]
    held = curve.gain_at(told[0]) if told and told[0] is not None else None
    if held is not None and held < 0 and (curve.gain or 0.0) > _LEARNT:
        return {"gain in training": curve.gain, "gain held out": held}
    return trouble(record)


def _of_classes(batches: list[Batch]) -> tuple[float | None, float]:
    labels = sorted({label for one in batches for label in one.classes})
    table = np.array([[one.classes.get(label, 0) for label in labels] for one in batches], dtype=float)
    total = table.sum()
    pooled = _entropy(table.sum(0))
    if len(labels) < 2 or pooled <= 0:
        return None, 0.0
    within = float(np.sum([_entropy(row) * row.sum() for row in table]) / total)
    expected = table.sum(1, keepdims=True) * table.sum(0, keepdims=True) / total
    free = (len(batches) - 1) * (len(labels) - 1)
    squared = float(((table - expected) ** 2 / expected).sum())
    # small batches hold few classes even when they are shuffled: compare with the entropy that they can have
    most = float(np.mean([_entropy_of_sample(table.sum(0) / total, int(row.sum())) for row in table]))
    return within / max(min(most, pooled), 1e-12), (squared - free) / math.sqrt(2 * free)


def _of_values(batches: list[Batch]) -> tuple[float, float]:
    means, within = np.array([one.mean for one in batches]), np.mean([one.std**2 for one in batches])
    between = float(means.var())
    whole = between + float(within)
    size = float(np.mean([one.size for one in batches]))
    if whole <= 0:
        return 0.0, 0.0
    expected = whole / size
    return between / whole, (between / expected - 1) / math.sqrt(2 / max(len(batches) - 1, 1))


def _entropy(counts: np.ndarray) -> float:
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * np.log(shares)).sum())


def _entropy_of_sample(shares: np.ndarray, size: int) -> float:
    """Expected entropy of `size` draws, by Miller and Madow's correction, at least half of the true one."""
    true = float(-(shares[shares > 0] * np.log(shares[shares > 0])).sum())
    return max(true - (np.count_nonzero(shares) - 1) / (2 * max(size, 1)), 0.5 * true)


RULE = Rule("L208", "unshuffled-data", judge)
