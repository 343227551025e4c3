"""The runs of the few-images experiment as dots: test accuracy, and gain over training from scratch."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from .few import METHODS, gains
from .spread import quantile

WIDTH, LEFT, RIGHT, ROW = 720, 190, 30, 26
INK = "#7d8590"  # a grey with enough contrast on white and on black
COLOURS = {"scratch": "#E69F00", "frozen": "#0082C8", "fine_tuned": "#009E73"}  # Okabe and Ito
GOLDEN = (math.sqrt(5) - 1) / 2
Strip = tuple[str, str, list[float]]  # label, colour, values in percent


def picture(rows: list[dict[str, Any]]) -> str:
    """The text of an SVG file."""
    numbers = [key for key in rows[0] if key.isdigit()]
    accuracy = [
        (f"{images} images, {name}", COLOURS[method], [100 * row[images][method] for row in rows])
        for images in numbers
        for method, name in METHODS.items()
    ]
    gained = [
        (f"{images} images, {name}", COLOURS[method], [100 * gain for gain in gains(rows, images, method)])
        for images in numbers
        for method, name in METHODS.items()
        if method != "scratch"
    ]
    first, middle = _panel("Test accuracy, %", accuracy, 24)
    second, height = _panel("Gain over training from scratch, percentage points", gained, middle + 24)
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" width="{WIDTH}" height="{height}" '
        f'role="img" font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="12" fill="{INK}">'
    )
    title = f"<title>Few images: accuracy and gain of {len(rows)} runs; a dot a run, a bar at the median</title>"
    return "\n".join([head, title, *first, *second, "</svg>"]) + "\n"


def _panel(title: str, strips: Sequence[Strip], top: int) -> tuple[list[str], int]:
    """The lines of one panel, and where it ends."""
    values = [value for _, _, part in strips for value in part]
    step = next(one for one in (1, 2, 5, 10, 20, 50) if (max(values) - min(values)) / one <= 8)
    low, high = math.floor(min(values) / step) * step, math.ceil(max(values) / step) * step
    bottom = top + 14 + ROW * len(strips)

    def x(value: float) -> float:
        return round(LEFT + (value - low) / max(high - low, step) * (WIDTH - LEFT - RIGHT), 1)

    parts = [f'<text x="{LEFT}" y="{top}" font-size="14" font-weight="600">{title}</text>']
    for tick in range(low, high + 1, step):
        strength = 0.8 if tick == 0 else 0.25
        parts.append(f'<path d="M{x(tick)} {top + 10}V{bottom}" stroke="{INK}" stroke-opacity="{strength}"/>')
        parts.append(f'<text x="{x(tick)}" y="{bottom + 16}" text-anchor="middle">{tick}</text>')
    for place, (label, colour, part) in enumerate(strips):
        middle = top + 14 + ROW * (place + 0.5)
        parts.append(f'<text x="{LEFT - 10}" y="{middle + 4}" text-anchor="end">{label}</text>')
        parts.append(_dots([x(value) for value in part], middle, colour))
        centre = x(quantile(part, 0.5))
        parts.append(f'<path d="M{centre} {middle - 10}v20" stroke="{colour}" stroke-width="3"/>')
    return parts, bottom + 26


def _dots(places: Sequence[float], middle: float, colour: str) -> str:
    """One path for all of them: round ends of lines without length, spread over the height by the golden ratio."""
    spread = (round(middle - 9 + 18 * (number * GOLDEN % 1), 1) for number in range(len(places)))
    path = "".join(f"M{x} {y}h0" for x, y in zip(places, spread, strict=True))
    return f'<path d="{path}" stroke="{colour}" stroke-opacity="0.5" stroke-width="3" stroke-linecap="round"/>'
