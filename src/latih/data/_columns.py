"""What a column of a table holds: numbers, dates or categories; a cell that does not fit is named."""

from __future__ import annotations

from datetime import date
from typing import Literal, NamedTuple

import polars as pl

from latih._checks import InputError

from ._table_file import Table

NEARLY = 0.9
"""From this share of cells on, a column is meant to hold what those cells hold, and the others are mistakes."""

Kind = Literal["number", "date", "category", "nested"]
_ALSO_MISSING = ("none", "?", "-")  # among numbers; among categories these may be names
_COMMA = r"^[+-]?\d+,\d+([eE][+-]?\d+)?$"
_GROUPED = r"^[+-]?\d{1,3}([., '\u00a0]\d{3})+([.,]\d+)?$|^[+-]?\d+,\d+$"
_DAYS = 86_400_000_000  # microseconds
_FIRST_DAY, _LAST_DAY = (date(1, 1, 1) - date(1970, 1, 1)).days, (date(9999, 12, 31) - date(1970, 1, 1)).days
_DATES = ("%Y-%m-%d", "%Y/%m/%d", "%Y-%m-%d %H:%M", "%Y-%m-%dT%H:%M", "%Y-%m-%d %H:%M:%S%.f", "%Y-%m-%dT%H:%M:%S%.f")
_ZONED = ("%Y-%m-%d %H:%M:%S%.f%#z", "%Y-%m-%dT%H:%M:%S%.f%#z")


class Column(NamedTuple):
    """One column, read: Float64 numbers, Float64 days since 1970-01-01, or text; null where missing."""

    kind: Kind
    values: pl.Series
    decimal: str = ""
    """How fractions are written, if there are any: "." or ","."""


def infer(table: Table, name: str) -> Column:
    """Decide from all cells what the column holds.

    Typed columns are taken as typed. Text is numbers or ISO dates if every cell reads as one, and categories if fewer
    than nine in ten do. In between, the first cell that does not read is refused with its row, and so are numbers
    with thousands separators.
    """
    cells = table.column(name)
    if cells.dtype.is_numeric() or cells.dtype == pl.Duration or cells.dtype == pl.Time:
        return numbers(table, name)
    if isinstance(cells.dtype, pl.Date | pl.Datetime):
        return dates(table, name)
    if cells.dtype == pl.Boolean or cells.dtype == pl.Null:
        return categories(table, name)
    if cells.dtype != pl.String:
        return Column("nested", cells)
    values = _as_numbers(table, cells)
    if len(cells) > cells.null_count() == values.null_count():  # the common case needs no further look
        return _written_numbers(table, cells, values)
    if _share(_numeric_cells(cells), values) >= NEARLY:
        return numbers(table, name)
    if _share(cells, _as_dates(cells)) >= NEARLY:
        return dates(table, name)
    if _share(cells, cells.filter(cells.str.contains(_GROUPED).fill_null(False))) >= NEARLY:
        return numbers(table, name)  # refuses the first
    return categories(table, name)


def numbers(table: Table, name: str) -> Column:
    """Read the column as numbers; lengths and times of day are counted in days.

    Where a semicolon, tab or bar separates the fields, fractions may be written with a comma.
    """
    cells = table.column(name)
    if cells.dtype == pl.String:
        wanted, values = _numeric_cells(cells), _as_numbers(table, cells)
        _refuse_first(table, name, wanted, values, "a number", "12.5, without unit or thousands separator")
        return _written_numbers(table, cells, values)
    if cells.dtype == pl.Duration:
        return Column("number", cells.dt.total_microseconds().cast(pl.Float64) / _DAYS)
    if cells.dtype == pl.Time:
        return Column("number", cells.cast(pl.Int64).cast(pl.Float64) / (_DAYS * 1000))
    if not (cells.dtype.is_numeric() or cells.dtype == pl.Boolean or cells.dtype == pl.Null):
        raise InputError(f"{table.path}: column {name!r} must hold numbers, not {cells.dtype}.")
    return Column("number", cells.cast(pl.Float64).fill_nan(None))


