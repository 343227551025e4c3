"""The run folder: what a training leaves behind. Every file is written whole or not at all."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from latih._checks import InputError

RECIPE, WEIGHTS, CARD, HISTORY = "recipe.toml", "model.safetensors", "model.json", "history.jsonl"
SUMMARY, CHECKPOINTS, REPORT = "summary.json", "checkpoints", "report.html"
FINDINGS = "findings.json"


def refuse_unusable(path: Path, *, resume: bool) -> None:
    """Say why `path` cannot be the run folder; touches nothing. An earlier run in it is only gone on with."""
    if resume:
        if (path / CHECKPOINTS).is_symlink():
            raise InputError(
                f"--out {path}: its {CHECKPOINTS} is a link that leads elsewhere, where a run would rename and remove; "
                "put the folder itself there."
            )
        if not any((path / CHECKPOINTS).glob("*step-*")) and not _only_begun(path):
            raise InputError(f"--out {path}: no checkpoints to resume from; start the run without --resume.")
    elif path.exists() and not path.is_dir():
        raise InputError(f"--out {path}: this is a file; name a folder.")
    elif path.is_dir() and any(path.iterdir()):
        raise InputError(f"--out {path}: the folder is not empty; go on with --resume, or name another folder.")


def claim(path: Path, *, resume: bool) -> None:
    """Create the run folder, or say why it cannot be used."""
    refuse_unusable(path, resume=resume)
    with writing(path):
        path.mkdir(parents=True, exist_ok=True)


def write(path: Path, content: bytes) -> None:
    """Write `content` so that a crash leaves either the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        try:
            write_through(temporary, content)
            temporary.replace(path)
            sync(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def write_through(path: Path, content: bytes) -> None:
    """Write `content`, and return when it would outlast the power."""
    with path.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def sync(folder: Path) -> None:
    """Return when the names in `folder` would outlast the power: syncing a file says nothing of its name."""
    if os.name == "nt":  # where a folder cannot be opened
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network drives have no such call
            raise
    finally:
        os.close(handle)


def _only_begun(path: Path) -> bool:
    """Whether a run was stopped here before its first checkpoint: nothing is lost by beginning again."""
    return (path / RECIPE).is_file() and not any((path / name).exists() for name in (HISTORY, WEIGHTS, SUMMARY))


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn what the system says of a failed write into one sentence."""
    try:
        yield
    except OSError as error:
        reason = error.strerror or str(error)
        raise InputError(
            f"cannot write {path}: {reason}; free some space or name another folder with --out "
            f"(what was saved before is intact)."
        ) from error
