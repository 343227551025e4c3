"""`latih export`: a finished run as a file that other runtimes read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ._arguments import read


@dataclass(frozen=True)
class Export:
    """Write the model in the run folder RUN as ONNX, standardisation included.

    The file is checked against the model with onnxruntime before it is written.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A run folder that `latih train` left."""
    onnx: Path | None = None
    """The file to write; default: RUN/model.onnx."""
    model: str | None = None
    """package.module:factory, to allow a run whose network is code of your own."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = read(Export, words, "export")
    from latih.train import export_onnx

    path = asked.onnx or asked.run / "model.onnx"
    difference = export_onnx(asked.run, path, factory=asked.model)
    print(f"{asked.run} -> {path}; largest difference from the model: {difference:.1e}")
    return 0
