"""Texts of a table become token ids for a pretrained network."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from torch import Tensor

from latih._checks import InputError, whole

from ._base import Data
from ._split import split_notes
from ._table import _named_target, _parts
from ._table_file import Table, listing, read_table
from ._table_notes import _refused, dropped_note
from ._target import Target, read_known_target, read_target
from ._tensors import TensorExamples
from ._text_column import text_column
from ._text_schema import TextSchema, text_cells
from ._tokenize import open_tokenizer, padding_id, tokenize

if TYPE_CHECKING:
    from tokenizers import Encoding

MOST_TOKENS = 256
"""Where a text is cut at the latest unless `length` is given; the cost of attention grows with the square."""
HELD = 99  # percent of the training texts that the length must hold


def load_text(
    path: Path,
    *,
    target: str | None,
    tokenizer: str,
    text: str | None = None,
    length: int | None = None,
    limit: int | None = None,
    valid: Path | None = None,
    valid_fraction: float = 0.1,
    seed: int = 0,
    strict: bool = False,
) -> Data:
    """Read one column of a table as text, for training; the others but the target are not used.

    A missing cell is an empty text, of which only the special tokens are left.

    Args:
        path: A CSV (comma, semicolon, tab or bar between the fields), TSV or Parquet file whose first line holds names.
        target: The column to predict; `read_target` says when it is classes and when values.
        tokenizer: The JSON text of a `tokenizer.json`; lengths and padding that it asks for itself are not followed.
        text: The column of text; by default the one with the longest cells on average among those of 3 words or more.
        length: Tokens of one input, the special ones among them; by default the smallest multiple of 8 that holds
            99 % of the training texts, and 256 at most.
        limit: The most tokens that the network takes.
        valid: A further file to validate on; without it a part of the rows is held out.
        valid_fraction: That part.
        seed: Which rows are held out.
        strict: Refuse rows without a target or a text, rather than note them.

    Raises:
        InputError: For a file that cannot be read, a column that is not there or holds no text, no column or several
            that may be the text, what is no tokenizer or has no token to pad with, a length beyond the limit, a
            target from which nothing can be learnt, and where `tokenizers` is not installed.
    """
    _check_lengths(tokenizer, length, limit)
    pad = padding_id(tokenizer)
    table = read_table(Path(path))
    name = _named_target(table, target)
    column = text_column(table, name, text)
    outcome = read_target(table, name)
    notes = [outcome.note, dropped_note(table, name, outcome.keep, strict)]
    table = table.filter(outcome.keep)
    texts = text_cells(table, column)
    train, held_out = _parts(outcome, None if valid else valid_fraction, seed)
    training = texts.gather(pl.Series(train.numpy()))
    if training.n_unique() < 2:
        raise InputError(f"{path}: {column!r} has the same text in every training row; name another column with text=.")
    notes += [_columns_note(table, name, column), _missing_note(table, texts, strict)]
    schema = TextSchema(name, column, tokenizer, length or _length(tokenizer, training, limit), pad)
    examples, cut = _examples(schema, training, outcome.values[train])
    if valid is None:
        notes += split_notes(outcome.values, outcome.task, outcome.classes)
        held_texts = texts.gather(pl.Series(held_out.numpy()))
        valid_examples, held_cut = _examples(schema, held_texts, outcome.values[held_out])
        cut += held_cut
        valid_notes = []
    else:
        valid_examples, valid_notes = _validation(Path(valid), schema, outcome, strict)
    return Data(
        name=Path(path).stem,
        task=outcome.task,
        schema=schema,
        train=examples,
        valid=valid_examples,
        classes=outcome.classes,
        notes=tuple(note for note in [*notes, _cut_note(schema, cut, len(texts)), *valid_notes] if note),
    )


def _check_lengths(tokenizer: str, length: int | None, limit: int | None) -> None:
    special = open_tokenizer(tokenizer, length).num_special_tokens_to_add(False)
    if limit is None:
        return
    whole("load", "limit", limit, special + 1, f"{special} tokens are special and the text needs one")
    if length is not None and length > limit:
        raise InputError(f"load(length={length}): the network takes at most {limit} tokens; make length {limit}.")


def _length(tokenizer: str, texts: pl.Series, limit: int | None) -> int:
    """The smallest multiple of 8 that holds 99 % of the texts, and at most 256 or the limit."""
    counts = np.zeros(len(texts), np.int64)

    def count(row: int, encoding: Encoding) -> None:
        counts[row] = len(encoding)

    tokenize(open_tokenizer(tokenizer), texts, count)
    counts.sort()
    held = int(counts[-(-HELD * len(counts) // 100) - 1])
    return min(-(-held // 8) * 8, MOST_TOKENS, limit or MOST_TOKENS)


def _examples(schema: TextSchema, texts: pl.Series, targets: Tensor) -> tuple[TensorExamples, int]:
    inputs, cut = schema.encode(texts)
    return TensorExamples(inputs, targets), cut


def _validation(path: Path, schema: TextSchema, outcome: Target, strict: bool) -> tuple[TensorExamples, list[str]]:
    table = read_table(path)
    table.column(schema.target, "target column")
    known = read_known_target(table, schema.target, outcome.task, outcome.classes)
    notes = [dropped_note(table, schema.target, known.keep, strict)]
    table = table.filter(known.keep)
    if len(table.cells) == 0:
        raise InputError(f"{path}: no row has a value of the target {schema.target!r}; validation needs some.")
    texts = text_cells(table, schema.column)
    examples, cut = _examples(schema, texts, known.values)
    notes += [_missing_note(table, texts, strict), _cut_note(schema, cut, len(texts)) if cut else ""]
    return examples, [f"validation: {note}" for note in notes if note]


def _columns_note(table: Table, target: str, column: str) -> str:
    unused = [name for name in table.cells.columns if name not in (target, column)]
    return f"{column!r} is read as text" + (f"; not used: {listing(unused)}" if unused else "")


def _missing_note(table: Table, texts: pl.Series, strict: bool) -> str:
    missing = texts.null_count()
    note = f"rows without text in {texts.name!r}, read as an empty text: {missing} of {len(texts)}" if missing else ""
    return _refused(table, note, strict, "fill in the cells")


def _cut_note(schema: TextSchema, cut: int, of: int) -> str:
    return f"a text is {schema.length} tokens long; longer ones, of which the end is cut off: {cut or 'none'} of {of}"
