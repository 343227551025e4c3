"""Features that stay on the disk: a batch reads its own rows and nothing else."""

from __future__ import annotations

import contextlib
import os
import weakref
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from latih._checks import at_least
from latih.data import Batch

from ._store import Layout, rows_of


class MappedExamples:
    """Examples whose inputs lie in a file that `store` wrote; batches come on the CPU.

    Args:
        path: The file.
        layout: What it holds; with views, the first length of its shape is their number.
        targets: (n, ...) on the CPU.
        views: How many versions of each example there are, of which `view` is served; 0 for one without a number.
        temporary: Delete the file when these examples are no longer used.
    """

    def __init__(self, path: Path, layout: Layout, targets: Tensor, *, views: int = 0, temporary: bool = False) -> None:
        self.path, self.layout, self.views, self.view = path, layout, views, 0
        self._targets = targets
        shape = (layout.rows, views, -1) if views else (layout.rows, -1)
        self._rows = rows_of(path, layout).reshape(shape)
        if temporary:
            weakref.finalize(self, _delete, path)

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return self.layout.shape[1:] if self.views else self.layout.shape

    @property
    def targets(self) -> Tensor:
        """All targets, in order of the index."""
        return self._targets

    def __len__(self) -> int:
        return self.layout.rows

    def __repr__(self) -> str:
        return f"MappedExamples({len(self)} of {self.shape} {self.layout.dtype} in {self.path})"

    def first(self, count: int) -> Tensor:
        """The first rows of the file as they are: (count, *shape), or (count, views, *shape)."""
        rows = torch.from_numpy(self._rows[:count].reshape(count, -1).copy())
        return rows.view(self.layout.dtype).reshape(count, *self.layout.shape)

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """The examples `order` (n,) int64, in the present view, in batches; the last one may be smaller."""
        at_least("batches", "batch_size", batch_size, 1)
        if len(order) == 0:
            return
        for index in order.cpu().split(batch_size):
            rows = self._rows[index.numpy(), self.view] if self.views else self._rows[index.numpy()]
            inputs = torch.from_numpy(rows).view(self.layout.dtype).reshape(len(index), *self.shape)
            yield Batch(inputs, self._targets[index], index)


def _delete(path: Path) -> None:
    with contextlib.suppress(OSError):
        os.unlink(path)
