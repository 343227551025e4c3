"""What a checkpoint says of itself: its format, where the run stood, and every file with its size and hash."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import msgspec
import xxhash

from latih._checks import InputError
from latih._version import __version__

from . import run_folder

MANIFEST, STATE = "manifest.json", "state.pt"
FORMAT = 1
_SHARD = re.compile(r"shard-\d{1,9}-of-(\d{1,9})\.safetensors")
_PIECE = 1 << 20


class Damaged(Exception):  # noqa: N818 - there may be another checkpoint
    """A checkpoint is not what was written; the message says how."""


class Entry(msgspec.Struct, frozen=True):
    """One file."""

    size: int
    """Bytes."""
    xxh3: str
    """Of 128 bits: quick, and all that chance can do to a file it sees; it is no protection against forgery."""


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


def manifest(files: Mapping[str, Entry], step: int, epoch: int) -> bytes:
    """The manifest of a checkpoint of these `files`."""
    return msgspec.json.format(msgspec.json.encode(Manifest(step=step, epoch=epoch, files=dict(files))), indent=2)


def verified(folder: Path) -> dict[str, bytes | Path]:
    """The files of the checkpoint `folder`, as they were written; shards, which may be large, as paths.

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
        shards = _shards(files)
        missing = {STATE, *([] if shards else [run_folder.WEIGHTS])} - files.keys()
        if missing:
            raise Damaged(f"{MANIFEST}: names no {min(missing)}")
        found: dict[str, bytes | Path] = {name: _same(folder / name, files[name]) for name in shards}
        return found | {
            name: _read(folder / name, files[name]) for name in (run_folder.WEIGHTS, STATE) if name in files
        }
    except OSError as error:
        raise Damaged(f"{Path(error.filename or folder).name}: {error.strerror or error}") from None
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Damaged(f"{MANIFEST}: {error}") from None


def _shards(files: Mapping[str, Entry]) -> list[str]:
    """The names of all shards, of a checkpoint that is in shards."""
    sizes = {found[1] for name in files if (found := _SHARD.fullmatch(name))}
    if len(sizes) > 1:
        raise Damaged(f"{MANIFEST}: names shards of several checkpoints")
    for size in sizes:
        names = [f"shard-{place}-of-{size}.safetensors" for place in range(1, min(int(size), len(files)) + 1)]
        lacks = next((name for name in names if name not in files), None)
        if lacks is not None or len(names) < int(size):
            raise Damaged(f"{MANIFEST}: names no {lacks or 'more shards'}")
        return names
    return []


def _read(path: Path, entry: Entry) -> bytes:
    """The content of a file that is what the manifest says; one of another size is not read at all."""
    _refuse_other_size(path, entry)
    content = path.read_bytes()
    _refuse_other_hash(path, entry, xxhash.xxh3_128_hexdigest(content))
    return content


def _same(path: Path, entry: Entry) -> Path:
    """The path of a file that is what the manifest says; its content is not kept."""
    _refuse_other_size(path, entry)
    hashed = xxhash.xxh3_128()
    with path.open("rb") as file:
        while piece := file.read(_PIECE):
            hashed.update(piece)
    _refuse_other_hash(path, entry, hashed.hexdigest())
    return path


def _refuse_other_hash(path: Path, entry: Entry, found: str) -> None:
    if found != entry.xxh3:
        raise Damaged(f"{path.name}: its hash is not the one written down")


def _refuse_other_size(path: Path, entry: Entry) -> None:
    size = path.lstat().st_size  # raises where there is none
    if path.is_symlink() or not path.is_file():
        raise Damaged(f"{path.name}: not a plain file")
    if size != entry.size:
        raise Damaged(f"{path.name}: {size:,} bytes instead of {entry.size:,}")
