"""The contract: a rule is a pure function of a record that finds something, passes, or says why it does not apply."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from latih.watch import Record

from . import _show

Severity = Literal["info", "warning", "error"]
_BEGUN = 48
"""Updates until which a run has only begun."""
ORDER: tuple[Severity, ...] = ("error", "warning", "info")


@dataclass(frozen=True)
class Finding:
    """Something that keeps a network from learning, or is worth knowing."""

    code: str
    """Never changes: "L302"."""
    name: str
    """As in the table of findings: "vanishing-gradient"."""
    severity: Severity
    where: str
    """The layer, parameter, column or step; "" for the whole."""
    evidence: dict[str, Any]
    """The numbers seen and the threshold that they passed."""
    why: str
    """One sentence: what is wrong."""
    advice: str
    """What to do, as a line or two of code where that is possible."""
    cures: tuple[str, ...] = ()
    """Names of the cures that heal it."""
    weight: float = 1.0
    """How directly the finding names a cause rather than a consequence; orders findings of one severity."""


@dataclass(frozen=True)
class NotApplicable:
    """The rule had nothing to look at."""

    reason: str


Outcome = list[Finding] | NotApplicable
"""An empty list: the rule has passed."""


@dataclass(frozen=True)
class Rule:
    """One reason why networks do not learn."""

    code: str
    name: str
    judge: Callable[[Record], Outcome]

    @property
    def idea(self) -> str:
        """First line of the rule's docstring."""
        return (self.judge.__doc__ or "").strip().split("\n")[0]


def rank(found: Finding) -> tuple[bool, float, int, str]:
    """What is said first: of what needs doing, what names a cause most directly; what is only worth knowing, last."""
    return found.severity == "info", -found.weight, ORDER.index(found.severity), found.code


@dataclass(frozen=True)
class Findings:
    """What was found, what passed, and what could not be judged."""

    found: list[Finding] = field(default_factory=list)
    """The gravest first."""
    passed: list[str] = field(default_factory=list)
    """Names of the rules that found nothing."""
    skipped: dict[str, str] = field(default_factory=dict)
    """Name -> why the rule does not apply."""
    record: Record | None = field(default=None, repr=False)
    """What they were found in; `findings.record.save(path)` keeps it."""

    def __iter__(self) -> Iterator[Finding]:
        return iter(self.found)

    def __len__(self) -> int:
        return len(self.found)

    def __str__(self) -> str:
        return _show.text(self)

    def _repr_html_(self) -> str:
        return _show.as_html(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as findings.json holds it."""
        return _show.as_plain(self)

    def to_json(self) -> str:
        """The content of findings.json."""
        return _show.findings_json(self).decode()

    def __or__(self, later: Findings) -> Findings:
        """What was found before or `later`; where both say the same, the later evidence counts.

        But a run that has only begun takes nothing back that a check has warned of.
        """
        begun = later.record is not None and not later.record.ended and len(later.record.losses) < _BEGUN
        warned = {found.code for found in self if found.severity != "info"} if begun else set()
        later = replace(later, found=[one for one in later if one.severity != "info" or one.code not in warned])
        codes = {found.code for found in later}
        both = [*later.found, *(found for found in self.found if found.code not in codes)]
        both.sort(key=rank)
        named = {found.name for found in both}
        passed = [name for name in dict.fromkeys((*self.passed, *later.passed)) if name not in named]
        skipped = {name: why for name, why in (self.skipped | later.skipped).items() if name not in (*named, *passed)}
        return Findings(both, passed, skipped, later.record)

    @property
    def worst(self) -> Severity | None:
        """Severity of the gravest finding; None where there is none."""
        return next((one for one in ORDER if any(found.severity == one for found in self.found)), None)

    @property
    def healthy(self) -> bool:
        """No warning and no error."""
        return self.worst in (None, "info")
