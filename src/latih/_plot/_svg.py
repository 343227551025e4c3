"""Curves as one standalone SVG: no script, no style sheet, readable on light and on dark."""

from collections.abc import Sequence
from xml.sax.saxutils import escape

from ._scale import Point, Series, extent, label, log_ticks, place, runs, thin, ticks

_WIDTH, _HEIGHT = 720, 400
_LEFT, _RIGHT, _BOTTOM = 84, 24, 56
# Okabe and Ito's colours without black and yellow: told apart by every kind of colour vision, on white and on black
_COLOURS = ("#0082C8", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
_DASHES = ("", "7 4", "2 3")
_INK = "#7d8590"  # a grey with enough contrast on both backgrounds


def svg_chart(series: Series, title: str = "", x_label: str = "", y_label: str = "", log_y: bool = False) -> str:
    """Draw `series` as the text of an SVG file; with `log_y`, values that are not above 0 are gaps."""
    drawn = {name: [thin(run, 1200) for run in runs(points, log_y=log_y)] for name, points in series.items()}
    points = [point for pieces in drawn.values() for run in pieces for point in run]
    legend, top = _legend(list(series), 46 if title else 22)
    xs = ticks(*extent(x for x, _ in points), about=6)
    low, high = extent(y for _, y in points)
    ys = log_ticks(low, high) if log_y else ticks(low, high, about=5)
    frame = _Frame((xs[0], xs[-1]), (ys[0], ys[-1]), top)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" height="{_HEIGHT}"'
        f' role="img" font-family="system-ui, -apple-system, Segoe UI, sans-serif" font-size="12" fill="{_INK}">',
        f"<title>{escape(title or 'chart')}</title>",
        _text(_LEFT, 26, title, 'font-size="16" font-weight="600"') if title else "",
        *legend,
        *_axes(frame, xs, ys, x_label, y_label, log_y),
        *(_curve(frame, run, index) for index, pieces in enumerate(drawn.values()) for run in pieces),
        "" if points else _text((_LEFT + _WIDTH - _RIGHT) / 2, (top + _HEIGHT - _BOTTOM) / 2, "no data", _MIDDLE),
        "</svg>",
    ]
    return "\n".join(part for part in parts if part) + "\n"


class _Frame:
    """Where a value lies on the page."""

    def __init__(self, xs: Point, ys: Point, top: float) -> None:
        self.xs, self.ys, self.top = xs, ys, top
        self.right, self.bottom = _WIDTH - _RIGHT, _HEIGHT - _BOTTOM

    def x(self, value: float) -> float:
        return round(_LEFT + place(value, self.xs) * (self.right - _LEFT), 2)

    def y(self, value: float) -> float:
        return round(self.bottom - place(value, self.ys) * (self.bottom - self.top), 2)


_MIDDLE = 'text-anchor="middle"'


def _axes(
    frame: _Frame, xs: Sequence[float], ys: Sequence[float], x_label: str, y_label: str, log_y: bool
) -> list[str]:
    parts = []
    for value in ys:
        y = frame.y(value)
        name = label(10.0**value) if log_y else label(value)
        parts.append(f'<path d="M{_LEFT} {y}H{frame.right}" stroke="{_INK}" stroke-opacity="0.25"/>')
        parts.append(_text(_LEFT - 8, y + 4, name, 'text-anchor="end"'))
    for value in xs:
        x = frame.x(value)
        parts.append(f'<path d="M{x} {frame.bottom}v5" stroke="{_INK}" stroke-opacity="0.6"/>')
        parts.append(_text(x, frame.bottom + 19, label(value), _MIDDLE))
    parts.append(f'<path d="M{_LEFT} {frame.bottom}H{frame.right}" stroke="{_INK}" stroke-opacity="0.6"/>')
    middle = (frame.top + frame.bottom) / 2
    if x_label:
        parts.append(_text((_LEFT + frame.right) / 2, _HEIGHT - 12, x_label, _MIDDLE))
    if y_label:
        parts.append(_text(18, middle, y_label, f'{_MIDDLE} transform="rotate(-90 18 {middle})"'))
    return parts


def _curve(frame: _Frame, run: Sequence[Point], index: int) -> str:
    colour, dash = _look(index)
    if len(run) == 1:
        return f'<circle cx="{frame.x(run[0][0])}" cy="{frame.y(run[0][1])}" r="3" fill="{colour}"/>'
    path = "L".join(f"{frame.x(x)} {frame.y(y)}" for x, y in run)
    return f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2" stroke-linejoin="round"{dash}/>'


def _legend(names: Sequence[str], top: float) -> tuple[list[str], float]:
    """The names with their colours in rows from `top` on, and where the frame may begin below them."""
    parts = []
    places, below = _legend_places(names, top)
    for index, (name, (x, y)) in enumerate(zip(names, places, strict=True)):
        colour, dash = _look(index)
        parts.append(f'<path d="M{x} {y}h18" stroke="{colour}" stroke-width="3"{dash}/>')
        parts.append(_text(x + 24, y + 4, name, ""))
    return parts, below


def _legend_places(names: Sequence[str], top: float) -> tuple[list[Point], float]:
    """Where each name of the legend begins, and where the frame may begin below them."""
    places, x, y = [], float(_LEFT), top
    for name in names:
        wide = 34 + 7.0 * len(name)  # about the width of the name at this size: an SVG cannot measure text
        if x > _LEFT and x + wide > _WIDTH - _RIGHT:
            x, y = float(_LEFT), y + 18
        places.append((x, y))
        x += wide + 10
    return places, y + (20 if names else 0)


def _look(index: int) -> tuple[str, str]:
    dash = _DASHES[index // len(_COLOURS) % len(_DASHES)]
    return _COLOURS[index % len(_COLOURS)], f' stroke-dasharray="{dash}"' if dash else ""


def _text(x: float, y: float, text: str, attributes: str) -> str:
    return f'<text x="{x:g}" y="{y:g}"{" " if attributes else ""}{attributes}>{escape(text)}</text>'
