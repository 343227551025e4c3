"""The files of a checkpoint, written to last, and hashed on the way: as little of a processor's time as that takes."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, BinaryIO

import torch
import xxhash
from safetensors import SafetensorError
from safetensors.torch import save_file
from torch import Tensor

from ._manifest import Entry

_PIECE = 1 << 20


def weights_written(path: Path, weights: dict[str, Tensor], header: dict[str, str] | None = None) -> Entry:
    """Write contiguous `weights` as safetensors, without holding up the training thread; raises `OSError`."""
    try:
        save_file(weights, path, header)  # to bytes it would keep Python's lock while it copies
    except SafetensorError as error:
        code = re.search(r"os error (\d+)", str(error))
        raise OSError(*((int(code[1]), os.strerror(int(code[1]))) if code else (str(error),))) from error
    path.chmod(path.parent.stat().st_mode & 0o666)  # safetensors leaves it to its owner alone
    size, hashed = 0, xxhash.xxh3_128()
    with path.open("r+b") as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
            size += len(piece)
        os.fsync(file.fileno())
    return Entry(size, hashed.hexdigest())


def state_written(path: Path, state: dict[str, Any]) -> Entry:
    """Write plain `state` as `torch.load(weights_only=True)` reads it; raises `OSError`."""
    with path.open("wb") as file:
        counting = _Counting(file)
        try:
            torch.save(state, counting)  # pyright: ignore[reportArgumentType] - it has all that torch asks of a file
        except RuntimeError:  # torch forgets what the file said
            if counting.failed is None:
                raise
            raise counting.failed from None
        file.flush()
        os.fsync(file.fileno())
    return Entry(counting.size, counting.hashed.hexdigest())


class _Counting:
    """A file that is being written, and what is known of it."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.size, self.hashed = file, 0, xxhash.xxh3_128()
        self.failed: OSError | None = None

    def write(self, content: bytes) -> int:
        try:
            self.file.write(content)
        except OSError as error:
            self.failed = error
            raise
        self.hashed.update(content)
        self.size += len(content)
        return len(content)

    def flush(self) -> None:
        self.file.flush()
