"""Which images a folder holds: in natural order, hidden files ignored, nothing from outside the folder."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from latih._checks import InputError

IMAGE_ENDINGS = (".bmp", ".gif", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


class Found(NamedTuple):
    """What lies in a folder and the folders in it."""

    images: list[Path]
    others: int  # files that are not images by the ending of their name


def natural(name: str) -> tuple[list[str | int], str]:
    """Sorting key in which "img2" comes before "img10".

    >>> sorted(["img10", "img2", "Img1"], key=natural)
    ['Img1', 'img2', 'img10']
    """
    parts = re.split(r"([0-9]+)", name.casefold())
    return [int(part) if place % 2 else part for place, part in enumerate(parts)], name


def find_images(folder: Path, root: Path) -> Found:
    """All images in `folder` and its folders; raises `InputError` for a link that leads out of `root`."""
    images, others = [], 0
    for entry in _entries(folder, root):
        if entry.is_dir():
            found = find_images(entry, root)
            images += found.images
            others += found.others
        elif entry.is_file() and entry.suffix.lower() in IMAGE_ENDINGS:
            images.append(entry)
        else:
            others += 1
    return Found(images, others)


def subfolders(folder: Path, root: Path) -> list[Path]:
    """The folders right in `folder`, in natural order."""
    return [entry for entry in _entries(folder, root) if entry.is_dir()]


def loose_files(folder: Path, root: Path) -> Found:
    """The files right in `folder`."""
    files = [entry for entry in _entries(folder, root) if not entry.is_dir()]
    images = [file for file in files if file.suffix.lower() in IMAGE_ENDINGS]
    return Found(images, len(files) - len(images))


def _entries(folder: Path, root: Path) -> list[Path]:
    try:
        names = [name for name in os.listdir(folder) if not name.startswith(".")]
    except OSError as error:
        raise InputError(f"{folder}: the folder cannot be read ({error.strerror}).") from None
    entries = [folder / name for name in sorted(names, key=natural)]
    for entry in entries:
        if entry.is_symlink():
            _check_link(entry, root)
    return entries


def _check_link(entry: Path, root: Path) -> None:
    target = Path(os.path.realpath(entry))
    if not target.exists():
        raise InputError(f"{entry}: the link leads nowhere; delete it.")
    if not target.is_relative_to(os.path.realpath(root)):
        raise InputError(f"{entry}: the link leads out of {root}; copy what it points at into the folder.")
    if target.is_dir():  # it may hold itself, or bring images into two classes
        raise InputError(f"{entry}: a link to a folder is not followed; copy the folder, or delete the link.")
