"""Pack the part of Fashion-MNIST that ships inside latih: `python scripts/make_fashion_mini.py [FOLDER]`.

FOLDER holds the four idx files (Debian's dataset-fashion-mnist by default). The same files give the same bytes.
"""

import sys
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from latih.data._idx import read_idx

SOURCE = Path("/usr/share/datasets/fashion-mnist")
PACKED = Path(__file__).parents[1] / "src/latih/data/fashion_mini/fashion_mini.npz"
TRAIN_EACH, TEST_EACH = 1000, 200


def first_of_each_class(labels: Tensor, count: int) -> Tensor:
    """Indices of the first `count` examples of every class, in the order of the file."""
    chosen = [torch.nonzero(labels == label).flatten()[:count] for label in labels.unique()]
    return torch.cat(chosen).sort().values


def read(folder: Path, part: str, count: int) -> tuple[np.ndarray, np.ndarray]:
    """Pictures (n, 28, 28) and labels (n,) of one part, as uint8."""
    pictures = read_idx(folder / f"{part}-images-idx3-ubyte.gz", rank=3)
    labels = read_idx(folder / f"{part}-labels-idx1-ubyte.gz", rank=1)
    chosen = first_of_each_class(labels, count)
    return pictures[chosen].numpy(), labels[chosen].numpy()


def pack(folder: Path, packed: Path) -> None:
    """Write the arrays; numpy gives each the zip format's earliest date, so nothing of today gets in."""
    x_train, y_train = read(folder, "train", TRAIN_EACH)
    x_test, y_test = read(folder, "t10k", TEST_EACH)
    np.savez_compressed(packed, x_train=x_train, y_train=y_train, x_test=x_test, y_test=y_test)


if __name__ == "__main__":
    pack(Path(sys.argv[1]) if len(sys.argv) > 1 else SOURCE, PACKED)
    print(f"{PACKED}: {PACKED.stat().st_size:,} bytes")
