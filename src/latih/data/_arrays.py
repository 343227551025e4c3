"""What the arrays of a file mean: which axes are pictures, and whether targets are classes or values."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from latih._checks import InputError

from ._base import Task

_CHANNELS = (1, 3, 4)


@dataclass(frozen=True)
class Targets:
    """What the training targets turned out to be; those of the other parts must be alike."""

    task: Task
    classes: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


def as_inputs(where: str, array: np.ndarray) -> Tensor:
    """Inputs (n, d) as float32, or pictures (n, c, h, w) as uint8 where they are stored so, else as float32.

    (n,) becomes (n, 1); (n, h, w) pictures of one channel; (n, h, w, c) with c of 1, 3 or 4 channels first.
    """
    if array.dtype.kind not in "buif":
        raise InputError(f"{where}: inputs of type {array.dtype} cannot be trained on; encode them as numbers.")
    if array.size == 0 or not 1 <= array.ndim <= 4:
        raise InputError(
            f"{where}: inputs of shape {array.shape}; they must be (n, features), or pictures (n, height, width) or "
            "(n, height, width, channels), and not empty."
        )
    if array.ndim == 4:
        array = _channels_first(where, array)
    if array.ndim in (1, 3):
        array = array[:, None]
    dtype = np.uint8 if array.dtype == np.uint8 and array.ndim == 4 else np.float32
    with np.errstate(over="ignore"):  # what float32 cannot hold becomes infinite, and infinities are counted
        return torch.from_numpy(np.ascontiguousarray(array, dtype))


def _channels_first(where: str, array: np.ndarray) -> np.ndarray:
    if array.shape[3] in _CHANNELS:
        return array.transpose(0, 3, 1, 2)
    if array.shape[1] in _CHANNELS:
        return array
    raise InputError(
        f"{where}: pictures of shape {array.shape[1:]} have no axis of 1, 3 or 4 channels; store (n, height, width, 3)."
    )


def targets_kind(where: str, array: np.ndarray) -> Targets:
    """Classes for whole numbers 0 ... C-1, text and one-hot rows; values to regress on for any other float."""
    column = _column(where, array)
    if column.dtype.kind == "f":
        whole = bool(np.all(column == np.floor(column)))
        note = f"{where} is stored as float and so is regressed on; store whole numbers as integers to classify"
        return Targets("regression", (), (note,) if whole else ())
    one_hot = array.ndim == 2 and array.shape[1] > 1
    notes = (f"{where} has one-hot rows: read as {array.shape[1]} classes",) if one_hot else ()
    found = np.unique(column)
    if len(found) < 2:
        raise InputError(
            f"{where}: every target is {found[0]!s}, so there is nothing to learn; give two classes or more."
        )
    if column.dtype.kind not in "US":
        _refuse_gaps(where, found)
    return Targets("classification", tuple(_text(found)), notes)


def as_targets(where: str, array: np.ndarray, kind: Targets) -> Tensor:
    """Targets read as the training targets were: (n,) int64 classes, or (n, outputs) float32 values."""
    if kind.task == "regression":
        if array.dtype.kind not in "buif" or not 1 <= array.ndim <= 2:
            raise InputError(f"{where}: {_what(array)} do not fit training targets that are float; store them alike.")
        with np.errstate(over="ignore"):
            return torch.from_numpy(np.ascontiguousarray(array.reshape(len(array), -1), np.float32))
    column = _column(where, array)
    if column.dtype.kind == "f":
        raise InputError(f"{where}: {_what(array)} do not fit training targets that are classes; store them alike.")
    number = {name: label for label, name in enumerate(kind.classes)}
    found, place = np.unique(column, return_inverse=True)
    names = _text(found)
    unknown = [name for name in names if name not in number]
    if unknown:
        raise InputError(
            f"{where}: labels out of range: {', '.join(unknown[:5])} {'is' if len(unknown) == 1 else 'are'} not among "
            f"the {len(kind.classes)} classes of the training targets; remove such examples, or train on them too."
        )
    return torch.from_numpy(np.array([number[name] for name in names], np.int64)[place])


def _column(where: str, array: np.ndarray) -> np.ndarray:
    """Targets as (n,) labels where they are classes; float values as they are."""
    if array.dtype.kind not in "buifUS" or not 1 <= array.ndim <= 2 or array.size == 0:
        raise InputError(
            f"{where}: {_what(array)} are no targets; store (n,) whole numbers or text for classes, or (n,) or "
            "(n, outputs) floats for regression."
        )
    wide = array.ndim == 2 and array.shape[1] > 1
    if wide and array.dtype.kind in "buif" and np.isin(array, (0, 1)).all() and (array.sum(1) == 1).all():
        return array.argmax(1)
    if array.dtype.kind == "f":
        return array
    if wide:
        raise InputError(
            f"{where}: {_what(array)} are neither one label a row nor one-hot rows; store (n,) class numbers, or "
            "floats for regression."
        )
    column = array.reshape(-1)
    return column.astype(np.uint8) if column.dtype.kind == "b" else column


def _refuse_gaps(where: str, found: np.ndarray) -> None:
    """Class numbers must be 0 ... C-1: a network with C outputs has no place for others."""
    low, high, count = int(found[0]), int(found[-1]), len(found)
    if low != 0 or high != count - 1:
        raise InputError(
            f"{where}: labels out of range: {count} classes are numbered {low} to {high}, not 0 to {count - 1}; "
            "renumber them (numpy.unique(y, return_inverse=True)), or store y as float for regression."
        )


def _text(column: np.ndarray) -> list[str]:
    return [
        value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else str(value)
        for value in column.tolist()
    ]


def _what(array: np.ndarray) -> str:
    return f"targets of type {array.dtype} and shape {array.shape}"
