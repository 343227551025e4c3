"""A file that costs a processor little to write: past the page cache where the system lets us, hashed on the way."""

from __future__ import annotations

import errno
import mmap
import os
from pathlib import Path
from typing import Any

import xxhash

from ._manifest import Entry

_STAGE, _BLOCK = 1 << 20, 4096
"""Bytes that are collected and written at once, and what a disk takes as a whole."""


class Lasting:
    """Opened for writing; `end` returns when all of it would outlast the power, and says what it is.

    A checkpoint is not read again soon, so pages kept of it only push others out, and finding them takes longer than
    the disk does. Where the system has no such way, the usual one is taken. Raises `OSError`; `failed` is its last.
    """

    def __init__(self, path: Path) -> None:
        self.size, self.hashed = 0, xxhash.xxh3_128()
        self.failed: OSError | None = None
        self._stage, self._filled = mmap.mmap(-1, _STAGE), 0
        self._handle = _opened(path)

    def write(self, content: Any) -> int:
        """Append bytes, or anything that lies in memory as such; returns how many."""
        view = memoryview(content).cast("B")
        self.hashed.update(view)
        self.size += len(view)
        done = 0
        while done < len(view):
            part = min(len(view) - done, _STAGE - self._filled)
            self._stage[self._filled : self._filled + part] = view[done : done + part]
            self._filled, done = self._filled + part, done + part
            if self._filled == _STAGE:
                self._pass_on()
        return len(view)

    def flush(self) -> None:
        """Nothing: a part of a block cannot be written yet."""

    def end(self) -> Entry:
        """Write the rest, and wait for the disk."""
        if self._filled:
            self._filled = -(-self._filled // _BLOCK) * _BLOCK
            self._pass_on()
        os.ftruncate(self._handle, self.size)
        os.fsync(self._handle)
        return Entry(self.size, self.hashed.hexdigest())

    def close(self) -> None:
        """Give back what it holds."""
        os.close(self._handle)
        self._stage.close()

    def _pass_on(self) -> None:
        view = memoryview(self._stage)[: self._filled]
        try:
            while view:
                view = view[self._written(view) :]
        except OSError as error:
            self.failed = error
            raise
        finally:
            view.release()
        self._filled = 0

    def _written(self, view: memoryview) -> int:
        try:
            return os.write(self._handle, view)
        except OSError as error:
            # some file systems say only now that they have no such way, others after half of a block
            if error.errno != errno.EINVAL or not _as_usual(self._handle):
                raise
            return os.write(self._handle, view)


def _opened(path: Path) -> int:
    usual = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | getattr(os, "O_BINARY", 0)
    try:
        return os.open(path, usual | getattr(os, "O_DIRECT", 0), 0o666)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        return os.open(path, usual, 0o666)


def _as_usual(handle: int) -> bool:
    """Go on through the page cache; whether that is anything new."""
    if not hasattr(os, "O_DIRECT"):
        return False
    import fcntl

    flags = fcntl.fcntl(handle, fcntl.F_GETFL)
    fcntl.fcntl(handle, fcntl.F_SETFL, flags & ~os.O_DIRECT)
    return bool(flags & os.O_DIRECT)
