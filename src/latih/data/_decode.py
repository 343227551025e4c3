"""One image file becomes a uint8 tensor of the shape that the schema fixes."""

from __future__ import annotations

import struct
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from latih._checks import InputError

_GREY = ("1", "L", "LA", "La", "I;16", "I;16B", "I;16L", "I;16N")
_FLOAT = ("I", "F")
_FORMATS = ("BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""Pillow goes by the content, and knows formats that are drawn by other programs (EPS by Ghostscript)."""
_TURNED = (5, 6, 7, 8)  # EXIF orientations that swap width and height
_ORIENTATION = 0x0112

Progress = Callable[[int, int], None]
"""Called with how many images are decoded, and of how many."""

_BROKEN = (OSError, SyntaxError, ValueError, TypeError, LookupError, EOFError, Warning, struct.error, zlib.error)
"""What Pillow raises for broken files; its warnings too, where they are errors."""

_Item = TypeVar("_Item")
_Result = TypeVar("_Result")


class Header(NamedTuple):
    """What the first bytes of an image file say."""

    width: int
    height: int
    grey: bool
    transparent: bool
    frames: int


def read_header(path: Path) -> Header:
    """Size as it is shown (EXIF orientation applied) and kind of an image, without decoding it.

    Raises `InputError` for a file that is not an image, one with more pixels than Pillow's limit against
    decompression bombs, and one with 32 bits a channel.
    """
    with _naming(path), Image.open(path, formats=_FORMATS) as image:
        _check(path, image)
        width, height = image.size
        # a PNG without EXIF would be decoded whole in search of it
        if (image.format != "PNG" or "exif" in image.info) and image.getexif().get(_ORIENTATION) in _TURNED:
            width, height = height, width
        transparent = image.has_transparency_data
        return Header(width, height, image.mode in _GREY, transparent, getattr(image, "n_frames", 1))


def decode(path: Path, shape: tuple[int, int, int]) -> Tensor:
    """The image as uint8 (channels, height, width), 1 channel of grey or 3 of red, green and blue.

    Turned as its EXIF orientation says; transparency is composited on white; 16 bits are cut to 8. An image of another
    size is scaled with antialiasing (bicubic) until it covers the shape, and its centre is cut out. A JPEG of more
    than twice the size is decoded at a reduced scale. Of several frames the first is taken.
    Raises `InputError` that names the file for one that is broken or cut short.
    """
    channels, height, width = shape
    mode = "L" if channels == 1 else "RGB"
    with _naming(path), Image.open(path, formats=_FORMATS) as image:
        _check(path, image)
        longest = 2 * max(height, width)  # either way round, as the orientation is not applied yet
        image.draft(mode, (longest, longest))
        image.load()
        upright = ImageOps.exif_transpose(image)
        picture = _flat(upright, mode)
        if picture.size != (width, height):
            picture = ImageOps.fit(picture, (width, height), method=Image.Resampling.BICUBIC)
        pixels = np.array(picture, dtype=np.uint8).reshape(height, width, channels)
    return torch.from_numpy(pixels).permute(2, 0, 1).contiguous()


def decode_all(
    paths: Sequence[Path], shape: tuple[int, int, int], threads: int, progress: Progress | None = None
) -> Tensor:
    """All images as uint8 (n, channels, height, width); `progress(done, of)` is called after each."""
    images = torch.empty((len(paths), *shape), dtype=torch.uint8)

    def place(index: int) -> None:
        images[index] = decode(paths[index], shape)

    for done, _ in enumerate(_in_threads(place, range(len(paths)), threads), 1):
        if progress:
            progress(done, len(paths))
    return images


def read_headers(paths: Sequence[Path], threads: int) -> list[Header]:
    """`read_header` of all; the first that is broken, in order, is refused."""
    with warnings.catch_warnings():  # entered here and not in the threads, which share the filters
        warnings.simplefilter("error", Image.DecompressionBombWarning)
        return list(_in_threads(read_header, paths, threads))


def _in_threads(function: Callable[[_Item], _Result], items: Iterable[_Item], threads: int) -> Iterator[_Result]:
    """Results in the order of the items; after the first that raises, what has not begun is cancelled."""
    pool = ThreadPoolExecutor(max(1, threads))
    try:
        yield from pool.map(function, items)
    finally:
        pool.shutdown(cancel_futures=True)


def _flat(image: Image.Image, mode: str) -> Image.Image:
    """Without palette, transparency or more than 8 bits."""
    if image.mode.startswith("I;16"):
        # Pillow's own conversion clips at 255 instead of scaling
        return Image.fromarray((np.asarray(image).astype(np.uint16) >> 8).astype(np.uint8)).convert(mode)
    if image.has_transparency_data:
        opaque = Image.new("RGBA", image.size, "white")
        opaque.alpha_composite(image.convert("RGBA"))
        return opaque.convert(mode)
    return image.convert(mode)


def _check(path: Path, image: Image.Image) -> None:
    width, height = image.size
    limit = Image.MAX_IMAGE_PIXELS
    if limit is not None and width * height > limit:
        raise _too_large(path)
    if image.mode in _FLOAT:
        raise InputError(f"{path}: the image has 32 bits a channel (mode {image.mode}); convert it to 8 bits.")


def _too_large(path: Path) -> InputError:
    return InputError(
        f"{path}: the image has more than {Image.MAX_IMAGE_PIXELS} pixels, as a decompression bomb has; "
        "make it smaller or delete it."
    )


@contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Turn whatever Pillow raises into a sentence that names the file."""
    try:
        yield
    except InputError:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning):
        raise _too_large(path) from None
    except _BROKEN as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(f"{path}: the image cannot be decoded ({reason}); replace or delete the file.") from None
