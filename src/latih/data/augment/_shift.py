"""Move pictures by whole pixels."""

from __future__ import annotations

import torch
from torch import Tensor

from latih._checks import InputError, at_least

from ._base import Augment, Draws


def shift(pixels: int = 2) -> Augment:
    """Moves pictures by a few whole pixels, so that training cannot rely on exact positions.

    Each picture moves by (dy, dx), both uniform in -pixels ... pixels; the room it leaves repeats its edge, so no value
    appears that the picture did not have. Pixels are copied, never blended.

    Args:
        pixels: Furthest move along each side; 2 suits 28 x 28 pictures, 4 is usual for 32 x 32.

    When to use: nearly always for pictures; it is the random crop of a padded picture. Frameworks differ in the room:
    torchvision's `RandomCrop` fills it with zeros by default, Keras's `RandomTranslation` with a reflection.
    When it hurts: where the position is what is to be predicted.
    Source: LeCun et al. (1998), section III; He et al. (2016), section 4.2.

    >>> import torch
    >>> moved = shift(1)(torch.tensor([[[[1, 2, 3]]]]).repeat(6, 1, 3, 1), torch.arange(6), seed=0, epoch=0)
    >>> sorted({tuple(row) for row in moved[:, 0, 0].tolist()})
    [(1, 1, 2), (1, 2, 3), (2, 3, 3)]
    """
    at_least("shift", "pixels", pixels, 0)
    if pixels != int(pixels):
        raise InputError(
            f"shift(pixels={pixels!r}): pixels must be a whole number; affine(translate=...) moves by parts."
        )

    def step(images: Tensor, draws: Draws) -> Tensor:
        height, width = images.shape[-2:]
        if pixels >= min(height, width):
            raise InputError(
                f"shift(pixels={pixels}): pixels must be smaller than the picture, {height} x {width} here; "
                "an eighth of the side is usual."
            )
        rows = _sources(draws(0), height)[:, None, :, None].expand(images.shape)
        columns = _sources(draws(1), width)[:, None, None, :].expand(images.shape)
        return images.gather(2, rows).gather(3, columns)

    def _sources(number: Tensor, side: int) -> Tensor:
        """(batch, side) int64: where each pixel of a side is copied from."""
        moves = (number * (2 * pixels + 1)).long() - pixels
        return (torch.arange(side, device=number.device) - moves[:, None]).clamp(0, side - 1)

    return Augment((step,))
