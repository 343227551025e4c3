"""Several augmented versions of each example, of which every epoch sees one."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from latih._checks import at_least
from latih.data import Batch
from latih.train import Callback, Trainer


class ViewedExamples:
    """Features in memory, several versions of each; `batches` serves version `view`, which a `NextView` moves on.

    `features` (n, views, *shape) and `targets` (n, ...) on one device.
    """

    def __init__(self, features: Tensor, targets: Tensor) -> None:
        self._features = features
        self._targets = targets
        self.view = 0

    @property
    def views(self) -> int:
        """Number of versions."""
        return self._features.shape[1]

    @property
    def inputs(self) -> Tensor:
        """All inputs in the present view, in order of the index."""
        return self._features[:, self.view]

    @property
    def targets(self) -> Tensor:
        """All targets, in order of the index."""
        return self._targets

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return tuple(self._features.shape[2:])

    def __len__(self) -> int:
        return len(self._features)

    def __repr__(self) -> str:
        held = f"{self._features.dtype} on {self._features.device}"
        return f"ViewedExamples({len(self)} of {self.shape} {held}, view {self.view} of {self.views})"

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """The examples `order` (n,) int64 in the present view, in batches; the last one may be smaller."""
        at_least("batches", "batch_size", batch_size, 1)
        if len(order) == 0:
            return
        rows = self._features.flatten(0, 1)
        for index in order.to(rows.device).split(batch_size):
            inputs = rows.index_select(0, index * self.views + self.view)
            yield Batch(inputs, self._targets.index_select(0, index), index)


class NextView(Callback):
    """Shows epoch e the view e mod views of `trainer.train`, also when a run goes on from a checkpoint.

    Examples without views stay as they are.
    """

    def on_epoch_start(self, trainer: Trainer) -> None:
        """Move to the epoch's view."""
        examples: Any = trainer.train
        if getattr(examples, "views", 0):
            examples.view = trainer.epoch % examples.views
