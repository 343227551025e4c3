"""Curves for a terminal: one curve in braille dots, several with one mark each."""

import itertools
import math
from collections.abc import Iterator, Sequence

from ._scale import Point, Series, drawable, extent, label, place, runs, thin

_BLOCKS = "▁▂▃▄▅▆▇█"
_MARKS = "●○▲△■□◆◇"
# bit of each dot in a braille cell, by column (0, 1) and row (0 at the top)
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))
Cells = dict[tuple[int, int], str]


def text_chart(series: Series, width: int = 72, height: int = 12, title: str = "") -> str:
    """Draw `series` on `height` rows of at most `width` characters, with the axes' ends labelled."""
    drawn = {name: [thin(run, 4000) for run in runs(points)] for name, points in series.items()}
    points = [point for pieces in drawn.values() for run in pieces for point in run]
    if not points:
        return "\n".join([*([title] if title else []), "(no data)"])
    low, high = extent(y for _, y in points)
    left, right = extent(x for x, _ in points)
    margin = max(len(label(low)), len(label(high)))
    columns, rows = max(width - margin - 2, 8), max(height, 2)
    cells: Cells = {}
    for index, pieces in enumerate(drawn.values()):
        dots = {
            dot for run in pieces for dot in _trace(run, (left, right), (low, high), (2 * columns - 1, 4 * rows - 1))
        }
        cells |= _braille(dots) if len(series) == 1 else _marked(dots, _MARKS[index % len(_MARKS)])
    lines = [title] if title else []
    for row in range(rows):
        name = label(high) if row == 0 else label(low) if row == rows - 1 else ""
        line = "".join(cells.get((column, row), " ") for column in range(columns))
        lines.append(f"{name:>{margin}} {'┤' if name else '│'}{line}".rstrip())
    lines.append(f"{'':>{margin}} └" + "─" * columns)
    end = label(right)
    lines.append(f"{'':>{margin}}  {label(left):<{columns - len(end)}}{end}")
    if len(series) > 1:
        lines += [f"{'':>{margin}}  {_MARKS[i % len(_MARKS)]} {name}" for i, name in enumerate(series)]
    return "\n".join(lines)


def sparkline(values: Sequence[float], width: int = 24) -> str:
    """The course of `values` in at most `width` blocks; ! where one of them is not finite.

    >>> sparkline([1, 2, 4, 8, float("nan")])
    '▁▂▄█!'
    """
    width = max(1, min(width, len(values)))
    buckets = [values[i * len(values) // width : (i + 1) * len(values) // width] for i in range(width)]
    means = [math.fsum(part) / len(part) if all(map(drawable, part)) else math.nan for part in buckets if part]
    ends = extent(mean for mean in means if drawable(mean))
    return "".join(_BLOCKS[min(int(place(mean, ends) * 8), 7)] if drawable(mean) else "!" for mean in means)


def _trace(run: Sequence[Point], xs: Point, ys: Point, last: tuple[int, int]) -> Iterator[tuple[int, int]]:
    """Every dot (column, row) that the line through `run` touches, on a raster up to `last`."""
    placed = [(place(x, xs) * last[0], (1 - place(y, ys)) * last[1]) for x, y in run]
    yield from ((round(x), round(y)) for x, y in placed[:1])
    for (x0, y0), (x1, y1) in itertools.pairwise(placed):
        parts = max(1, math.ceil(max(abs(x1 - x0), abs(y1 - y0))))
        yield from ((round(x0 + (x1 - x0) * i / parts), round(y0 + (y1 - y0) * i / parts)) for i in range(1, parts + 1))


def _braille(dots: set[tuple[int, int]]) -> Cells:
    bits: dict[tuple[int, int], int] = {}
    for x, y in dots:
        cell = (x // 2, y // 4)
        bits[cell] = bits.get(cell, 0) | _DOTS[x % 2][y % 4]
    return {cell: chr(0x2800 + value) for cell, value in bits.items()}


def _marked(dots: set[tuple[int, int]], mark: str) -> Cells:
    return {(x // 2, y // 4): mark for x, y in dots}
