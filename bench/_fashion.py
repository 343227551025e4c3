"""Fashion-MNIST from its idx files: 55,000 training images as standardised float32 vectors."""

from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

FOLDER = Path("/usr/share/datasets/fashion-mnist")  # where Debian's dataset-fashion-mnist puts it
TRAINING = 55_000  # the other 5,000 are the chapter's validation set


def fashion(folder: Path = FOLDER) -> tuple[Tensor, Tensor]:
    """Inputs (55000, 784) float32 of mean 0 and deviation 1 over all pixels, and classes (55000,) int64."""
    try:
        images = _values(folder / "train-images-idx3-ubyte.gz", header=16)
        labels = _values(folder / "train-labels-idx1-ubyte.gz", header=8)
    except FileNotFoundError as error:
        raise SystemExit(f"{error.filename}: not there; install dataset-fashion-mnist or pass --data.") from None
    inputs = torch.from_numpy(images.reshape(-1, 784)[:TRAINING].astype(np.float32))
    return (inputs - inputs.mean()) / inputs.std(), torch.from_numpy(labels[:TRAINING].astype(np.int64))


def _values(path: Path, header: int) -> np.ndarray:
    with gzip.open(path) as file:
        return np.frombuffer(file.read(), np.uint8, offset=header)
