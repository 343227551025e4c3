"""Arrays in an `.npz` file: x and y, or x_train, y_train and the like."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Literal

import numpy as np
from torch import Tensor

from latih._checks import InputError, did_you_mean

from ._archive import Archive
from ._arrays import Targets, as_inputs, as_targets, targets_kind
from ._base import Data, Inputs, Schema
from ._split import split, split_notes
from ._tensors import TensorExamples

_VALID = ("x_valid", "x_val")


class ArraySchema(Schema, frozen=True, tag="array"):
    """Inputs are the array `x` of an `.npz` file: rows of numbers, or pictures."""

    shape: tuple[int, ...]
    """Of one input, channels first."""
    dtype: Literal["uint8", "float32"]
    """uint8 for pictures stored as bytes."""

    def read(self, source: Path) -> Inputs:
        """Read `x` (or `x_test`); raises `InputError` where its shape or type differ, or values are NaN."""
        _refuse_other_kinds(source)
        archive = Archive(source)
        name = "x_test" if "x_test" in archive.names and "x" not in archive.names else "x"
        values = as_inputs(f"{source} {name}", _array(archive, name))
        if tuple(values.shape[1:]) != self.shape:
            raise InputError(
                f"{source}: inputs of shape {tuple(values.shape[1:])} do not fit the model, which was trained on "
                f"{self.shape}; prepare them as the training data were."
            )
        if _dtype(values) != self.dtype:
            raise InputError(
                f"{source}: inputs of type {_dtype(values)} do not fit the model, which was trained on {self.dtype}; "
                "prepare them as the training data were (bytes count from 0 to 255)."
            )
        if bad := _not_finite(values):
            raise InputError(f"{source}: {bad} values of {name} are NaN or infinite; fill or remove them.")
        return Inputs(values, [str(row) for row in range(1, len(values) + 1)])


def load_npz(path: Path, *, valid: Path | None, valid_fraction: float, seed: int, strict: bool) -> Data:
    """Read `x` and `y`, or `x_train` and `y_train`, with `x_valid` (or `x_val`) and `x_test` where there are such.

    Without validation arrays or a second file `valid`, a part of the training arrays is held out. float64 inputs become
    float32; NaN and infinities are noted, or refused where `strict`. Raises `InputError` for anything it cannot use.
    """
    archive = Archive(path)
    train_name = "x_train" if "x_train" in archive.names else "x"
    inputs, targets = _pair(archive, train_name)
    where = f"{path} {_target_name(train_name)}"
    kind = targets_kind(where, targets)
    parts = {"train": _examples(archive, train_name, inputs, targets, kind)}
    used = {train_name, _target_name(train_name)}
    for part, archive_of_part, name in _other_parts(archive, valid):
        parts[part] = _examples(archive_of_part, name, *_pair(archive_of_part, name), kind, like=parts["train"])
        used |= {name, _target_name(name)} if archive_of_part is archive else set()
    notes = [*kind.notes, *_unused(archive, used), *_non_finite(path, parts, strict)]
    if "valid" not in parts:
        everything = parts["train"]
        notes += split_notes(everything.targets, kind.task, kind.classes)
        chosen = split(everything.targets, valid_fraction, seed, kind.task)
        parts |= {"train": everything.subset(chosen[0]), "valid": everything.subset(chosen[1])}
    train = parts["train"]
    schema = ArraySchema(train.shape, _dtype(train.inputs))
    return Data(
        path.name, kind.task, schema, train, parts["valid"], parts.get("test"), classes=kind.classes, notes=tuple(notes)
    )


def _other_parts(archive: Archive, valid: Path | None) -> Iterable[tuple[str, Archive, str]]:
    """(part, file, name of its inputs) for validation and test where there are such."""
    inside = next((name for name in _VALID if name in archive.names), None)
    if inside and valid is not None:
        raise InputError(
            f"load({str(archive.path)!r}, valid={str(valid)!r}): the first file holds {inside} already; leave valid "
            f"out, or rename {inside}."
        )
    if inside:
        yield "valid", archive, inside
    if valid is not None:
        _refuse_other_kinds(valid)
        second = Archive(valid)
        yield "valid", second, next((name for name in _VALID if name in second.names), "x")
    if {"x_test", "y_test"} <= set(archive.names):
        yield "test", archive, "x_test"


def _pair(archive: Archive, name: str) -> tuple[np.ndarray, np.ndarray]:
    inputs, targets = _array(archive, name), _array(archive, _target_name(name))
    if inputs.shape[:1] != targets.shape[:1]:
        raise InputError(
            f"{archive.path}: {name} has shape {inputs.shape} and {_target_name(name)} {targets.shape}; both need one "
            "row for each example."
        )
    if inputs.size == 0:
        raise InputError(
            f"{archive.path}: {name} has shape {inputs.shape}, so there is nothing to learn from; add data."
        )
    return inputs, targets


def _array(archive: Archive, name: str) -> np.ndarray:
    if name in archive.names:
        return archive[name]
    same_letters = [held for held in archive.names if held.lower() == name]
    hint = f"; did you mean {same_letters[0]!r}?" if same_letters else did_you_mean(name, archive.names)
    held = ", ".join(archive.names[:8]) or "no arrays"
    raise InputError(
        f"{archive.path}: there is no array {name!r}; it needs x and y, or x_train and y_train, and holds {held}"
        + (hint or "; write it with numpy.savez(path, x=..., y=...).")
    )


def _examples(
    archive: Archive,
    name: str,
    inputs: np.ndarray,
    targets: np.ndarray,
    kind: Targets,
    like: TensorExamples | None = None,
) -> TensorExamples:
    examples = TensorExamples(
        as_inputs(f"{archive.path} {name}", inputs), as_targets(f"{archive.path} {_target_name(name)}", targets, kind)
    )
    if like is not None:
        for what, mine, theirs in (
            ("inputs of shape", examples.shape, like.shape),
            ("inputs of type", _dtype(examples.inputs), _dtype(like.inputs)),
            ("targets of shape", tuple(examples.targets.shape[1:]), tuple(like.targets.shape[1:])),
        ):
            if mine != theirs:
                raise InputError(
                    f"{archive.path} {name}: {what} {mine}, but those of training are {theirs}; make them alike."
                )
    return examples


def _non_finite(path: Path, parts: dict[str, TensorExamples], strict: bool) -> list[str]:
    notes = []
    for part, examples in parts.items():
        for what, values in (("inputs", examples.inputs), ("targets", examples.targets)):
            if bad := _not_finite(values):
                notes.append(f"{bad} of {values.numel()} {part} {what} are NaN or infinite")
    if notes and strict:
        raise InputError(f"load({str(path)!r}, strict=True): {'; '.join(notes)}; fill or remove them.")
    return notes


def _not_finite(values: Tensor) -> int:
    return int((~values.isfinite()).sum()) if values.is_floating_point() else 0


def _unused(archive: Archive, used: set[str]) -> list[str]:
    left = [name for name in archive.names if name not in used]
    return [f"arrays not used: {', '.join(left[:8])}{', ...' if len(left) > 8 else ''}"] if left else []


def _target_name(name: str) -> str:
    return "y" + name[1:]


def _dtype(values: Tensor) -> Literal["uint8", "float32"]:
    return "float32" if values.is_floating_point() else "uint8"


def _refuse_other_kinds(path: Path) -> None:
    if path.suffix.lower() != ".npz":
        raise InputError(f"{path}: an .npz file is needed here, as the training data were one.")
