"""A schedule's curve as a file."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from latih._checks import InputError
from latih._plot import png_chart, svg_chart


def write(path: Path, rates: Sequence[tuple[float, float]]) -> None:
    """Draw `rates` (update, learning rate) into `path`, an .svg or a .png file."""
    ending = path.suffix.lower()
    if ending not in (".svg", ".png"):
        raise InputError(f"plot(path={str(path)!r}): path must end in .svg or .png; write plot(1000, path='rate.svg').")
    series = {"learning rate": rates}
    if ending == ".svg":
        content = svg_chart(series, "schedule", "update").encode()
    else:
        content = png_chart(series, "schedule", "update")
    try:
        path.write_bytes(content)
    except OSError as error:
        raise InputError(
            f"plot(path={str(path)!r}): cannot be written ({error.strerror}); name a file in a folder that exists."
        ) from error
