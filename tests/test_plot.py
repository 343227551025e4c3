import itertools
import math
import xml.etree.ElementTree as ElementTree

import pytest

from latih._plot import sparkline, svg_chart, text_chart
from latih._plot._scale import extent, label, log_ticks, runs, thin, ticks

NAN, INF = math.nan, math.inf
HARD = {
    "nothing": {},
    "an empty series": {"a": []},
    "one point": {"a": [(0, 1.0)]},
    "a constant": {"a": [(0, 2.0), (1, 2.0)]},
    "a constant at zero": {"a": [(0, 0.0), (1, 0.0)]},
    "only nan": {"a": [(0, NAN), (1, NAN)]},
    "nan and infinities between": {"a": [(0, 1.0), (1, NAN), (2, INF), (3, -INF), (4, 2.0)]},
    "huge and tiny": {"a": [(0, -1e308), (1, 1e299), (2, 1e-320)]},
    "denormal": {"a": [(0, 0.0), (1, 5e-324)]},
    "all at one x": {"a": [(3, 1.0), (3, 2.0)]},
    "negative": {"a": [(0, -1.0), (1, -3.0)]},
    "many": {f"series {i}": [(x, x * i) for x in range(50)] for i in range(20)},
    "long": {"a": [(x, math.sin(x / 500)) for x in range(20_000)]},
}


def path_count(svg):
    return sum(element.get("fill") == "none" for element in ElementTree.fromstring(svg).iter())


@pytest.mark.parametrize("series", HARD.values(), ids=HARD.keys())
def test_text_draws_anything_within_its_width(series):
    lines = text_chart(series, width=60, height=8, title="a title").splitlines()
    assert max(map(len, lines)) <= 60
    assert lines[0] == "a title"


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("series", HARD.values(), ids=HARD.keys())
def test_svg_draws_anything_as_valid_xml_without_nan(series, log_y):
    svg = svg_chart(series, "t", "x", "y", log_y=log_y)
    assert ElementTree.fromstring(svg).tag.endswith("svg")
    assert "nan" not in svg.replace("only nan", "")
    assert "inf" not in svg


def test_text_draws_a_rising_line_from_lower_left_to_upper_right():
    rows = text_chart({"a": [(0, 0.0), (10, 1.0)]}, width=24, height=4).splitlines()
    marks = [[column for column, char in enumerate(row) if "\u2800" < char <= "\u28ff"] for row in rows[:4]]
    assert all(marks)
    assert min(marks[3]) < min(marks[2]) < min(marks[1]) < min(marks[0])
    assert rows[0].startswith("1 ┤")
    assert rows[3].startswith("0 ┤")
    assert rows[-1].split() == ["0", "10"]


def test_several_curves_get_one_mark_each_and_a_legend():
    text = text_chart({"first": [(0, 0.0), (1, 0.0)], "second": [(0, 1.0), (1, 1.0)]}, width=30, height=4)
    assert "● first" in text
    assert "○ second" in text
    assert text.splitlines()[0].count("○") > 10


def test_a_gap_splits_a_curve_in_two_paths():
    whole = [(float(x), float(x)) for x in range(6)]
    assert path_count(svg_chart({"a": whole})) == 1
    assert path_count(svg_chart({"a": [*whole[:2], (2.0, NAN), *whole[3:]]})) == 2
    assert path_count(svg_chart({"a": [(x, y - 2) for x, y in whole]}, log_y=True)) == 1


def test_svg_escapes_names():
    svg = svg_chart({"a < b & c": [(0, 1), (1, 2)]}, title="<script>")
    assert "<script>" not in svg
    assert "a &lt; b &amp; c" in svg


def test_svg_keeps_every_point_inside_the_page():
    svg = svg_chart({"a": [(x, (-1) ** x * x) for x in range(30)]}, "t")
    path = next(e.get("d", "") for e in ElementTree.fromstring(svg).iter() if e.get("fill") == "none")
    points = [tuple(map(float, pair.split())) for pair in path[1:].split("L")]
    assert len(points) == 30
    assert all(72 <= x <= 696 and 0 <= y <= 344 for x, y in points)


def test_sparkline_shows_level_and_the_place_of_a_break():
    assert sparkline([0, 1, 2, 3, 4, 5, 6, 7]) == "▁▂▃▄▅▆▇█"
    assert sparkline([]) == ""
    assert sparkline([3, 3, 3]) == "▅▅▅"
    assert sparkline([1, INF, NAN, -INF]) == "▅!!!"
    assert len(sparkline(list(range(1000)), 24)) == 24
    assert sparkline([1e308, 1, 2])[0] == "!"


def test_thinning_keeps_the_ends_and_the_extremes():
    points = [(float(x), math.sin(x / 300)) for x in range(10_000)]
    points[5000] = (5000.0, 9.0)
    kept = thin(points, 500)
    assert len(kept) <= 502
    assert kept[0] == points[0]
    assert kept[-1] == points[-1]
    assert (5000.0, 9.0) in kept
    assert kept == sorted(kept)


@pytest.mark.parametrize(("low", "high"), [(0, 1), (-3.7, 12.2), (1e-9, 3e-9), (1e6, 5e8), (0.999, 1.001)])
def test_ticks_cover_the_range_in_even_steps(low, high):
    values = ticks(low, high, 5)
    steps = [b - a for a, b in itertools.pairwise(values)]
    assert values[0] <= low < high <= values[-1]
    assert 3 <= len(values) <= 9
    assert max(steps) == pytest.approx(min(steps))


def test_log_ticks_cover_the_range():
    assert log_ticks(-0.3, 0.2) == pytest.approx(
        [-1, math.log10(0.2), math.log10(0.5), 0, math.log10(2), math.log10(5), 1]
    )
    assert log_ticks(-40.0, 1.0)[0] <= -40
    assert len(log_ticks(-40.0, 1.0)) <= 10


def test_a_constant_gets_room_on_both_sides():
    assert extent([0.0, 0.0]) == (-1.0, 1.0)
    assert extent([-4.0]) == (-6.0, -2.0)


def test_labels_are_short():
    assert [label(v) for v in (0.1 + 0.2, 1e-12, 12345.0, 5e8, 0.0)] == ["0.3", "1e-12", "12345", "5e8", "0"]


def test_runs_split_at_what_cannot_be_drawn():
    assert runs([(0, NAN), (1, 1), (2, 10), (3, -1)], log_y=True) == [[(1.0, 0.0), (2.0, 1.0)]]
