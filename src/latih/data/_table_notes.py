"""What a user should know of how a table was read; with `strict` it is refused instead."""

from __future__ import annotations

import polars as pl
from torch import Tensor

from latih._checks import InputError

from ._columns import Column
from ._table_file import Table
from ._table_schema import TableSchema, finite

_MOST = 5  # columns named in one note


def dropped_note(table: Table, target: str, keep: pl.Series, strict: bool) -> str:
    """How many rows have no target, "" for none."""
    lost = int((~keep).sum())
    note = f"{lost} of {len(keep)} rows left out: the target {target!r} is missing or infinite" if lost else ""
    return _refused(table, note, strict, "fill in the target or delete the rows")


def missing_note(table: Table, schema: TableSchema, columns: dict[str, Column], strict: bool) -> str:
    """How many cells of which columns are missing or infinite, "" for none."""
    used = {name: columns[name].values for name in [*schema.numeric, *schema.categorical]}
    missing = {name: values.null_count() for name, values in used.items()}
    infinite = {name: finite(used[name]).null_count() - missing[name] for name in schema.numeric}
    parts = [_counted("missing", missing), _counted("infinite (or beyond float32)", infinite)]
    note = "; ".join(part for part in parts if part)
    note = f"of {len(table.cells)} rows, cells are {note}" if note else ""
    return _refused(table, note, strict, "fill in the cells")


def precision_note(schema: TableSchema, columns: dict[str, Column], train: Tensor) -> str:
    """Which numbers differ by so little of their size that float32 cannot tell them apart, "" for none."""
    rows = pl.Series(train.numpy())
    lost = [n for n in schema.numeric if n not in schema.dates and _collapses(finite(columns[n].values).gather(rows))]
    shown = ", ".join(repr(name) for name in lost[:_MOST]) + (", ..." if len(lost) > _MOST else "")
    return f"float32 cannot tell most values apart: {shown}; subtract an offset before training" if lost else ""


def _collapses(values: pl.Series) -> bool:
    """Whether float32 holds fewer than half of the different values."""
    low, high = float(values.min() or 0.0), float(values.max() or 0.0)  # pyright: ignore
    if high - low > max(abs(low), abs(high)) * 2.0**-12:  # thousands of steps are left
        return False
    return 2 * values.cast(pl.Float32).n_unique() < values.n_unique()


def unseen_note(schema: TableSchema, inputs: Tensor) -> str:
    """How many validation cells hold a category that training does not have (or none), "" for none."""
    start = len(schema.numeric)
    zeros = (inputs[:, start:] == 0).sum(0).tolist()
    text = _counted("a category that training lacks, or missing", dict(zip(schema.categorical, zeros, strict=True)))
    return f"of {len(inputs)} validation rows, cells are {text}" if text else ""


def _counted(what: str, counts: dict[str, int]) -> str:
    hit = {name: count for name, count in counts.items() if count}
    shown = ", ".join(f"{name!r} {count}" for name, count in list(hit.items())[:_MOST])
    return f"{what}: {shown}{', ...' if len(hit) > _MOST else ''}" if hit else ""


def _refused(table: Table, note: str, strict: bool, way_out: str) -> str:
    if note and strict:
        raise InputError(f"{table.path}: {note}; {way_out}, or do without strict.")
    return note
