"""One table from a file, whatever its format: cells, where each row came from, and how numbers may be written."""

from __future__ import annotations

from pathlib import Path
from typing import BinaryIO, NamedTuple

import polars as pl

from latih._checks import InputError, did_you_mean

from ._csv_file import read_csv

TEXT = (".csv", ".tsv", ".tab", ".txt")
PARQUET = (".parquet", ".pq")
MOST_COLUMNS = 20_000
MOST_CELLS = 2**30  # 8 GiB as numbers: a Parquet file of a few kilobytes can claim any number of rows
MISSING = ("", "na", "n/a", "#n/a", "nan", "null")  # compared in lower case


class Table(NamedTuple):
    """Rows of a file; text cells are stripped, and null where they say "missing"."""

    path: Path
    cells: pl.DataFrame
    rows: pl.Series  # where each row stands in the file, counted from 1 without the header
    separator: str  # "" for Parquet

    def filter(self, keep: pl.Series) -> Table:
        """The rows where `keep` is true."""
        return self._replace(cells=self.cells.filter(keep), rows=self.rows.filter(keep))

    def column(self, name: str, role: str = "column") -> pl.Series:
        """The cells of one column; a wrong name gets the nearest one and the list."""
        if name not in self.cells.columns:
            raise InputError(
                f"{self.path}: there is no {role} {name!r}{did_you_mean(name, self.cells.columns, ';')} "
                f"the columns are {listing(self.cells.columns)}."
            )
        return self.cells[name]


def read_table(path: Path) -> Table:
    """Read a CSV, TSV or Parquet file, by the ending of its name; blank rows are left out.

    Cells with nothing but white space, and NA, N/A, #N/A, NaN and null in any case, are missing.
    Raises `InputError` for a missing file, an ending that is none of these, no rows, and what `read_csv` refuses.
    """
    if not path.is_file():
        what = "a folder, not a table" if path.is_dir() else "no file" if path.exists() else "there is no such file"
        raise InputError(f"{path}: {what}; name a CSV, TSV or Parquet file.")
    if path.suffix.lower() in PARQUET:
        cells, separator = _read_parquet(path), ""
    elif path.suffix.lower() in TEXT:
        cells, separator = read_csv(path)
    else:
        raise InputError(f"{path}: a table's name must end in one of {', '.join(TEXT + PARQUET)}; rename the file.")
    _refuse_wide(path, cells.width)
    table = Table(path, _clean(cells), pl.Series(range(1, len(cells) + 1), dtype=pl.Int64), separator)
    if cells.width > 1:  # in a table of one column an empty line is a missing cell
        table = table.filter(table.cells.select(~pl.all_horizontal(pl.all().is_null())).to_series())
    if len(table.cells) == 0:
        raise InputError(f"{path}: the table has column names but no rows; add at least one row.")
    return table


def listing(names: list[str], most: int = 20) -> str:
    """Names for a sentence, cut after `most`.

    >>> listing(["a", "b", "c"], most=2)
    "'a', 'b' and 1 more"
    """
    shown = ", ".join(repr(name) for name in names[:most])
    return shown + (f" and {len(names) - most} more" if len(names) > most else "")


def _read_parquet(path: Path) -> pl.DataFrame:
    try:
        with path.open("rb") as file:
            _refuse_huge(path, file)
            cells = pl.read_parquet(file)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError) as error:
        reason = (str(error).splitlines() or ["unknown"])[0].rstrip(".")
        raise InputError(f"{path}: not readable as Parquet ({reason}); write the file again.") from None
    if cells.width == 0:
        raise InputError(f"{path}: the table has no columns; write the file again.")
    return cells


def _refuse_huge(path: Path, file: BinaryIO) -> None:
    """Hold what the footer claims against the limits, before memory is taken for it."""
    columns = len(pl.read_parquet_schema(file))
    _refuse_wide(path, columns)
    file.seek(0)
    rows = pl.scan_parquet(file).select(pl.len()).collect().item()
    file.seek(0)
    if rows * columns > MOST_CELLS:
        raise InputError(
            f"{path}: the table claims {rows} rows of {columns} columns, more than the {MOST_CELLS} cells allowed; "
            "split it, or leave columns out."
        )


def _refuse_wide(path: Path, columns: int) -> None:
    if columns > MOST_COLUMNS:
        raise InputError(
            f"{path}: the table has {columns} columns, more than the {MOST_COLUMNS} allowed; store such rows as an "
            "array in an .npz file."
        )


def _clean(cells: pl.DataFrame) -> pl.DataFrame:
    labels = [name for name, kind in cells.schema.items() if isinstance(kind, pl.Categorical | pl.Enum)]
    text = pl.col(pl.String).str.strip_chars()
    # categories compare by text, so that a model trained from Parquet reads CSV and the reverse
    cells = cells.with_columns(pl.col(name).cast(pl.String) for name in labels).with_columns(text)
    missing = pl.col(pl.String).str.to_lowercase().is_in(MISSING)
    return cells.with_columns(pl.when(~missing).then(pl.col(pl.String)))
