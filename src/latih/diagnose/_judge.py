"""Ask every rule, and put what explains the most first."""

from __future__ import annotations

from collections.abc import Sequence

from latih.watch import Record

from ._base import Finding, Findings, NotApplicable, Rule, rank
from .rules import RULES

EXPLAINS = {
    # a cause -> what is its consequence, and so not worth a warning of its own beside it
    "diverged": ("not-learning",),
    "loss-at-start": ("learning-rate-too-high", "oscillating-loss", "diverged"),
    "learning-rate-too-low": ("not-learning",),
    "unscaled-inputs": ("unreached-parameters",),
    "dead-units": ("class-imbalance",),
    "over-regularised": ("not-learning",),
    "learning-rate-too-high": ("not-learning", "oscillating-loss", "diverged"),
    "unshuffled-data": ("oscillating-loss", "learning-rate-too-high", "not-learning"),
    "constant-inputs": ("dead-units", "not-learning"),
    "missing-zero-grad": (
        "diverged",
        "exploding-gradient",
        "learning-rate-too-high",
        "oscillating-loss",
        "not-learning",
    ),
}


def judge(record: Record, rules: Sequence[Rule] = RULES) -> Findings:
    """What `record` says, by all rules; a pure function of it."""
    found: list[Finding] = []
    passed: list[str] = []
    skipped: dict[str, str] = {}
    for rule in rules:
        outcome = rule.judge(record)
        if isinstance(outcome, NotApplicable):
            skipped[rule.name] = outcome.reason
        elif outcome:
            found += outcome
        else:
            passed.append(rule.name)
    causes = {finding.name for finding in found if finding.severity != "info"}
    explained = {name for cause in causes for name in EXPLAINS.get(cause, ()) if name != cause}
    kept = [finding for finding in found if finding.name not in explained]
    kept.sort(key=rank)
    return Findings(kept, passed, skipped, record)
