"""Curves as PNG: the same chart as the SVG, drawn by pillow on white."""

from __future__ import annotations

import io
import itertools
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ._scale import Point, Series, extent, label, log_ticks, runs, thin, ticks
from ._svg import _HEIGHT, _INK, _LEFT, _WIDTH, _Frame, _legend_places, _look

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_SIZE = 2  # pixels a unit of the SVG: sharp on dense screens
_FINE = 2  # drawn this much larger and scaled down: pillow itself does not smooth lines
_FAINT = "#dee0e3"  # the ink at a quarter on white


def png_chart(series: Series, title: str = "", x_label: str = "", y_label: str = "", log_y: bool = False) -> bytes:
    """Draw `series` as the content of a PNG file of 1440 x 800 pixels; with `log_y`, values not above 0 are gaps."""
    from PIL import Image

    drawn = {name: [thin(run, 1200) for run in runs(points, log_y=log_y)] for name, points in series.items()}
    points = [point for pieces in drawn.values() for run in pieces for point in run]
    places, top = _legend_places(list(series), 46 if title else 22)
    xs = ticks(*extent(x for x, _ in points), about=6)
    low, high = extent(y for _, y in points)
    ys = log_ticks(low, high) if log_y else ticks(low, high, about=5)
    frame = _Frame((xs[0], xs[-1]), (ys[0], ys[-1]), top)
    paper = _Paper()
    paper.text(_LEFT, 20, title, "lm", size=16)
    for index, (name, (x, y)) in enumerate(zip(series, places, strict=True)):
        paper.curve([(x, y), (x + 18, y)], index, 3)
        paper.text(x + 24, y, name, "lm")
    _axes(paper, frame, xs, ys, log_y)
    middle = (frame.top + frame.bottom) / 2
    paper.text((_LEFT + frame.right) / 2, _HEIGHT - 16, x_label, "mm")
    paper.upright(16, middle, y_label)
    for index, pieces in enumerate(drawn.values()):
        for run in pieces:
            paper.curve([(frame.x(x), frame.y(y)) for x, y in run], index, 2)
    if not points:
        paper.text((_LEFT + frame.right) / 2, middle, "no data", "mm")
    small = paper.image.resize((_WIDTH * _SIZE, _HEIGHT * _SIZE), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "PNG")
    return buffer.getvalue()


class _Paper:
    """A white page that is drawn on in the SVG's units."""

    def __init__(self) -> None:
        from PIL import Image, ImageDraw

        self.unit = _SIZE * _FINE
        self.image: Image.Image = Image.new("RGB", (_WIDTH * self.unit, _HEIGHT * self.unit), "white")
        self.draw: ImageDraw.ImageDraw = ImageDraw.Draw(self.image)

    def line(self, points: Sequence[Point], colour: str, width: float) -> None:
        self.draw.line(self._scaled(points), fill=colour, width=round(width * self.unit), joint="curve")

    def curve(self, points: Sequence[Point], index: int, width: float) -> None:
        """One run in the look of its series; a single point is a dot."""
        colour, dash = _look(index)
        if len(points) == 1:
            (x, y) = points[0]
            self.draw.ellipse(self._scaled([(x - 3, y - 3), (x + 3, y + 3)]), fill=colour)
            return
        pattern = [float(part) for part in dash.split('"')[1].split()] if dash else []
        for piece in _dashed(points, pattern) if pattern else [points]:
            self.line(piece, colour, width)

    def text(self, x: float, y: float, text: str, anchor: str, size: int = 12) -> None:
        if text:
            self.draw.text((x * self.unit, y * self.unit), text, fill=_INK, font=self._font(size), anchor=anchor)

    def upright(self, x: float, y: float, text: str) -> None:
        """Text that reads from the bottom to the top, around the point (x, y)."""
        if not text:
            return
        from PIL import Image, ImageDraw

        wide, high = math.ceil(self._font(12).getlength(text)) + self.unit, 20 * self.unit
        strip = Image.new("RGB", (wide, high), "white")
        ImageDraw.Draw(strip).text((wide / 2, high / 2), text, fill=_INK, font=self._font(12), anchor="mm")
        turned = strip.transpose(Image.Transpose.ROTATE_90)
        self.image.paste(turned, (round(x * self.unit - high / 2), round(y * self.unit - wide / 2)))

    def _font(self, size: int) -> Any:
        from PIL import ImageFont

        return ImageFont.load_default(size * self.unit)

    def _scaled(self, points: Sequence[Point]) -> list[Point]:
        return [(x * self.unit, y * self.unit) for x, y in points]


def _axes(paper: _Paper, frame: _Frame, xs: Sequence[float], ys: Sequence[float], log_y: bool) -> None:
    for value in ys:
        y = frame.y(value)
        paper.line([(_LEFT, y), (frame.right, y)], _FAINT, 1)
        paper.text(_LEFT - 8, y, label(10.0**value) if log_y else label(value), "rm")
    for value in xs:
        x = frame.x(value)
        paper.line([(x, frame.bottom), (x, frame.bottom + 5)], _INK, 1)
        paper.text(x, frame.bottom + 15, label(value), "mm")
    paper.line([(_LEFT, frame.bottom), (frame.right, frame.bottom)], _INK, 1)


def _dashed(points: Sequence[Point], pattern: Sequence[float]) -> Iterator[list[Point]]:
    """The pieces of the line through `points` that a dash `pattern` (on, off, ... in units of length) leaves."""
    lengths = itertools.cycle(pattern)
    left, on, piece = next(lengths), True, [points[0]]
    for (x0, y0), (x1, y1) in itertools.pairwise(points):
        whole = math.hypot(x1 - x0, y1 - y0)
        done = 0.0
        while whole - done > left:
            done += left
            at = (x0 + (x1 - x0) * done / whole, y0 + (y1 - y0) * done / whole)
            if on:
                yield [*piece, at]
            left, on, piece = next(lengths), not on, [at]
        left -= whole - done
        piece.append((x1, y1))
    if on and len(piece) > 1:
        yield piece
