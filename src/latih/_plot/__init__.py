"""Leaf: curves as terminal text and as standalone SVG.

A series is a list of (x, y) points under a name. Empty series, constant ones, NaN and infinities are drawn as what they
are: nothing, a flat line, a gap.
"""

from ._svg import svg_chart as svg_chart
from ._text import sparkline as sparkline
from ._text import text_chart as text_chart

__all__ = ["sparkline", "svg_chart", "text_chart"]
