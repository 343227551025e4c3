"""`latih predict`: a finished run answers for new inputs."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import tyro

from ._arguments import read


@dataclass(frozen=True)
class Predict:
    """Predict DATA with the model in the run folder RUN.

    Classes come with their probabilities, values in the units of the targets.
    """

    run: Annotated[tyro.conf.Positional[Path], tyro.conf.arg(metavar="RUN")]
    """A run folder that `latih train` left."""
    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DATA")]
    """A table with the same columns, an .npz with x, an image or a folder of them, or a named set (its test images)."""
    out: Path | None = None
    """A .csv or .parquet file; default: CSV on standard output."""
    model: str | None = None
    """package.module:factory, to allow a run whose network is code of your own."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; "auto" takes the accelerator where there is one."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = read(Predict, words, "predict")
    from latih.train import predict

    predictions = predict(asked.run, asked.data, factory=asked.model, device=asked.device)
    if asked.out is None:
        sys.stdout.write(predictions.table().write_csv())
    else:
        predictions.save(asked.out)
        print(f"{len(predictions.ids):,} predictions -> {asked.out}")
    return 0
