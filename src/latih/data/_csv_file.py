"""Read a CSV or TSV file as text cells; what is wrong with the file is said before a column is interpreted."""

from __future__ import annotations

import codecs
import csv
import io
import itertools
from collections import Counter
from pathlib import Path

import polars as pl

from latih._checks import InputError

SEPARATORS = (",", ";", "\t", "|")
_HEAD = 1 << 16  # bytes looked at before the file is read
_WIDE_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_FOREIGN = {b"PAR1": "a Parquet file; name it .parquet", b"\x1f\x8b": "compressed; unpack it first"}
_FOREIGN |= {b"PK\x03\x04": "a zip archive or an Excel workbook; save the table as CSV"}


def read_csv(path: Path) -> tuple[pl.DataFrame, str]:
    """All cells of `path` as text, null where empty, and the separator that was found.

    The separator is the one among comma, semicolon, tab and bar that cuts the first lines into equally many fields.
    The first line holds the names. Raises `InputError` for an empty file, binary content, an encoding other than
    UTF-8, two columns of one name, or a row with more or fewer fields than the header.
    """
    head = _checked_head(path)
    separator = _separator(head)
    names = _names(path, head, separator)
    try:
        with path.open("rb") as file:  # a handle, because polars takes [ and * in a path as a pattern
            cells = pl.read_csv(file, separator=separator, infer_schema=False)
    except (pl.exceptions.PolarsError, pl.exceptions.PanicException) as error:
        raise _reason(path, separator, len(names), error) from None
    if cells.width != len(names):
        _refuse_ragged(path, separator, len(names))
        raise _unclosed(path, f"{len(names)} names and {cells.width} columns")
    blank = cells.select(pl.all_horizontal(pl.all().is_null())).to_series()
    if (cells[:, -1].is_null() & ~blank).any():  # a short row is filled with nulls, so the last cell of one is null
        _refuse_ragged(path, separator, len(names))
    cells.columns = names
    return cells, separator


def _checked_head(path: Path) -> str:
    try:
        with path.open("rb") as file:
            head = file.read(_HEAD)
            head += file.readline()  # a line that is cut would have fewer fields than the others
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error.strerror or error}); check the file.") from None
    for mark, what in _FOREIGN.items():
        if head.startswith(mark):
            raise InputError(f"{path}: the file is {what}.")
    if head.startswith(_WIDE_MARKS):
        raise InputError(f"{path}: the file is UTF-16; save it as UTF-8.")
    if b"\0" in head:
        raise InputError(f"{path}: the file is binary, not a text table; pass CSV, TSV or Parquet.")
    if b"\r" in head and b"\n" not in head:
        raise InputError(f"{path}: the lines end with a bare carriage return; save the file with line feeds.")
    try:
        text = head.decode("utf-8-sig")  # polars reads names that are not UTF-8, with other letters
    except UnicodeDecodeError as error:
        raise _not_utf8(path, head.count(b"\n", 0, error.start) + 1) from None
    if not text.strip():
        raise InputError(f"{path}: the file is empty; it needs a line of column names and at least one row.")
    return text


def _separator(head: str) -> str:
    def merit(separator: str) -> tuple[bool, int]:
        widths = [len(record) for record in _records(head, separator)]
        return len(set(widths)) == 1 < widths[0], widths[0]

    return max(SEPARATORS, key=merit)


def _records(head: str, separator: str) -> list[list[str]]:
    records = csv.reader(io.StringIO(head, newline=""), delimiter=separator)
    try:
        return list(itertools.islice(filter(None, records), 20))
    except csv.Error:
        return [head.splitlines()[0].split(separator)]


def _names(path: Path, head: str, separator: str) -> list[str]:
    names = [name.strip() for name in _records(head, separator)[0]]
    twice = [name for name, count in Counter(names).items() if count > 1]
    if twice:
        raise InputError(f"{path}: {Counter(names)[twice[0]]} columns are named {twice[0]!r}; names must differ.")
    return names


def _reason(path: Path, separator: str, width: int, error: Exception) -> InputError:
    """The sentence for what made polars stop."""
    with path.open("rb") as file:
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError:
                return _not_utf8(path, number)
    _refuse_ragged(path, separator, width)
    return _unclosed(path, (str(error).splitlines() or ["damaged"])[0].rstrip("."))


def _not_utf8(path: Path, line: int) -> InputError:
    return InputError(f"{path}: line {line} is not UTF-8 text; save the file as UTF-8.")


def _unclosed(path: Path, reason: str) -> InputError:
    return InputError(f"{path}: not readable as CSV ({reason}); look for a quote that is never closed.")


def _refuse_ragged(path: Path, separator: str, width: int) -> None:
    """Raise for the first row whose fields are not as many as the names; return where there is none."""
    with path.open(encoding="utf-8-sig", newline="") as file:
        records = csv.reader(file, delimiter=separator)
        next(record for record in records if record)
        try:
            for row, record in enumerate(records, 1):
                if record and len(record) != width:
                    raise InputError(
                        f"{path}: row {row} has {len(record)} fields where the header has {width}; "
                        f"quote a cell that holds {separator!r}, or complete the row."
                    )
        except csv.Error as error:
            raise _unclosed(path, str(error)) from None
