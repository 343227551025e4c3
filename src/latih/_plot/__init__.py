"""Leaf: curves as terminal text, as standalone SVG and as PNG.

A series is a list of (x, y) points under a name. Empty series, constant ones, NaN and infinities are drawn as what they
are: nothing, a flat line, a gap.
"""

from ._png import png_chart as png_chart
from ._scale import number as number
from ._svg import svg_chart as svg_chart
from ._text import sparkline as sparkline
from ._text import text_chart as text_chart

__all__ = ["number", "png_chart", "sparkline", "svg_chart", "text_chart"]
