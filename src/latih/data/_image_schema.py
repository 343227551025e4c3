"""How an image file becomes a tensor, saved with the model."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Literal

from msgspec import Meta

from latih._checks import InputError
from latih._recipe import LONGEST_SIDE

from ._base import Inputs, Schema
from ._decode import decode_all, read_headers
from ._image_files import find_images

MOST_THREADS = 8
Side = Annotated[int, Meta(ge=1, le=LONGEST_SIDE)]
"""In pixels; a schema may come from a stranger's file, and its pictures take memory."""


class ImageSchema(Schema, frozen=True, tag="images"):
    """uint8 images of one shape; `decode` says how each is brought to it."""

    shape: tuple[Literal[1, 3], Side, Side]
    """Channels (1 is grey, 3 is RGB), height, width."""
    resize: Literal["cover"] = "cover"
    """Scaled until it covers height and width, then the centre is cut out; the sides keep their proportion."""

    def read(self, source: Path) -> Inputs:
        """Read one image file, or all images of a folder and the folders in it; other files are passed over.

        Returns:
            values (n, channels, height, width) uint8, and as ids the paths below the folder in natural order.

        Raises:
            InputError: For a path that does not exist, a folder without images, an image that cannot be decoded
                or is a decompression bomb, and a link that leads out of the folder.
        """
        source = Path(source)
        if source.is_dir():
            paths = find_images(source, source).images
            ids = [path.relative_to(source).as_posix() for path in paths]
        elif source.is_file():
            paths, ids = [source], [source.name]
        else:
            raise InputError(f"{source}: there is no such file or folder; pass an image or a folder of images.")
        if not paths:
            raise InputError(f"{source}: the folder holds no image; pass one that does.")
        read_headers(paths, thread_count(0))
        return Inputs(decode_all(paths, self.shape, thread_count(0)), ids)


def thread_count(workers: int) -> int:
    """How many threads decode: as many as asked for, and otherwise one a core, at most eight."""
    return workers or min(MOST_THREADS, os.cpu_count() or 1)
