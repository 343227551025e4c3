"""How a text becomes token ids, saved with the model."""

from __future__ import annotations

import codecs
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import numpy as np
import polars as pl
import torch
from msgspec import Meta
from torch import Tensor

from latih._checks import InputError

from ._base import Inputs, Schema
from ._csv_file import _checked_head
from ._table_file import Table, _clean, read_table
from ._tokenize import open_tokenizer, tokenize

if TYPE_CHECKING:
    from tokenizers import Encoding

LONGEST = 2**20
"""Tokens of a text; a schema may come from a stranger's file."""


class TextSchema(Schema, frozen=True, tag="text"):
    """int64 token ids of one length: cut where the text is longer, padded on the right where it is shorter."""

    target: str
    """The column that is predicted; `read` passes over it."""
    column: str
    """The column of text."""
    tokenizer: str
    """The JSON text of a `tokenizer.json`; lengths and padding that it may ask for itself are not followed."""
    length: Annotated[int, Meta(ge=1, le=LONGEST)]
    """Tokens of one input, the special ones among them."""
    pad: Annotated[int, Meta(ge=0, le=2**31)]
    """The id that fills up a shorter text."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (self.length,)

    def encode(self, texts: pl.Series) -> tuple[Tensor, int]:
        """n texts, null for none -> (n, length) int64, and how many of the texts are cut.

        What is cut is the end of the text; the special tokens that close it are kept.
        Raises `InputError` where `tokenizers` is not installed, and for a tokenizer that cannot read a text.
        """
        ids = np.full((len(texts), self.length), self.pad, np.int64)
        cut = np.zeros(len(texts), bool)

        def place(row: int, encoding: Encoding) -> None:
            found = encoding.ids
            ids[row, : len(found)] = found
            cut[row] = len(found) == self.length and len(encoding.overflowing) > 0

        tokenize(open_tokenizer(self.tokenizer, self.length), texts, place)
        return torch.from_numpy(ids), int(cut.sum())

    def read(self, source: Path) -> Inputs:
        """Read the column of text of a CSV, TSV or Parquet file, or a .txt file with one text a line.

        Further columns, the target among them, are ignored. A missing cell and an empty line are an empty text, of
        which only the special tokens are left.

        Returns:
            values (n, length) int64, and as ids the rows' places in the file, counted from 1.

        Raises:
            InputError: For a column that is missing or does not hold text, a file that cannot be read, and where
                `tokenizers` is not installed.
        """
        path = Path(source)
        table = _read_lines(path, self.column) if path.suffix.lower() == ".txt" else read_table(path)
        return Inputs(self.encode(text_cells(table, self.column))[0], [str(row) for row in table.rows])

    def __repr__(self) -> str:
        """Without the tokenizer, which is as long as a book."""
        return f"TextSchema(target={self.target!r}, column={self.column!r}, length={self.length}, pad={self.pad})"


def text_cells(table: Table, name: str) -> pl.Series:
    """The cells of a column of text, null where missing; raises `InputError` where it is typed as something else."""
    cells = table.column(name, "text column")
    if cells.dtype not in (pl.String, pl.Null):
        raise InputError(f"{table.path}: column {name!r} must hold text, not {cells.dtype}.")
    return cells.cast(pl.String)


def _read_lines(path: Path, column: str) -> Table:
    """One text a line, as the column of a table."""
    if not path.is_file():
        raise InputError(f"{path}: {'a folder, not a text file' if path.is_dir() else 'there is no such file'}.")
    content = path.read_bytes().removeprefix(codecs.BOM_UTF8)
    if not content.strip():
        raise InputError(f"{path}: the file is empty; it needs one text a line.")
    _checked_head(path)
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise InputError(f"{path}: line {line} is not UTF-8 text; save the file as UTF-8.") from None
    lines = pl.DataFrame({column: text.removesuffix("\n").split("\n")})
    return Table(path, _clean(lines), pl.Series(range(1, len(lines) + 1), dtype=pl.Int64), "")
