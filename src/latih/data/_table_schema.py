"""How a row of a table becomes a vector, saved with the model."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import numpy as np
import polars as pl
import torch
from torch import Tensor

from latih._checks import InputError

from ._base import Inputs, Schema
from ._columns import Column, categories, check_decimals, dates, numbers
from ._table_file import Table, read_table

LARGEST_CODE = 1 << 24
"""Whole numbers up to here are exact in float32, in which the codes travel with the numbers."""
LARGEST_NUMBER = float(np.finfo(np.float32).max)
_EPOCH = date(1970, 1, 1)


class TableSchema(Schema, frozen=True, tag="table"):
    """Numeric columns first, then one code per categorical column; all float32."""

    target: str
    """The column that is predicted; `read` passes over it."""
    numeric: list[str]
    """Columns of numbers and of dates, in order; NaN in the tensor where a cell is missing or infinite."""
    categorical: dict[str, list[str]]
    """Column to its sorted vocabulary: code 1 is its first value, code 0 a value that is missing or not in it."""
    dates: dict[str, date]
    """Those of `numeric` that hold dates -> the day from which the days are counted."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input."""
        return (len(self.numeric) + len(self.categorical),)

    def columns(self, table: Table) -> dict[str, Column]:
        """The columns of `table` that the schema knows, read as what they were in training.

        Raises `InputError` for a column that is not there and for a cell that cannot be read so.
        """
        columns = {name: (dates if name in self.dates else numbers)(table, name) for name in self.numeric}
        columns |= {name: categories(table, name) for name in self.categorical}
        check_decimals(table, columns)
        return columns

    def encode(self, columns: dict[str, Column]) -> Tensor:
        """Columns of n cells each -> (n, columns) float32."""
        features = [self._number(name, columns[name].values) for name in self.numeric]
        features += [codes(columns[name].values, vocabulary) for name, vocabulary in self.categorical.items()]
        return torch.from_numpy(np.stack(features, axis=1))

    def read(self, source: Path) -> Inputs:
        """Read the rows of a CSV, TSV or Parquet file; further columns, the target among them, are ignored.

        Returns:
            values (n, columns) float32, and as ids the rows' places in the file, counted from 1.

        Raises:
            InputError: For a column that is missing, a cell that is not a number or date where training had
                numbers or dates, and a file that cannot be read.
        """
        table = read_table(Path(source))
        return Inputs(self.encode(self.columns(table)), [str(row) for row in table.rows])

    def _number(self, name: str, values: pl.Series) -> np.ndarray:
        if name in self.dates:
            values = values - (self.dates[name] - _EPOCH).days
        return finite(values).cast(pl.Float32).fill_null(float("nan")).to_numpy()


def finite(values: pl.Series) -> pl.Series:
    """Numbers with null for each that float32 does not hold."""
    return values.set(values.abs() > LARGEST_NUMBER, None)


def codes(values: pl.Series, vocabulary: list[str]) -> np.ndarray:
    """Text to codes, as float32: the place in the vocabulary counted from 1, and 0 for what is not in it."""
    if len(vocabulary) >= LARGEST_CODE:
        raise InputError(
            f"column {values.name!r} has {len(vocabulary)} categories; 2^24 - 1 are the most there can be."
        )
    if len(set(vocabulary)) != len(vocabulary):
        raise InputError(f"column {values.name!r}: a category stands twice in the vocabulary; the model is damaged.")
    places = pl.DataFrame(
        {"value": vocabulary, "code": range(1, len(vocabulary) + 1)}, schema_overrides={"value": pl.String}
    )
    joined = values.to_frame("value").join(places, on="value", how="left", maintain_order="left")
    return joined["code"].cast(pl.Float32).fill_null(0.0).to_numpy()
