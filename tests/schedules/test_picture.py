"""A schedule's curve as a file, and the PNG that it is drawn by."""

import io
import math
import xml.etree.ElementTree as ElementTree

import numpy as np
import pytest
from PIL import Image

from latih._checks import InputError
from latih._plot import png_chart
from latih.schedules import cosine, warmup

NAN = math.nan
HARD = {
    "nothing": {},
    "an empty series": {"a": []},
    "one point": {"a": [(0, 1.0)]},
    "a constant": {"a": [(0, 2.0), (1, 2.0)]},
    "only nan": {"a": [(0, NAN), (1, NAN)]},
    "gaps": {"a": [(0, 1.0), (1, NAN), (2, math.inf), (3, -math.inf), (4, 2.0)]},
    "huge and tiny": {"a": [(0, -1e308), (1, 1e299), (2, 1e-320)]},
    "many": {f"series {i}": [(x, x * i) for x in range(50)] for i in range(20)},
    "long": {"a": [(x, math.sin(x / 500)) for x in range(20_000)]},
    "another script": {"läuft ✓": [(0, 1.0), (1, 3.0)]},
}


def opened(content):
    with Image.open(io.BytesIO(content)) as image:
        image.load()
        return image


def inked(image, colour):
    """The columns and rows where this colour is, as (left, right, top, bottom)."""
    near = np.abs(np.asarray(image).astype(int) - colour).max(axis=2) < 40  # smoothing mixes it with the ground
    ys, xs = near.nonzero()
    return xs.min(), xs.max(), ys.min(), ys.max()


@pytest.mark.parametrize("log_y", [False, True])
@pytest.mark.parametrize("series", HARD.values(), ids=HARD.keys())
def test_png_draws_anything(series, log_y):
    image = opened(png_chart(series, "a title", "x", "a label", log_y))
    assert (image.format, image.size) == ("PNG", (1440, 800))
    assert len(image.getcolors(1 << 24)) > 3  # not a blank page


def test_the_curve_lies_where_its_values_are():
    image = opened(png_chart({"": [(0, 0.0), (10, 0.0), (10, 1.0)]}))  # along the bottom, then up the right edge
    left, right, top, bottom = inked(image, (0, 0x82, 0xC8))
    assert abs(right - 2 * (720 - 24)) <= 3
    assert abs(bottom - 2 * (400 - 56)) <= 3
    assert (left, top) < (2 * 84 + 4, 100)


@pytest.mark.parametrize("ending", ["svg", "png", "PNG"])
def test_a_plot_is_written_and_still_comes_back_as_text(tmp_path, ending):
    path = tmp_path / f"rate.{ending}"
    schedule = warmup(10) >> cosine()
    assert schedule.plot(100, lr=0.1, path=path) == schedule.plot(100, lr=0.1)
    assert schedule.plot(100, path=str(path)).startswith("learning rate\n")
    if ending == "svg":
        texts = [element.text for element in ElementTree.parse(path).iter() if element.text]
        assert "learning rate" in texts
        assert "update" in texts
    else:
        assert opened(path.read_bytes()).format == "PNG"


@pytest.mark.parametrize("name", ["rate.pdf", "rate", "rate.svg.gz"])
def test_another_ending_gets_one_sentence(tmp_path, name):
    with pytest.raises(InputError, match=r"^plot\(path='.*'\): path must end in \.svg or \.png; write plot"):
        cosine().plot(100, path=tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_a_missing_folder_gets_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot be written \(No such file or directory\); name a file in a folder"):
        cosine().plot(100, path=tmp_path / "missing" / "rate.svg")
