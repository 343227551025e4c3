"""The target column of a table: classes or numbers."""

from __future__ import annotations

from typing import NamedTuple

import polars as pl
import torch
from torch import Tensor

from latih._checks import InputError

from ._base import Task
from ._columns import categories, infer, numbers
from ._table_file import Table, listing
from ._table_schema import finite

MOST_NUMBERED_CLASSES = 20
"""Whole numbers are classes up to this many different ones, if each stands in two rows or more on average."""


class Target(NamedTuple):
    """The targets of the rows that have one."""

    task: Task
    values: Tensor  # (n,) int64 classes, or (n, 1) float32 values
    classes: tuple[str, ...]
    keep: pl.Series  # rows with a target; n of them are true
    note: str


def read_target(table: Table, name: str) -> Target:
    """Decide what is predicted, and read it.

    Text, booleans and categories are classes, in sorted order. Numbers are values (regression), but whole numbers
    are classes if at most 20 different ones occur and each stands in two rows or more on average.
    Raises `InputError` for a target that is a date, nested, empty, the same everywhere, or different in each row.
    """
    column = infer(table, name)
    if column.kind in ("date", "nested"):
        raise InputError(
            f"{table.path}: the target {name!r} holds {column.values.dtype}; it must be a number or a class."
        )
    values = finite(column.values) if column.kind == "number" else column.values
    keep = values.is_not_null()
    values = values.filter(keep)
    different = values.n_unique()
    if different < 2:
        found = f"one value only, {values[0]!r}" if different else "no value"
        raise InputError(f"{table.path}: the target {name!r} has {found}; a model needs at least two to learn from.")
    if column.kind == "number" and not _numbered_classes(values, different):
        note = f"target {name!r}: numbers, {different} different ones; the task is regression"
        return Target("regression", _regression(values), (), keep, note)
    texts = _whole(values) if column.kind == "number" else values
    classes = tuple(texts.unique().sort() if column.kind == "category" else _whole(values.unique().sort()))
    if len(classes) == len(values):
        raise InputError(
            f"{table.path}: the target {name!r} is text that differs in each of its {len(values)} rows "
            f"({listing(list(classes), 3)}); classes must repeat, numbers must be written as numbers."
        )
    what = "whole numbers" if column.kind == "number" else "text"
    note = f"target {name!r}: {what}, {different} different values; the task is classification"
    return Target("classification", labels(table, name, texts, classes), classes, keep, note)


def read_known_target(table: Table, name: str, task: Task, classes: tuple[str, ...]) -> Target:
    """Read the target of a further file as training had it; raises `InputError` for a class that training lacks."""
    if task == "regression":
        values = finite(numbers(table, name).values)
        keep = values.is_not_null()
        return Target(task, _regression(values.filter(keep)), (), keep, "")
    texts = categories(table, name).values
    if not set(texts.drop_nulls()) <= set(classes):  # 1.0 here may be 1 there
        column = infer(table, name)
        texts = _whole(finite(column.values)) if column.kind == "number" else texts
    keep = texts.is_not_null()
    return Target(task, labels(table, name, texts.filter(keep), classes), classes, keep, "")


def labels(table: Table, name: str, texts: pl.Series, classes: tuple[str, ...]) -> Tensor:
    """(n,) int64: the place of each text among the classes."""
    place = {label: index for index, label in enumerate(classes)}
    unknown = sorted(set(texts) - set(place))
    if unknown:
        raise InputError(
            f"{table.path}: {name!r} holds {listing(unknown, 5)}, which training does not have; "
            f"its classes are {listing(list(classes))}."
        )
    return torch.tensor([place[text] for text in texts], dtype=torch.int64)


def _numbered_classes(values: pl.Series, different: int) -> bool:
    whole = bool((values == values.round()).all())
    return whole and different <= MOST_NUMBERED_CLASSES and 2 * different <= len(values)


def _whole(values: pl.Series) -> pl.Series:
    """Whole numbers as they are written: 1.0 is "1"."""
    return pl.Series(values.name, [None if value is None else f"{value:.15g}" for value in values], dtype=pl.String)


def _regression(values: pl.Series) -> Tensor:
    return torch.tensor(values.to_list(), dtype=torch.float32).unsqueeze(1)
