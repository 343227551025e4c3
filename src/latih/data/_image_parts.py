"""Which folder is training, validation and test, and which class each of its images belongs to."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from latih._checks import InputError

from ._image_files import find_images, loose_files, subfolders
from ._table_file import listing

_VALID = ("valid", "val", "validation")


class Parts(NamedTuple):
    """Folders that hold one subfolder a class."""

    train: Path
    valid: Path | None
    test: Path | None


class Labelled(NamedTuple):
    """The images of a part, class by class."""

    paths: list[Path]
    labels: list[int]
    classes: tuple[str, ...]
    notes: list[str]


def find_parts(root: Path, valid: Path | None) -> Parts:
    """Take `train/`, `valid/` (`val/`, `validation/`) and `test/` as the parts if there is a `train/` beside another.

    Raises `InputError` for a folder that is not there, for further folders beside the parts, and for validation
    images given twice.
    """
    for folder in filter(None, (root, valid)):
        if not folder.is_dir():
            raise InputError(f"{folder}: there is no such folder; pass one with a subfolder for each class.")
    folders = {folder.name.lower(): folder for folder in subfolders(root, root)}
    validating = [folders[name] for name in _VALID if name in folders]
    test = folders.get("test")
    if "train" not in folders or not (validating or test or len(folders) == 1):
        return Parts(root, valid, None)
    further = [folder.name for name, folder in folders.items() if name not in ("train", "test", *_VALID)]
    if further:
        raise InputError(
            f"{root}: beside the parts train, valid and test there is {listing(further)}; "
            "keep the parts, or the classes, in a folder of their own."
        )
    if len(validating) + (valid is not None) > 1:
        raise InputError(
            f"{root}: validation images are given twice, {listing([str(p) for p in [*validating, valid] if p])}; "
            "keep one of them."
        )
    return Parts(folders["train"], valid or (validating[0] if validating else None), test)


def label_images(folder: Path, root: Path, classes: tuple[str, ...] | None = None) -> Labelled:
    """All images of `folder`, labelled by its subfolders in natural order, which name the classes.

    With `classes` given (those of training), raises `InputError` for an image of any other class; without, for
    fewer than two classes. Raises it for a folder without subfolders or images.
    """
    found = {entry.name: find_images(entry, root) for entry in subfolders(folder, root)}
    loose = loose_files(folder, root)
    filled = tuple(name for name, part in found.items() if part.images)
    if not filled:
        where = "lie right in it" if loose.images else "are nowhere in it"
        raise InputError(f"{folder}: images {where}; a folder needs one subfolder of images for each class.")
    known = filled if classes is None else classes
    odd = [name for name in filled if not _is_text(name)]
    if odd:
        raise InputError(f"{folder}: the folder name {odd[0]!r} is not UTF-8 text, and names a class; rename it.")
    unknown = [name for name in filled if name not in known]
    if unknown:
        raise InputError(
            f"{folder}: there are images of {listing(unknown, 5)}, which training does not have; "
            f"its classes are {listing(list(known))}."
        )
    if len(known) < 2:
        raise InputError(f"{folder}: {filled[0]!r} is the only class with images; add a subfolder for a second one.")
    labelled = [(path, known.index(name)) for name in filled for path in found[name].images]
    empty = [name for name in found if name not in filled]
    others = loose.others + sum(part.others for part in found.values())
    notes = [
        f"{folder.name}: folders without images are no classes: {listing(empty, 5)}" if empty else "",
        f"{folder.name}: {len(loose.images)} images outside the class folders left out" if loose.images else "",
        f"{folder.name}: {others} files that are not images left out" if others else "",
    ]
    return Labelled(
        [path for path, _ in labelled], [label for _, label in labelled], known, [note for note in notes if note]
    )


def _is_text(name: str) -> bool:
    """Whether the name of a file can be written into a model: other systems' names may not be UTF-8."""
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True