def dates(table: Table, name: str) -> Column:
    """Read the column as days since 1970-01-01, with the time of day as a fraction; zones are turned into UTC."""
    cells = table.column(name)
    if cells.dtype == pl.String:
        moments = _as_dates(cells)
        _refuse_first(table, name, cells, moments, "a date", "2024-12-31 or 2024-12-31 23:59:59")
    elif isinstance(cells.dtype, pl.Date | pl.Datetime | pl.Null):
        moments = cells
    else:
        raise InputError(f"{table.path}: column {name!r} must hold dates, not {cells.dtype}.")
    days = _in_days(moments)
    wrong = ((days < _FIRST_DAY) | (days >= _LAST_DAY + 1)).arg_true()
    if len(wrong):
        raise InputError(
            f"{table.path}: column {name!r}, row {table.rows[wrong[0]]}: the date lies outside the years 1 to 9999; "
            "correct it, or leave the cell empty."
        )
    return Column("date", days)


def _in_days(moments: pl.Series) -> pl.Series:
    """Days since 1970-01-01, without polars' calendar, which knows fewer years than a file may hold."""
    if isinstance(moments.dtype, pl.Datetime) and moments.dtype.time_unit == "ms":
        return moments.cast(pl.Int64).cast(pl.Float64) / (_DAYS // 1000)
    if isinstance(moments.dtype, pl.Datetime):
        return moments.cast(pl.Datetime("us")).cast(pl.Int64).cast(pl.Float64) / _DAYS
    return moments.cast(pl.Int32).cast(pl.Float64)


def categories(table: Table, name: str) -> Column:
    """Read the column as text; true and false are the same category however they are capitalised."""
    cells = table.column(name).cast(pl.String)
    lower = cells.str.to_lowercase()
    return Column(
        "category", pl.select(pl.when(lower.is_in(["true", "false"])).then(lower).otherwise(cells)).to_series()
    )


def check_decimals(table: Table, columns: dict[str, Column]) -> None:
    """Refuse a file that writes fractions with a comma in one column and with a point in another."""
    first = {column.decimal: name for name, column in reversed(columns.items())}
    if "," in first and "." in first:
        raise InputError(
            f"{table.path}: column {first[',']!r} writes fractions with a comma and column {first['.']!r} with a "
            "point; write all of them the same way."
        )


def _written_numbers(table: Table, cells: pl.Series, values: pl.Series) -> Column:
    point = "." if cells.str.contains(".", literal=True).any() else ""
    return Column("number", values.fill_nan(None), "," if _has_comma(table, cells) else point)


def _numeric_cells(cells: pl.Series) -> pl.Series:
    missing = cells.str.to_lowercase().is_in(_ALSO_MISSING)
    return pl.select(pl.when(~missing).then(cells)).to_series()


def _as_numbers(table: Table, cells: pl.Series) -> pl.Series:
    if _has_comma(table, cells):
        cells = cells.str.replace(",", ".", literal=True)
    return cells.cast(pl.Float64, strict=False)


def _has_comma(table: Table, cells: pl.Series) -> bool:
    if table.separator in ("", ","):
        return False
    return bool(cells.str.contains(_COMMA).any()) and not cells.str.contains(".", literal=True).any()


def _as_dates(cells: pl.Series) -> pl.Series:
    def parsed(form: str) -> pl.Series:
        return cells.str.to_datetime(form, strict=False, time_unit="us").cast(pl.Datetime("us"))

    return pl.select(pl.coalesce(*(parsed(form) for form in _DATES + _ZONED))).to_series()


def _share(cells: pl.Series, read: pl.Series) -> float:
    present = len(cells) - cells.null_count()
    return (len(read) - read.null_count()) / present if present else 0.0


def _refuse_first(table: Table, name: str, cells: pl.Series, read: pl.Series, what: str, example: str) -> None:
    wrong = (cells.is_not_null() & read.is_null()).arg_true()
    if len(wrong):
        more = f" (nor are {len(wrong) - 1} more)" if len(wrong) > 1 else ""
        raise InputError(
            f"{table.path}: column {name!r}, row {table.rows[wrong[0]]}: {str(cells[wrong[0]])[:60]!r} is not {what}"
            f"{more}; write it like {example}, or leave the cell empty."
        )
