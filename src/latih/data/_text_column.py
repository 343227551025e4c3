"""Which column of a table is the text."""

from __future__ import annotations

import polars as pl

from latih._checks import InputError

from ._columns import infer
from ._table_file import Table, listing
from ._text_schema import text_cells

WORDS = 3  # on average, for a column to be taken for text unasked
ALIKE = 0.8  # of the length of the longest column: from here on the choice is the user's
_WORD = r"\S*\p{L}\S*"  # with a letter, so that the parts of a date or of a telephone number do not count


def text_column(table: Table, target: str, named: str | None) -> str:
    """The column `named`; by default the one with the longest cells on average among those of 3 words or more.

    A missing cell counts as an empty one. Raises `InputError` for a column that is not there or holds no text, and
    where no column, or more than one of about the same length, may be the text.
    """
    if named is not None:
        _refuse_no_text(table, target, named)
        return named
    texts = [name for name in table.cells.columns if name != target and _holds_text(table, name)]
    if not texts:
        raise InputError(
            f"{table.path}: no column but the target holds text, and a tokenizer reads text; add one, or leave the "
            "tokenizer out."
        )
    cells = {name: text_cells(table, name).fill_null("") for name in texts}
    lengths = {name: _mean(cells[name].str.len_chars()) for name in texts}
    wordy = [name for name in texts if _mean(cells[name].str.count_matches(_WORD)) >= WORDS]
    longest = max((lengths[name] for name in wordy), default=0.0)
    likely = [name for name in wordy if lengths[name] >= ALIKE * longest]
    if len(likely) == 1:
        return likely[0]
    why = f"{listing(likely)} are about as long" if likely else f"none has {WORDS} words or more on average"
    raise InputError(f"{table.path}: which column is the text? Pass text= with one of {listing(texts)}; {why}.")


def _refuse_no_text(table: Table, target: str, name: str) -> None:
    cells = table.column(name, "text column")
    if name == target:
        raise InputError(f"{table.path}: text={name!r} is the target; name the column that it is predicted from.")
    if cells.null_count() == len(cells):
        raise InputError(f"{table.path}: column {name!r} has no text in any row; name another with text=.")
    if not _holds_text(table, name):
        raise InputError(
            f"{table.path}: column {name!r} holds {_kind(table, name)}, not text; name a column of text with text=, "
            "or leave the tokenizer out."
        )


def _holds_text(table: Table, name: str) -> bool:
    if table.cells[name].dtype != pl.String:
        return False
    try:
        return infer(table, name).kind == "category"
    except InputError:  # nearly numbers: as text they may be read
        return True


def _kind(table: Table, name: str) -> str:
    typed = table.cells[name].dtype
    return f"{infer(table, name).kind}s" if typed == pl.String else str(typed)


def _mean(counts: pl.Series) -> float:
    return float(counts.to_numpy().mean())
