"""Examples that lie in memory as two tensors: the hot path of a training step."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch import Tensor

from latih._checks import InputError, at_least

from ._base import Batch


class TensorExamples:
    """Inputs and targets as tensors; a batch is one `index_select` of each, on whatever device they lie.

    `inputs` (n, *shape), usually uint8 pictures or float32 columns; `targets` (n, ...) of the same length.
    """

    def __init__(self, inputs: Tensor, targets: Tensor):
        if inputs.dim() == 0 or targets.dim() == 0 or len(inputs) != len(targets):
            raise InputError(
                f"TensorExamples(inputs {tuple(inputs.shape)}, targets {tuple(targets.shape)}): both need one row "
                "for each example; make their first lengths equal."
            )
        self._inputs = inputs
        self._targets = targets

    @property
    def inputs(self) -> Tensor:
        """All inputs, in order of the index."""
        return self._inputs

    @property
    def targets(self) -> Tensor:
        """All targets, in order of the index."""
        return self._targets

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return tuple(self._inputs.shape[1:])

    def __len__(self) -> int:
        return len(self._inputs)

    def __repr__(self) -> str:
        return f"TensorExamples({len(self)} of {self.shape} {self._inputs.dtype} on {self._inputs.device})"

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """The examples `order` (n,) int64, in batches; the last one may be smaller.

        >>> examples = TensorExamples(torch.arange(10.0).view(5, 2), torch.arange(5))
        >>> [batch.indices.tolist() for batch in examples.batches(torch.tensor([4, 0, 2]), 2)]
        [[4, 0], [2]]
        """
        at_least("batches", "batch_size", batch_size, 1)
        if len(order) == 0:
            return  # `split` of an empty tensor yields one empty batch
        # moved once, so that no batch waits for the device
        for index in order.to(self._inputs.device).split(batch_size):
            yield Batch(self._inputs.index_select(0, index), self._targets.index_select(0, index), index)

    def to(self, device: torch.device | str) -> TensorExamples:
        """The same examples on `device`."""
        return TensorExamples(self._inputs.to(device), self._targets.to(device))

    def subset(self, indices: Tensor) -> TensorExamples:
        """A copy of the examples `indices` (n,) int64, which count from 0 again."""
        indices = indices.to(self._inputs.device)
        return TensorExamples(self._inputs.index_select(0, indices), self._targets.index_select(0, indices))
