"""Images that do not fit in memory: decoded when a batch needs them, in worker processes if there are any."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from latih._checks import InputError, at_least

from ._base import Batch
from ._decode import decode


class StreamedImages:
    """Images that lie in files; the same bytes as in memory, whatever the number of workers."""

    def __init__(self, paths: Sequence[Path], targets: Tensor, shape: tuple[int, int, int], workers: int = 0):
        at_least("StreamedImages", "workers", workers, 0, "0 decodes in the training process")
        self._files = _Files(paths, shape)
        self._targets = targets
        self._workers = workers

    @property
    def paths(self) -> list[Path]:
        """The files, in order of the index."""
        return [Path(path) for path in self._files.paths]

    @property
    def shape(self) -> tuple[int, ...]:
        """(channels, height, width)."""
        return self._files.shape

    @property
    def targets(self) -> Tensor:
        """(n,) int64 classes."""
        return self._targets

    def __len__(self) -> int:
        return len(self._files)

    def __repr__(self) -> str:
        return f"StreamedImages({len(self)} of {self.shape}, {self._workers} workers)"

    def batches(self, order: Tensor, batch_size: int) -> Iterator[Batch]:
        """The examples `order` (n,) int64, in batches; the last one may be smaller.

        The random state is left as it was. Raises `InputError` that names the file for one that cannot be decoded.
        """
        at_least("batches", "batch_size", batch_size, 1)
        if len(order) == 0:
            return
        indices = order.cpu().split(batch_size)
        loader = DataLoader(
            self._files,
            batch_sampler=[part.tolist() for part in indices],
            num_workers=self._workers,
            collate_fn=_as_they_are,
            generator=torch.Generator(),  # the loader draws a seed; from the global state it would move training's
        )
        for index, images in zip(indices, loader, strict=True):
            if isinstance(images, InputError):
                raise images
            yield Batch(images, self._targets[index], index)


class _Files(Dataset):
    """Decodes a whole batch at a time."""

    def __init__(self, paths: Sequence[Path], shape: tuple[int, int, int]):
        self.paths = [str(path) for path in paths]
        self.shape = shape

    def __len__(self) -> int:
        return len(self.paths)

    def __getitems__(self, indices: list[int]) -> Tensor | InputError:
        try:
            return torch.stack([decode(Path(self.paths[index]), self.shape) for index in indices])
        except InputError as error:
            return error  # raised in a worker, the sentence would come with the worker's traceback


def _as_they_are(batch: Any) -> Any:
    return batch
