"""What a swap did, as plain data and as a table of 80 columns."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import zip_longest


@dataclass(frozen=True)
class Place:
    """One place in the model where an activation is, or a layer whose weights matter to it."""

    where: str
    """Path of the module, attribute or layer; for a call, that of the module whose forward makes it."""
    was: str
    """What stood there."""
    note: str = ""
    """How it was reached, or why it was left."""


@dataclass
class SwapReport:
    """What `swap` replaced, what it left and why; `print(report)` shows it."""

    to: str
    """Notation of the new activation."""
    swapped: list[Place] = field(default_factory=list)
    left: list[Place] = field(default_factory=list)
    """Activations that stay, with the reason."""
    reinitialised: list[str] = field(default_factory=list)
    """Names of the weights that were drawn anew, with the rule in `init`."""
    kept: list[Place] = field(default_factory=list)
    """Layers that feed the new activation but keep their weights, with the reason."""
    init: str = ""
    dropouts: list[str] = field(default_factory=list)
    """Dropout modules that became AlphaDropout."""
    conditions: list[str] = field(default_factory=list)
    """What the new activation needs and does not have here (SELU: one plain sequence, LeCun, standardised input)."""

    def __str__(self) -> str:
        sections = [
            [f"{len(self.swapped)} swapped to {self.to}, {len(self.left)} left"],
            _table("swapped", self.swapped),
            _table("left", self.left),
            _wrapped(f"drawn anew by {self.init}: ", ", ".join(self.reinitialised)) if self.reinitialised else [],
            _table("weights kept", self.kept),
            _wrapped("now AlphaDropout: ", ", ".join(self.dropouts)) if self.dropouts else [],
            [line for condition in self.conditions for line in _wrapped("not met: ", condition)],
        ]
        return "\n\n".join("\n".join(lines) for lines in sections if lines)


def _table(title: str, places: Sequence[Place]) -> list[str]:
    lines = [f"{title:<30} {'was':<12} note"] if places else []
    for place in places:
        where = textwrap.wrap(place.where, 30, break_on_hyphens=False) or ["(the model)"]
        was, note = textwrap.wrap(place.was, 12), textwrap.wrap(place.note, 36)
        for cells in zip_longest(where, was, note, fillvalue=""):
            lines.append("{:<30} {:<12} {}".format(*cells).rstrip())
    return lines


def _wrapped(head: str, text: str) -> list[str]:
    return textwrap.wrap(head + text, 80, subsequent_indent="  ", break_on_hyphens=False)
