"""What an initialisation did, as a table."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, field

from latih.tape import Activation

_WIDTH = 80


@dataclass(frozen=True)
class InitRow:
    """One weighted layer."""

    layer: str
    feeds: Activation
    rule: str
    """Notation of the rule, or "left alone"."""
    before: float
    """Standard deviation of the weight before."""
    after: float
    factor: float = 1.0
    """By which the drawn weight was rescaled after one measured batch."""
    note: str = ""


@dataclass(frozen=True)
class InitTable:
    """Layer -> activation -> rule -> standard deviation of the weight, before and after."""

    rows: list[InitRow] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """What was left alone and why, in sentences."""

    def __str__(self) -> str:
        cells = [("layer", "feeds", "rule", "std", "now")]
        for row in self.rows:
            rule = row.rule if row.factor == 1.0 else f"{row.rule} x{row.factor:.2f}"
            cells.append((row.layer, _short(row.feeds), rule, f"{row.before:.3g}", f"{row.after:.3g}"))
        widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
        excess = sum(widths) + 2 * (len(widths) - 1) - _WIDTH
        for place, least in ((0, 16), (1, 12), (2, 24)):
            cut = min(max(excess, 0), max(widths[place] - least, 0))
            widths[place] -= cut
            excess -= cut
        lines = [
            "  ".join(_fit(text, width, place) for place, (text, width) in enumerate(zip(row, widths, strict=True)))
            for row in cells
        ]
        notes = [textwrap.fill(note, _WIDTH) for note in self.notes]
        return "\n".join([*(line.rstrip() for line in lines), *notes])


def _short(activation: Activation) -> str:
    numbers = [f"{value:.3g}" for value in activation.constants.values() if isinstance(value, float)]
    return f"{activation.name}({', '.join(numbers)})" if numbers else activation.name


def _fit(text: str, width: int, place: int) -> str:
    """Cut a layer's path at its start, anything else at its end; numbers to the right."""
    if len(text) > width:
        text = f"..{text[len(text) - width + 2 :]}" if place == 0 else f"{text[: width - 2]}.."
    return text.rjust(width) if place > 2 else text.ljust(width)
