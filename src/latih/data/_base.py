"""The contract: a source becomes `Data`: examples to train on, and the schema that turns raw input into tensors."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, NamedTuple, Protocol

import msgspec
from torch import Tensor

Task = Literal["classification", "regression"]


class Batch(NamedTuple):
    """What one step trains on."""

    inputs: Tensor  # (batch, *shape), as stored: uint8 images, float32 columns
    targets: Tensor  # (batch,) int64 classes, or (batch, outputs) float32 values
    indices: Tensor  # (batch,) int64: which examples; seeds whatever is random about a sample


class Examples(Protocol):
    """Inputs with targets that can be visited in any order."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        ...

    @property
    def targets(self) -> Tensor:
        """All targets, in order of the index."""
        ...

    def __len__(self) -> int: ...

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """The examples `order` (n,) int64, in batches; the last one may be smaller."""
        ...


class Inputs(NamedTuple):
    """Raw inputs without targets, as `predict` reads them."""

    values: Tensor  # (n, *shape)
    ids: list[str]  # file name, or row number counted from 1


class Schema(msgspec.Struct, frozen=True, tag_field="kind"):
    """How raw input becomes a tensor; saved with the model so that `predict` reads the same way."""

    def read(self, source: Path) -> Inputs:
        """Read raw inputs for prediction; raises `InputError` where `source` does not fit."""
        raise NotImplementedError


@dataclass(frozen=True)
class Data:
    """One source, split and ready."""

    name: str
    task: Task
    schema: Schema
    train: Examples
    valid: Examples
    test: Examples | None = None
    classes: tuple[str, ...] = ()
    """Class names in the order of the labels; empty for regression."""
    notes: tuple[str, ...] = field(default=())
    """What a user should know of how the source was read (missing cells, resized images)."""
