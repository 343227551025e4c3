"""Numbers of several runs as cells of a table."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

QUANTILES = (0.05, 0.25, 0.5, 0.75, 0.95)


def mean_sd(values: Sequence[float]) -> str:
    """Mean and standard deviation of fractions, in percent."""
    spread = f" ± {100 * statistics.stdev(values):.1f}" if len(values) > 1 else ""
    return f"{100 * statistics.fmean(values):.1f}{spread}"


def quantile(values: Sequence[float], share: float) -> float:
    """The value that the `share` of `values` does not exceed, between neighbours in proportion."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return ordered[below] + (place - below) * (ordered[above] - ordered[below])


def points(value: float) -> str:
    """A difference of fractions, in percentage points with its sign."""
    return f"{100 * value:+.1f}"


def share(values: Sequence[bool]) -> str:
    """How many of `values` are true, in percent."""
    return f"{100 * sum(values) / len(values):.0f} %"


def table(columns: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in Markdown, its first column to the left."""
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
