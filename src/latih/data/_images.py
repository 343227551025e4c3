"""Folders of images, one subfolder a class: in memory if they fit, otherwise streamed from the files."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import Tensor

from latih._checks import at_least, one_of

from ._base import Data, Examples
from ._decode import Header, Progress, decode_all, read_headers
from ._image_parts import Labelled, find_parts, label_images
from ._image_schema import ImageSchema, thread_count
from ._split import split, split_notes
from ._stream import StreamedImages
from ._tensors import TensorExamples

DEFAULT_SIDE = 64


def load_images(
    path: Path,
    *,
    valid: Path | None = None,
    valid_fraction: float = 0.1,
    seed: int = 0,
    size: int | None = None,
    color: str = "auto",
    workers: int = 0,
    in_memory_bytes: int = 2**31,
    progress: Progress | None = None,
) -> Data:
    """Read a folder of images for training.

    The folder holds one subfolder a class, or `train/`, `valid/` (`val/`, `validation/`) and `test/` with those in
    them. The headers of all images are read at once, the pixels at once or batch by batch.

    Args:
        path: The folder; classes are its subfolders in natural order, images are found however deep they lie.
        valid: A further folder to validate on; without it, and without `valid/`, a part of each class is held out.
        valid_fraction: That part.
        seed: Which images are held out.
        size: Side of the square that images are brought to. By default images that are all of one size, 64 pixels
            or less each way, stay as they are, and others become 64 x 64.
        color: "grey" or "rgb"; "auto" is grey if the file of every image is stored as grey.
        workers: Processes that decode when images are streamed, threads when they are kept; 0 is this process, and
            a thread for each core.
        in_memory_bytes: Images that need no more than this are decoded now and kept.
        progress: Called with the number of images decoded and of all, while they are decoded now.

    Raises:
        InputError: For a folder without classes or images, a class that only validation or test has, an image that
            cannot be decoded or is a decompression bomb, and a link that leads out of the folder.
    """
    at_least("load_images", "workers", workers, 0, "0 decodes in this process")
    one_of("load_images", "color", color, ("auto", "grey", "rgb"))
    if size is not None:
        at_least("load_images", "size", size, 1)
    root = Path(path)
    parts = find_parts(root, Path(valid) if valid else None)
    train = label_images(parts.train, root)
    given = [
        label_images(folder, folder if folder == valid else root, train.classes) if folder else None
        for folder in (parts.valid, parts.test)
    ]
    labelled = [part for part in (train, *given) if part]
    headers = read_headers([path for part in labelled for path in part.paths], thread_count(workers))
    schema = ImageSchema(_shape(headers, size, color))
    labels = torch.tensor(train.labels, dtype=torch.int64)
    notes = [note for part in labelled for note in part.notes] + _header_notes(headers, schema)
    if given[0] is None:
        notes += split_notes(labels, "classification", train.classes)
        chosen, held_out = split(labels, valid_fraction, seed, "classification")
        selected = [_select(train, chosen), _select(train, held_out), given[1]]
    else:
        selected = [train, *given]
    in_memory = len(headers) * math.prod(schema.shape) <= in_memory_bytes
    reader = _Reader(schema, workers, in_memory, len(headers), progress)
    examples = [reader.examples(part) if part else None for part in selected]
    assert examples[0] is not None
    assert examples[1] is not None
    return Data(
        name=root.resolve().name,
        task="classification",
        schema=schema,
        train=examples[0],
        valid=examples[1],
        test=examples[2],
        classes=train.classes,
        notes=tuple(notes),
    )


class _Reader:
    """Turns labelled paths into examples, and counts on over the parts."""

    def __init__(self, schema: ImageSchema, workers: int, in_memory: bool, total: int, progress: Progress | None):
        self.schema, self.workers, self.in_memory = schema, workers, in_memory
        self.total, self.done, self.progress = total, 0, progress

    def examples(self, part: Labelled) -> Examples:
        targets = torch.tensor(part.labels, dtype=torch.int64)
        if not self.in_memory:
            return StreamedImages(part.paths, targets, self.schema.shape, self.workers)
        before = self.done
        self.done += len(part.paths)

        def count(done: int, _: int) -> None:
            if self.progress:
                self.progress(before + done, self.total)

        return TensorExamples(decode_all(part.paths, self.schema.shape, thread_count(self.workers), count), targets)


def _select(part: Labelled, indices: Tensor) -> Labelled:
    chosen = indices.tolist()
    return part._replace(paths=[part.paths[i] for i in chosen], labels=[part.labels[i] for i in chosen])


def _shape(headers: Sequence[Header], size: int | None, color: str) -> tuple[Literal[1, 3], int, int]:
    grey = all(header.grey for header in headers) if color == "auto" else color == "grey"
    sizes = {(header.height, header.width) for header in headers}
    small = len(sizes) == 1 and max(max(sizes)) <= DEFAULT_SIDE
    if size is not None:
        height, width = size, size
    else:
        height, width = sizes.pop() if small else (DEFAULT_SIDE, DEFAULT_SIDE)
    return 1 if grey else 3, height, width


def _header_notes(headers: Sequence[Header], schema: ImageSchema) -> list[str]:
    channels, height, width = schema.shape
    resized = [header for header in headers if (header.height, header.width) != (height, width)]
    enlarged = sum(header.height < height or header.width < width for header in headers)
    counts = {
        f"scaled to cover {width} x {height}, and the centre cut out": len(resized),
        "enlarged for that": enlarged,
        "turned to grey": sum(not header.grey for header in headers) if channels == 1 else 0,
        "grey, and given three equal channels": sum(header.grey for header in headers) if channels == 3 else 0,
        "transparent, and composited on white": sum(header.transparent for header in headers),
        "of several frames, of which the first is taken": sum(header.frames > 1 for header in headers),
    }
    return [f"{count} of {len(headers)} images are {what}" for what, count in counts.items() if count]
