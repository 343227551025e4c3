"""What a checkpoint says of itself: its format, where the run stood, and every file with its size and hash."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

import msgspec

from latih._checks import InputError
from latih._version import __version__

from . import run_folder

MANIFEST, STATE = "manifest.json", "state.pt"
FORMAT = 1


class Damaged(Exception):  # noqa: N818 - there may be another checkpoint
    """A checkpoint is not what was written; the message says how."""


class Entry(msgspec.Struct, frozen=True):
    """One file."""

    size: int
    """Bytes."""
    sha256: str


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """The content of manifest.json."""

    format: int = FORMAT
    latih: str = __version__
    step: int
    """Updates done."""
    epoch: int
    """Epochs done."""
    files: dict[str, Entry]


class _Version(msgspec.Struct):
    format: int
    latih: str


def manifest(contents: Mapping[str, bytes], step: int, epoch: int) -> bytes:
    """The manifest of files with these `contents`."""
    files = {name: Entry(len(content), hashlib.sha256(content).hexdigest()) for name, content in contents.items()}
    return msgspec.json.format(msgspec.json.encode(Manifest(step=step, epoch=epoch, files=files)), indent=2)


def verified(folder: Path) -> dict[str, bytes]:
    """The files of the checkpoint `folder`, as they were written.

    Raises `Damaged` where one is missing or changed, and `InputError` for a format that is newer than this code.
    """
    try:
        if not (folder / MANIFEST).is_file() and (folder / MANIFEST).exists():
            raise Damaged(f"{MANIFEST}: not a plain file")
        content = (folder / MANIFEST).read_bytes()
        version = msgspec.json.decode(content, type=_Version)
        if version.format > FORMAT:
            raise InputError(f"{folder}: written by latih {version.latih}, whose format is newer; upgrade latih.")
        files = msgspec.json.decode(content, type=Manifest).files
        missing = {run_folder.WEIGHTS, STATE} - files.keys()
        if missing:
            raise Damaged(f"{MANIFEST}: names no {min(missing)}")
        return {name: _read(folder / name, files[name]) for name in (run_folder.WEIGHTS, STATE)}
    except OSError as error:
        raise Damaged(f"{Path(error.filename or folder).name}: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"{MANIFEST}: {error}") from None


def _read(path: Path, entry: Entry) -> bytes:
    """The content of a file that is what the manifest says; one of another size is not read at all."""
    size = path.lstat().st_size  # raises where there is none
    if path.is_symlink() or not path.is_file():
        raise Damaged(f"{path.name}: not a plain file")
    if size != entry.size:
        raise Damaged(f"{path.name}: {size:,} bytes instead of {entry.size:,}")
    content = path.read_bytes()
    if hashlib.sha256(content).hexdigest() != entry.sha256:
        raise Damaged(f"{path.name}: its SHA-256 is not the one written down")
    return content
