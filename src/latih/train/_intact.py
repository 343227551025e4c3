"""Which checkpoints of a run folder can be gone on from, and which epoch was best."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

from latih._checks import InputError

from . import run_folder
from ._manifest import Damaged, verified

BEST = "best"


def found(folder: Path) -> list[Path]:
    """The checkpoints of a run folder, oldest first."""
    return sorted((folder / run_folder.CHECKPOINTS).glob("step-*"))


def place(folder: Path, step: int) -> Path:
    """Where the checkpoint after `step` updates lies."""
    return folder / run_folder.CHECKPOINTS / f"step-{step:09d}"


def newest_intact(folder: Path, say: Callable[[str], object]) -> dict[str, bytes | Path] | None:
    """The files of the newest checkpoint that is as it was written; None where none was written yet.

    Damaged ones that are newer are set aside, and one line says so. Raises `InputError` where none is intact.
    """
    damaged: list[tuple[Path, Damaged]] = []
    for checkpoint in reversed(found(folder)):
        try:
            contents = verified(checkpoint)
        except Damaged as why:
            damaged.append((checkpoint, why))
            continue
        if damaged:
            _set_aside([one for one, _ in damaged])
            said = ", ".join(f"{one.name} ({why})" for one, why in damaged)
            say(f"{folder}: damaged and set aside as damaged-*: {said}; going on from {checkpoint.name}")
        return contents
    if damaged:
        newest, why = damaged[0]
        raise InputError(
            f"{folder}: none of its {len(damaged)} checkpoints is intact ({newest.name}, {why}); start again with "
            "another --out."
        )
    return None


def remove_leftovers(folder: Path) -> None:
    """Remove what a killed process had begun to write."""
    for inside in (folder, folder / run_folder.CHECKPOINTS):
        for begun in inside.glob(".*.tmp"):
            shutil.rmtree(begun, ignore_errors=True) if begun.is_dir() else begun.unlink(missing_ok=True)


def remember_best(folder: Path, best: Path | None) -> Path | None:
    """Let `checkpoints/best` point at `best` if that is there; returns what it points at."""
    link = folder / run_folder.CHECKPOINTS / BEST
    if best is None or not best.exists():
        return None
    if not link.is_symlink() or os.readlink(link) != best.name:
        temporary = link.with_name(f".{BEST}.tmp")
        with run_folder.writing(link):
            temporary.unlink(missing_ok=True)
            _point(temporary, best.name)
            temporary.replace(link)
    return best


def _point(link: Path, name: str) -> None:
    """A link, or on a file system without links a file that holds the name."""
    try:
        link.symlink_to(name)
    except (OSError, NotImplementedError):
        link.write_text(name, encoding="utf-8")


def _set_aside(damaged: list[Path]) -> None:
    for checkpoint in damaged:
        aside = checkpoint.with_name(f"damaged-{checkpoint.name}")
        with run_folder.writing(aside):
            shutil.rmtree(aside, ignore_errors=True)
            checkpoint.rename(aside)
