"""The curve of a sweep, for the terminal and as SVG."""

from __future__ import annotations

import math

from latih._plot import svg_chart, text_chart

from ._curve import Curve
from ._sweep import Swept

_WIDTH, _HEIGHT = 80, 10
_TITLE = "loss of the same examples after one update at each rate"


def text(swept: Swept, curve: Curve, kept: float | None) -> str:
    """At most 80 columns; a mark below the axis shows the rate that was kept."""
    points = _points(swept, curve.smooth)
    chart = text_chart({"": points}, _WIDTH, _HEIGHT, _TITLE).split("\n")
    if len(chart) < _HEIGHT:
        return "\n".join(chart)
    left, right = math.log10(swept.rates[0]), math.log10(swept.rates[len(points) - 1])
    margin = chart[-2].index("└") + 1
    columns = len(chart[-2]) - margin
    ends = [f"{10**left:.2g}", f"{10**right:.2g}"]
    chart[-1] = " " * margin + ends[0] + ends[1].rjust(columns - len(ends[0]))
    if kept is not None and left <= math.log10(kept) <= right and right > left:
        place = round((math.log10(kept) - left) / (right - left) * (columns - 1))
        chart[-1] = _laid(chart[-1], margin + place, f"▲ {kept:g}", len(ends[0]) + margin, margin + columns)
    return "\n".join(chart)


def svg(swept: Swept, curve: Curve, kept: float | None) -> str:
    """A standalone picture."""
    drawn = {"each rate": _points(swept, swept.losses), "smoothed": _points(swept, curve.smooth)}
    losses = [loss for points in drawn.values() for _, loss in points]
    if kept is not None and losses:
        at = math.log10(kept)
        drawn[f"kept: {kept:g}"] = [(at, min(losses)), (at, max(losses))]
    return svg_chart(drawn, _TITLE, "learning rate, as a power of 10", "loss")


def _points(swept: Swept, losses: tuple[float, ...]) -> list[tuple[float, float]]:
    """What diverges is cut off a little above the start: it would flatten all the rest."""
    finite = [loss for loss in losses if math.isfinite(loss)]
    ceiling = swept.start + 0.2 * (swept.start - min(finite, default=swept.start)) + 0.02 * abs(swept.start)
    kept = [(math.log10(rate), loss) for rate, loss in zip(swept.rates, losses, strict=True) if math.isfinite(loss)]
    return [(rate, min(loss, ceiling)) for rate, loss in kept]


def _laid(axis: str, place: int, mark: str, first: int, last: int) -> str:
    """The mark over the axis' line of numbers, where it covers neither end's number; else on a line of its own."""
    numbers = len(axis) - len(axis.rstrip().rsplit(" ", 1)[-1])
    if first < place and place + len(mark) < numbers:
        return axis[:place] + mark + axis[place + len(mark) :]
    if place + len(mark) <= last:
        return " " * place + mark + "\n" + axis
    turned = f"{mark[2:]} ▲"
    return " " * max(place + 1 - len(turned), 0) + turned + "\n" + axis
