"""The run folder: what a training leaves behind. Every file is written whole or not at all."""

from __future__ import annotations

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
        if not (path / CHECKPOINTS).is_dir():
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
            with temporary.open("wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


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
