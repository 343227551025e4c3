"""Named sets: `load("fashion-mnist")` finds the files on this machine, or fetches and checks them."""

from __future__ import annotations

import os
from pathlib import Path

import torch
from platformdirs import user_cache_path
from torch import Tensor

from latih._checks import InputError

from ._archive import Archive
from ._arrays import as_inputs
from ._base import Data
from ._fetch import fetch
from ._idx import read_idx
from ._npz import ArraySchema
from ._published import CLOTHING, PARTS, PUBLISHED
from ._split import split, split_notes
from ._tensors import TensorExamples

NAMED = {
    "fashion-mini": "12,000 of the pictures of Fashion-MNIST, inside latih: 10,000 for training, 2,000 for test",
    "fashion-mnist": "70,000 grey 28 x 28 pictures of 10 kinds of clothing (Xiao, Rasul and Vollgraf, 2017)",
    "mnist": "70,000 grey 28 x 28 pictures of handwritten digits (LeCun, Cortes and Burges, 1998)",
}
"""Name -> what it is."""

_MINI = Path(__file__).parent / "fashion_mini" / "fashion_mini.npz"
_SYSTEM = Path("/usr/share/datasets")  # where Debian's dataset-* packages install


def load_named(name: str, *, valid_fraction: float, seed: int) -> Data:
    """Read a named set: validation is held out of its training part, its test part stays as published.

    The idx files, compressed or not, are looked for in `$LATIH_DATA/<name>`, in Debian's `/usr/share/datasets/<name>`
    and in the user's cache; what none of these has is downloaded into the cache and checked by its SHA-256.
    """
    if name == "fashion-mini":
        classes, parts = CLOTHING, _mini()
    else:
        classes, parts = PUBLISHED[name].classes, _published(name)
    everything, test = _examples(name, parts[:2], len(classes)), _examples(name, parts[2:], len(classes))
    if everything.shape != test.shape or 0 in everything.shape or 0 in (len(everything), len(test)):
        raise InputError(
            f"load({name!r}): the {len(everything)} pictures for training have shape {everything.shape}, the "
            f"{len(test)} for test {test.shape}; fetch the files again."
        )
    train, valid = split(everything.targets, valid_fraction, seed, "classification")
    return Data(
        name,
        "classification",
        ArraySchema(everything.shape, "uint8"),
        everything.subset(train),
        everything.subset(valid),
        test,
        classes=classes,
        notes=split_notes(everything.targets, "classification", classes),
    )


def _mini() -> list[Tensor]:
    archive = Archive(_MINI)
    return [
        as_inputs(str(_MINI), archive[name]) if name.startswith("x") else torch.from_numpy(archive[name])
        for name in ("x_train", "y_train", "x_test", "y_test")
    ]


def _published(name: str) -> list[Tensor]:
    files = next((found for folder in _folders(name) if (found := _complete(folder))), None) or _downloaded(name)
    tensors = [read_idx(file, rank) for file, rank in zip(files, (3, 1, 3, 1), strict=True)]
    return [tensor[:, None] if tensor.dim() == 3 else tensor for tensor in tensors]


def _examples(name: str, pair: list[Tensor], classes: int) -> TensorExamples:
    pictures, labels = pair
    if len(pictures) != len(labels) or (len(labels) and int(labels.max()) >= classes):
        raise InputError(
            f"load({name!r}): the files hold {len(pictures)} pictures and {len(labels)} labels up to "
            f"{int(labels.max()) if len(labels) else 'none'}, but each picture needs a label below {classes}; "
            "fetch them again."
        )
    return TensorExamples(pictures, labels.long())


def _folders(name: str) -> list[Path]:
    own = os.environ.get("LATIH_DATA")
    return [*([Path(own) / name] if own else []), _SYSTEM / name, _cache(name)]


def _cache(name: str) -> Path:
    return user_cache_path("latih") / name


def _complete(folder: Path) -> list[Path] | None:
    """The four files in `folder`, or None where one is absent."""
    files = [next((path for end in ("", ".gz") if (path := folder / (part + end)).is_file()), None) for part in PARTS]
    return None if None in files else [file for file in files if file]


def _downloaded(name: str) -> list[Path]:
    published, files = PUBLISHED[name], []
    for part, sha256 in zip(PARTS, published.sums, strict=True):
        file = _cache(name) / f"{part}.gz"
        if not file.is_file():
            try:
                fetch([mirror + file.name for mirror in published.mirrors], file, sha256, unpacked=published.unpacked)
            except OSError as error:
                raise _absent(name, error) from None
        files.append(file)
    return files


def _absent(name: str, error: OSError) -> InputError:
    own = "" if os.environ.get("LATIH_DATA") else f", in $LATIH_DATA/{name} once that is set"
    return InputError(
        f"load({name!r}): {', '.join(f'{part}.gz' for part in PARTS)} are not all in "
        f"{' or '.join(str(folder) for folder in _folders(name))}, and the download failed ({error}); put them in one "
        f"of these{own}, or use 'fashion-mini', which needs no file."
    )
