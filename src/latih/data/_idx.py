"""The idx format of MNIST: magic `00 00 type rank`, one big-endian int32 a dimension, then the values."""

from __future__ import annotations

import gzip
import math
import struct
import zlib
from pathlib import Path
from typing import BinaryIO

import numpy as np
import torch
from torch import Tensor

from latih._checks import InputError

_UNSIGNED_BYTE = 0x08
_LIMIT = 2**30  # bytes; twenty times MNIST: a header that claims more is damaged or made to exhaust memory


def read_idx(path: Path, rank: int) -> Tensor:
    """The uint8 tensor that an idx file holds, gzip-compressed or not.

    Args:
        path: Compressed where it ends in `.gz`.
        rank: Dimensions it must have: 3 for pictures (n, height, width), 1 for labels (n,).

    Raises:
        InputError: Where the file is not idx of unsigned bytes, has another rank, or is cut short or too long.
    """
    try:
        with gzip.open(path) if path.suffix == ".gz" else path.open("rb") as file:
            return _parsed(path, file, rank)
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: the file cannot be read ({error}); fetch it again.") from None


def _parsed(path: Path, file: BinaryIO | gzip.GzipFile, rank: int) -> Tensor:
    magic = file.read(4)
    if magic != bytes([0, 0, _UNSIGNED_BYTE, rank]):
        raise InputError(
            f"{path}: it starts with {magic.hex(' ') or 'nothing'}, but an idx file of {rank} dimensions of unsigned "
            f"bytes starts with 00 00 08 {rank:02x}; fetch it again."
        )
    sides = file.read(4 * rank)
    if len(sides) < 4 * rank:
        raise InputError(f"{path}: the file ends inside its header; fetch it again.")
    shape = struct.unpack(f">{rank}I", sides)
    size = math.prod(shape)
    if size > _LIMIT:
        raise InputError(f"{path}: its header claims {size} bytes, more than the {_LIMIT} allowed; fetch it again.")
    values = file.read(size + 1)  # one more than promised, so that a file that goes on is noticed
    if len(values) != size:
        found = "more" if len(values) > size else f"{len(values)}"
        raise InputError(f"{path}: its header promises {size} values and it holds {found}; fetch it again.")
    return torch.from_numpy(np.frombuffer(values, np.uint8).copy()).view(shape)
