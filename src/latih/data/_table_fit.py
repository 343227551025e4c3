"""Choose the columns that a model learns from, and what is to be remembered of them."""

from __future__ import annotations

from datetime import date, timedelta

import polars as pl
from torch import Tensor

from latih._checks import InputError

from ._columns import Column
from ._table_file import Table, listing
from ._table_schema import TableSchema

_ID_SHARE, _ID_ROWS = 0.9, 20
_ROW_NUMBERS = ("", "id", "index", "row", "row_id", "rowid", "unnamed: 0")


def fit(table: Table, target: str, columns: dict[str, Column], train: Tensor) -> tuple[TableSchema, list[str]]:
    """The schema that the rows `train` show, and a note for each reason to leave a column out.

    Raises `InputError` when no column is left.
    """
    numeric: list[str] = []
    categorical: dict[str, list[str]] = {}
    days: dict[str, date] = {}
    reasons: dict[str, list[str]] = {}
    rows = pl.Series(train.numpy())
    for name, column in columns.items():
        seen = column.values.gather(rows)
        reason = _reason_to_leave_out(name, column, seen)
        if reason:
            reasons.setdefault(reason, []).append(name)
        elif column.kind == "category":
            categorical[name] = seen.drop_nulls().unique().sort().to_list()
        else:
            numeric.append(name)
            if column.kind == "date":
                days[name] = date(1970, 1, 1) + timedelta(days=int(seen.min() // 1))  # pyright: ignore
    notes = [f"left out, {reason}: {listing(names)}" for reason, names in reasons.items()]
    if not numeric and not categorical:
        why = "; ".join(notes) or "the target is the only column"
        raise InputError(
            f"{table.path}: no column is left to learn from ({why}); add columns that tell about {target!r}."
        )
    if days:
        notes.append(f"dates are read as days since the first one in training: {listing(list(days))}")
    commas = [name for name, column in columns.items() if column.decimal == ","]
    if commas:
        notes.append(f"fractions are written with a comma: {listing(commas)}")
    return TableSchema(target, numeric, categorical, days), notes


def _reason_to_leave_out(name: str, column: Column, seen: pl.Series) -> str:
    """Why the column tells a model nothing, judged by its training rows; "" if it may."""
    present = seen.drop_nulls()
    if len(present) == 0:
        return "no cell has a value"
    if column.kind == "nested":
        return "nested values"
    if seen.n_unique() == 1:
        return "the same value in every training row"
    if column.kind == "category" and len(present) >= _ID_ROWS and present.n_unique() > _ID_SHARE * len(present):
        return "text that differs in nearly every row, as an id does"
    if column.kind == "number" and name.lower() in _ROW_NUMBERS and _counts_rows(column.values):
        return "row numbers"
    return ""


def _counts_rows(values: pl.Series) -> bool:
    return len(values) >= _ID_ROWS and values.null_count() == 0 and bool((values.diff().drop_nulls() == 1).all())
