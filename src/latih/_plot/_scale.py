"""What text and SVG share: runs of finite points, the range of an axis, its ticks and their labels."""

import math
from collections.abc import Iterable, Mapping, Sequence

Point = tuple[float, float]
Series = Mapping[str, Sequence[Point]]


def runs(points: Iterable[Point], *, log_y: bool = False) -> list[list[Point]]:
    """Split `points` where one cannot be drawn, so that a gap stays a gap.

    >>> runs([(0, 1.0), (1, float("nan")), (2, 3.0), (3, 4.0)])
    [[(0.0, 1.0)], [(2.0, 3.0), (3.0, 4.0)]]
    """
    pieces: list[list[Point]] = [[]]
    for x, y in points:
        x, y = float(x), float(y)
        if drawable(x) and drawable(y) and (y > 0 or not log_y):
            pieces[-1].append((x, math.log10(y) if log_y else y))
        elif pieces[-1]:
            pieces.append([])
    return [piece for piece in pieces if piece]


def drawable(value: float) -> bool:
    """Whether `value` has a place on an axis; beyond 1e300 even the length of the axis would overflow."""
    return abs(value) <= 1e300


def place(value: float, ends: Point) -> float:
    """Where `value` lies between the two ends: 0 at the first, 1 at the second."""
    return (value - ends[0]) / (ends[1] - ends[0])


def thin(points: Sequence[Point], most: int) -> Sequence[Point]:
    """At most about `most` points of a long run: the lowest and the highest of each bucket, and both ends."""
    if len(points) <= most:
        return points
    size = math.ceil(2 * len(points) / most)
    kept = {0, len(points) - 1}
    for begin in range(0, len(points), size):
        bucket = range(begin, min(begin + size, len(points)))
        kept |= {min(bucket, key=lambda i: points[i][1]), max(bucket, key=lambda i: points[i][1])}
    return [points[i] for i in sorted(kept)]


def extent(values: Iterable[float]) -> tuple[float, float]:
    """The lowest and the highest of `values`; a constant gets room on both sides.

    >>> extent([2.0, 2.0]), extent([])
    ((1.0, 3.0), (0.0, 1.0))
    """
    values = list(values)
    if not values:
        return 0.0, 1.0
    low, high = min(values), max(values)
    if high - low > max(1e-12 * max(abs(low), abs(high)), 1e-300):
        return low, high
    room = abs(low) / 2 if abs(low) > 1e-290 else 1.0
    return low - room, high + room


def ticks(low: float, high: float, about: int) -> list[float]:
    """Round numbers (1, 2 or 5 times a power of ten) that span [low, high] in `about` parts.

    >>> ticks(0.0, 0.93, 5)
    [0.0, 0.2, 0.4, 0.6, 0.8, 1.0]
    """
    rough = max((high - low) / about, 5e-308)
    power = 10.0 ** math.floor(math.log10(rough))
    step = next((size * power for size in (1, 2, 5) if size * power >= rough * 0.999), 10 * power)
    first, last = math.floor(low / step + 1e-9), math.ceil(high / step - 1e-9)
    digits = max(0, 1 - math.floor(math.log10(step)))
    return [round(index * step, digits) for index in range(first, last + 1)]


def log_ticks(low: float, high: float) -> list[float]:
    """Whole powers of ten as their logarithms around [low, high]; up to two decades also their 2 and 5 times.

    >>> log_ticks(-3.2, -1.1)
    [-4.0, -3.0, -2.0, -1.0]
    """
    first, last = math.floor(low), max(math.ceil(high), math.floor(low) + 1)
    step = math.ceil((last - first) / 8)
    if last - first <= 2:
        between = [power + math.log10(times) for power in range(first, last) for times in (1, 2, 5)]
        return [*between, float(last)]
    return [float(power) for power in range(first, last + step, step)]


def label(value: float) -> str:
    """A short number for an axis.

    >>> label(0.30000000000000004), label(1e-05), label(20000.0), label(3000000.0)
    ('0.3', '1e-5', '20000', '3e6')
    """
    text = f"{value:.4g}" if abs(value) < 1e4 or abs(value) >= 1e6 else f"{value:.0f}"
    mantissa, e, exponent = text.partition("e")
    return f"{mantissa}e{int(exponent)}" if e else mantissa


def number(value: float) -> str:
    """Four digits, and no exponent where none is needed.

    >>> number(0.41239), number(20729.56), number(1.5e-9)
    ('0.4124', '20,730', '1.5e-09')
    """
    return f"{value:,.0f}" if 1e4 <= abs(value) < 1e9 else f"{value:.4g}"
