"""Open `.npz` files that may come from anyone: nothing is unpickled, and sizes are checked before memory is taken."""

from __future__ import annotations

import math
import tokenize
import zipfile
import zlib
from lzma import LZMAError
from pathlib import Path
from struct import error as StructError
from typing import IO

import numpy as np
from numpy.lib import format as npy

from latih._checks import InputError

LIMIT = 2**33
"""Bytes that the arrays of one file may take; more belongs in a set that is read as it trains."""

_DAMAGE = (zipfile.BadZipFile, zlib.error, LZMAError, StructError, tokenize.TokenError)
_DAMAGE += (OSError, EOFError, ValueError, TypeError, LookupError, ArithmeticError, RuntimeError, SyntaxError)
_DAMAGE += (MemoryError,)  # what the parser of a header says of deep nesting


class Archive:
    """The arrays of an `.npz` file, by name. Raises `InputError` for whatever cannot be read safely."""

    def __init__(self, path: Path):
        self.path = path
        if path.exists() and not path.is_file():  # a pipe or a device may never end
            raise InputError(f"{path}: this is no file; name an .npz file.")
        try:
            with zipfile.ZipFile(path) as file:
                sizes = {info.filename: info.file_size for info in file.infolist()}
        except _DAMAGE as error:
            raise InputError(f"{path}: not a readable .npz file ({error}); write it with numpy.savez.") from None
        if sum(sizes.values()) > LIMIT:
            raise InputError(
                f"{path}: its arrays take {sum(sizes.values())} bytes, more than the {LIMIT} allowed; "
                "split it, or store pictures as a folder."
            )
        self.names = [name.removesuffix(".npy") for name in sizes if name.endswith(".npy")]

    def __getitem__(self, name: str) -> np.ndarray:
        try:
            with zipfile.ZipFile(self.path) as file:
                member = file.getinfo(f"{name}.npy")
                with file.open(member) as stream:
                    self._check(name, stream, member.file_size)
                with file.open(member) as stream:
                    return npy.read_array(stream, allow_pickle=False)
        except InputError:
            raise
        except _DAMAGE as error:
            raise InputError(f"{self.path}: array {name!r} is damaged ({error}); write the file again.") from None

    def _check(self, name: str, stream: IO[bytes], stored: int) -> None:
        """Hold what the header claims against what is stored, before an array of the claimed size is made."""
        version = npy.read_magic(stream)
        if version not in ((1, 0), (2, 0)):
            raise ValueError(f"npy version {version[0]}.{version[1]}, which plain arrays do not use")
        header = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = header(stream)
        if dtype.hasobject:
            raise InputError(
                f"{self.path}: array {name!r} holds Python objects, which would have to be unpickled and could run "
                "code; store numbers or text (dtype U)."
            )
        if not dtype.itemsize or any(side < 0 for side in shape):
            raise ValueError(f"its header claims a shape of {shape} and type {dtype}")
        claimed = math.prod(shape) * dtype.itemsize
        if claimed != stored - stream.tell():
            raise ValueError(f"its header claims {claimed} bytes and {stored - stream.tell()} are stored")
