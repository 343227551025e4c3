"""Features in a file: written whole or not at all, checked before they are used, the oldest thrown out.

A file holds the rows one after the other, then a footer (JSON: format, rows, shape, dtype, checksum), its length and a
magic number. One rename puts all of that in place, so no file with half of it is ever found.
"""

from __future__ import annotations

import contextlib
import math
import os
import shutil
import tempfile
import time
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
import torch
from torch import Tensor

from latih._checks import InputError

FORMAT = 1
ENDING = ".features"
_PART = ".part"
_MAGIC = b"latihfea"
_CHUNK = 2**24  # bytes read at a time
_ABANDONED = 3600.0  # seconds for which no writer leaves its file alone


@dataclass(frozen=True)
class Layout:
    """`rows` examples, each of `shape` and `dtype`."""

    rows: int
    shape: tuple[int, ...]
    dtype: torch.dtype

    @property
    def row_bytes(self) -> int:
        """Of one example."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def bytes(self) -> int:
        """Of all examples."""
        return self.rows * self.row_bytes


class _Footer(msgspec.Struct, frozen=True):
    format: int
    rows: int
    shape: tuple[int, ...]
    dtype: str
    checksum: int
    """CRC-32 of the rows: against damage, not against forgery."""


def write(path: Path, parts: Iterable[Tensor], layout: Layout) -> None:
    """Write `parts`, which make up the rows of `layout`, so that `path` appears only once everything is on the disk.

    Raises `InputError` where the disk has no room for the rows, before any part is asked for, or cannot be written.
    """
    with _writing(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        free = shutil.disk_usage(path.parent).free
        if layout.bytes > free:
            raise InputError(
                f"the features take {size(layout.bytes)} and {path.parent} has {size(free)} free; train without them "
                "by cache=False, or name a folder with more room."
            )
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.stem[:16]}.", suffix=_PART)
    try:
        with os.fdopen(handle, "wb") as file:
            checksum = 0
            for part in parts:
                content = part.detach().cpu().contiguous().reshape(-1).view(torch.uint8).numpy().data
                checksum = zlib.crc32(content, checksum)
                with _writing(path.parent):
                    file.write(content)
            with _writing(path.parent):
                file.write(_footer(layout, checksum))
                file.flush()
                os.fsync(file.fileno())
        with _writing(path.parent):
            os.replace(name, path)
    except BaseException:
        with contextlib.suppress(OSError):
            os.unlink(name)
        raise


def damage(path: Path, layout: Layout) -> str | None:
    """What is wrong with the file, as a clause; None where it holds `layout` whole, every byte as it was written."""
    try:
        with path.open("rb") as file:
            file.seek(layout.bytes)
            written = _checksum(file.read(_CHUNK), layout)
            if written is None:
                return "is not the whole of these features"
            file.seek(0)
            checksum, left = 0, layout.bytes
            while left and (content := file.read(min(_CHUNK, left))):
                checksum, left = zlib.crc32(content, checksum), left - len(content)
    except OSError as error:
        return f"cannot be read ({error.strerror})"
    return None if checksum == written and not left else "is damaged: its checksum does not fit"


def rows_of(path: Path, layout: Layout) -> np.ndarray:
    """The rows (rows, bytes) uint8 as they lie in the file, none of them read yet."""
    return np.asarray(np.memmap(path, np.uint8, "r", shape=(layout.rows, layout.row_bytes)))


def mark_used(path: Path) -> None:
    """Make it the most recently used: its time of change, for few systems keep that of reading."""
    with contextlib.suppress(OSError):
        os.utime(path)


def prune(folder: Path, keep_bytes: int = 8 * 2**30) -> list[Path]:
    """Delete the least recently used features in `folder` until the rest takes at most `keep_bytes`; return them.

    The most recently used always stays, whatever its size. What a killed run left half written goes too, after an hour.
    """
    removed = [part for part in folder.glob(f".*{_PART}") if _age(part) > _ABANDONED and _removed(part)]
    files = sorted(folder.glob(f"*{ENDING}"), key=_age)
    total = 0
    for place, file in enumerate(files):
        with contextlib.suppress(OSError):
            total += file.stat().st_size
        if place and total > keep_bytes and _removed(file):
            removed.append(file)
    return removed


def size(count: int) -> str:
    """A number of bytes in words.

    >>> size(3 * 2**29)
    '1.5 GiB'
    """
    power = min(max(count, 1).bit_length() - 1, 49) // 10
    return f"{count} bytes" if power == 0 else f"{count / 1024**power:.1f} {' KMGT'[power]}iB"


def _footer(layout: Layout, checksum: int) -> bytes:
    words = _Footer(FORMAT, layout.rows, layout.shape, str(layout.dtype), checksum)
    content = msgspec.json.encode(words)
    return content + len(content).to_bytes(8, "little") + _MAGIC


def _checksum(tail: bytes, layout: Layout) -> int | None:
    """As the footer says, where `tail` is nothing but the footer of such a file."""
    content, length, magic = tail[:-16], tail[-16:-8], tail[-8:]
    if magic != _MAGIC or int.from_bytes(length, "little") != len(content):
        return None
    try:
        found = msgspec.json.decode(content, type=_Footer)
    except msgspec.DecodeError:
        return None
    same = found == _Footer(FORMAT, layout.rows, layout.shape, str(layout.dtype), found.checksum)
    return found.checksum if same else None


def _age(file: Path) -> float:
    """Seconds since it was last written or used."""
    try:
        return time.time() - file.stat().st_mtime
    except OSError:
        return 0.0  # gone meanwhile


def _removed(file: Path) -> bool:
    try:
        file.unlink()
    except OSError:
        return False  # gone already, or held open by a system that does not let go
    return True


@contextlib.contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise InputError(
            f"the features cannot be written to {folder}: {error.strerror or error}; train without them by "
            "cache=False, or name another folder."
        ) from error
