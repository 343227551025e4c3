"""Whatever holds a user's data becomes `Examples`: pairs of arrays, torch data sets, torch loaders."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, cast

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from latih._checks import InputError

from ._base import Batch, Examples
from ._tensors import TensorExamples


def as_examples(source: Any, name: str = "train") -> Examples:
    """`Examples` from (x, y) arrays or tensors, a torch `Dataset` of pairs, a `DataLoader` of pairs, or `Examples`.

    float64 arrays become float32 and integer targets int64, as torch's layers and losses expect. Raises `InputError`
    for anything else, and for arrays of different lengths or of objects.

    >>> len(as_examples((np.zeros((6, 2)), np.arange(6))))
    6
    """
    if isinstance(source, tuple | list) and len(source) == 2:
        return TensorExamples(_inputs(source[0], f"{name}[0]"), _targets(source[1], f"{name}[1]"))
    if isinstance(source, DataLoader):
        return LoadedExamples(source, name)
    if isinstance(source, Dataset):
        return DatasetExamples(source, name)
    if hasattr(source, "batches") and hasattr(source, "targets"):
        return cast(Examples, source)
    raise InputError(
        f"{name}: {type(source).__name__} is no data; pass a pair (x, y) of arrays or tensors, a torch Dataset or "
        f"DataLoader of such pairs, or the name or path of a data set."
    )


def peek_targets(examples: Examples) -> Tensor:
    """Some targets, all where that costs nothing: enough to see of what kind they are."""
    return examples.sample_targets if isinstance(examples, DatasetExamples | LoadedExamples) else examples.targets


class DatasetExamples:
    """A torch data set of (input, target) pairs, fetched example by example."""

    def __init__(self, dataset: Dataset, name: str) -> None:
        if not hasattr(dataset, "__len__") or len(dataset) == 0:  # pyright: ignore
            raise InputError(f"{name}: the Dataset must have a length above 0; wrap a stream in a DataLoader.")
        self.dataset, self.name = dataset, name
        self._first = self._fetch(torch.zeros(1, dtype=torch.long))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return tuple(self._first.inputs.shape[1:])

    @property
    def targets(self) -> Tensor:
        """All targets, in order of the index."""
        return torch.cat([self._fetch(index).targets for index in torch.arange(len(self)).split(256)])

    @property
    def sample_targets(self) -> Tensor:
        """Targets of a few examples, to see what kind they are without visiting all."""
        return self._first.targets

    def __len__(self) -> int:
        return len(self.dataset)  # pyright: ignore

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """The examples `order`, in batches."""
        for index in order.split(batch_size) if len(order) else ():
            yield self._fetch(index)

    def _fetch(self, index: Tensor) -> Batch:
        pairs = [self.dataset[number] for number in index.tolist()]
        if not all(isinstance(pair, tuple | list) and len(pair) == 2 for pair in pairs):
            raise InputError(f"{self.name}: the Dataset must yield (input, target) pairs; wrap it in one that does.")
        inputs = torch.stack([_inputs(x, f"{self.name}[0]") for x, _ in pairs])
        return Batch(inputs, torch.stack([_targets(y, f"{self.name}[1]") for _, y in pairs]), index)


class LoadedExamples:
    """A torch loader of (inputs, targets) batches; order and batch size are the loader's own."""

    def __init__(self, loader: DataLoader, name: str) -> None:
        self.loader, self.name = loader, name
        self._size = _length(loader, name)
        self._first = next(self.batches(torch.arange(self._size), self.batch_size), None)
        if self._first is None:
            raise InputError(f"{name}: the DataLoader yields nothing; give it data.")

    @property
    def batch_size(self) -> int:
        """The loader's, so that an epoch has the right number of updates."""
        return self.loader.batch_size or -(-self._size // len(self.loader))

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input, without the batch."""
        return tuple(self._first.inputs.shape[1:])  # pyright: ignore

    @property
    def targets(self) -> Tensor:
        """All targets, in the order of one pass."""
        return torch.cat([batch.targets for batch in self.batches(torch.arange(self._size), self.batch_size)])

    @property
    def sample_targets(self) -> Tensor:
        """Targets of the first batch."""
        return self._first.targets  # pyright: ignore

    def __len__(self) -> int:
        return self._size

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """One pass of the loader; `order` only says how many batches are left of a pass that was interrupted."""
        skip = (self._size - len(order)) // max(batch_size, 1)
        seen = 0
        for number, pair in enumerate(self.loader):
            if not isinstance(pair, tuple | list) or len(pair) != 2:
                raise InputError(
                    f"{self.name}: the DataLoader must yield (inputs, targets) pairs; change its collate_fn."
                )
            inputs, targets = _inputs(pair[0], f"{self.name}[0]"), _targets(pair[1], f"{self.name}[1]")
            index = torch.arange(seen, seen + len(inputs))
            seen += len(inputs)
            if number >= skip:
                yield Batch(inputs, targets, index)


def _length(loader: DataLoader, name: str) -> int:
    try:
        batches = len(loader)
        size = len(loader.dataset)  # pyright: ignore
    except TypeError:
        raise InputError(f"{name}: the DataLoader has no length; give its Dataset a __len__.") from None
    if loader.drop_last and loader.batch_size:
        return batches * loader.batch_size
    return size


def _inputs(values: Any, name: str) -> Tensor:
    tensor = _tensor(values, name)
    return tensor.float() if tensor.dtype == torch.float64 else tensor


def _targets(values: Any, name: str) -> Tensor:
    tensor = _tensor(values, name)
    return tensor.float() if tensor.is_floating_point() else tensor.long()


def _tensor(values: Any, name: str) -> Tensor:
    if isinstance(values, Tensor):
        return values
    array = np.asarray(values)
    if array.dtype.kind not in "buif":
        raise InputError(f"{name}: an array of {array.dtype} cannot be trained on; encode it as numbers.")
    if array.dtype == np.uint16 or not array.dtype.isnative:
        array = array.astype(np.int32 if array.dtype.kind == "u" else array.dtype.newbyteorder("="))
    # not ascontiguousarray, which makes a row of a single number
    return torch.from_numpy(np.require(array, requirements="C"))
