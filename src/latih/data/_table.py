"""Tables: CSV, TSV and Parquet become one float32 matrix, numbers first, then a code per category."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from latih._checks import InputError

from ._base import Data
from ._columns import check_decimals, infer
from ._split import split, split_notes
from ._table_file import Table, listing, read_table
from ._table_fit import fit
from ._table_notes import dropped_note, missing_note, precision_note, unseen_note
from ._table_schema import TableSchema
from ._target import Target, read_known_target, read_target
from ._tensors import TensorExamples


def load_table(
    path: Path,
    *,
    target: str | None,
    valid: Path | None = None,
    valid_fraction: float = 0.1,
    seed: int = 0,
    strict: bool = False,
) -> Data:
    """Read a table for training.

    Columns of numbers stay numbers (missing and infinite cells become NaN, which the model imputes), ISO dates become
    days, text and booleans become codes. The vocabulary, and what is constant or an id, come from the training rows
    only. Left out, with a note: columns that are constant, empty, nested, text that differs in nearly every row, and
    row numbers.

    Args:
        path: A CSV (comma, semicolon, tab or bar between the fields), TSV or Parquet file whose first line holds names.
        target: The column to predict; `read_target` says when it is classes and when values.
        valid: A further file to validate on; without it a part of the rows is held out.
        valid_fraction: That part.
        seed: Which rows are held out.
        strict: Refuse rows without a target, missing cells and infinite ones, rather than note them.

    Raises:
        InputError: For a file that cannot be read, a column that is not there, a cell that is not a number in a
            column of numbers, and a target from which nothing can be learnt.
    """
    table = read_table(Path(path))
    outcome = read_target(table, _named_target(table, target))
    notes = [outcome.note, dropped_note(table, str(target), outcome.keep, strict)]
    table = table.filter(outcome.keep)
    columns = {name: infer(table, name) for name in table.cells.columns if name != target}
    check_decimals(table, columns)
    train, held_out = _parts(outcome, None if valid else valid_fraction, seed)
    schema, left_out = fit(table, str(target), columns, train)
    notes += [*left_out, missing_note(table, schema, columns, strict), precision_note(schema, columns, train)]
    examples = TensorExamples(schema.encode(columns), outcome.values)
    if valid is None:
        notes += split_notes(outcome.values, outcome.task, outcome.classes)
        valid_examples = examples.subset(held_out)
    else:
        valid_examples, valid_notes = _validation(Path(valid), schema, outcome, strict)
        notes += valid_notes
    notes.append(unseen_note(schema, valid_examples.inputs))
    return Data(
        name=Path(path).stem,
        task=outcome.task,
        schema=schema,
        train=examples if valid else examples.subset(train),
        valid=valid_examples,
        classes=outcome.classes,
        notes=tuple(note for note in notes if note),
    )


def _named_target(table: Table, target: str | None) -> str:
    if target is None:
        raise InputError(
            f"{table.path}: which column is to be predicted? Pass --target with one of {listing(table.cells.columns)}."
        )
    return table.column(target, "target column").name


def _parts(outcome: Target, fraction: float | None, seed: int) -> tuple[Tensor, Tensor]:
    if fraction is None:
        return torch.arange(len(outcome.values)), torch.arange(0)
    return split(outcome.values, fraction, seed, outcome.task)


def _validation(path: Path, schema: TableSchema, outcome: Target, strict: bool) -> tuple[TensorExamples, list[str]]:
    table = read_table(path)
    table.column(schema.target, "target column")
    known = read_known_target(table, schema.target, outcome.task, outcome.classes)
    dropped = dropped_note(table, schema.target, known.keep, strict)
    table = table.filter(known.keep)
    if len(table.cells) == 0:
        raise InputError(f"{path}: no row has a value of the target {schema.target!r}; validation needs some.")
    columns = schema.columns(table)
    notes = [dropped, missing_note(table, schema, columns, strict)]
    return TensorExamples(schema.encode(columns), known.values), [f"validation: {note}" for note in notes if note]
