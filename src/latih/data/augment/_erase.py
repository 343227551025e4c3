"""Cover a part of pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from latih._checks import within

from ._base import Augment, Draws, as_dtype


def erase(size: float = 0.25, probability: float = 0.5) -> Augment:
    """Covers a random rectangle of pictures, so that training cannot rely on any one part.

    The rectangle is `size` of the height by `size` of the width (rounded), lies anywhere inside the picture, and takes
    the mean of each channel of that picture, so no value leaves the picture's range.

    Args:
        size: Share of each side covered, 0 to 1; 0.25 covers a sixteenth of the area.
        probability: Share of pictures covered.

    When to use: against overfitting on pictures of whole things, after `flip` and `shift`.
    When it hurts: where one small detail decides the class.
    Source: DeVries and Taylor (2017), cutout, section 3; Zhong et al. (2020), random erasing, whose area and aspect are
    random too (torchvision's `RandomErasing`: 2 to 33 % of the area).

    >>> import torch
    >>> picture = torch.arange(16.0).view(1, 1, 4, 4)
    >>> erase(size=0.5, probability=1.0)(picture, torch.arange(1), seed=0, epoch=0).ne(picture).sum()
    tensor(4)
    """
    within("erase", "size", size, 0, 1)
    within("erase", "probability", probability, 0, 1)

    def step(images: Tensor, draws: Draws) -> Tensor:
        height, width = images.shape[-2:]
        covered = (draws(0) < probability)[:, None, None]
        covered = covered & _covered(draws(1), height)[:, :, None] & _covered(draws(2), width)[:, None, :]
        exact = images.to(torch.promote_types(images.dtype, torch.float32))
        return torch.where(covered[:, None], as_dtype(exact.mean((2, 3), keepdim=True), images.dtype), images)

    def _covered(number: Tensor, side: int) -> Tensor:
        """(batch, side) bool: the run of pixels that the rectangle covers along one side."""
        length = round(size * side)
        start = (number * (side - length + 1)).long()[:, None]
        place = torch.arange(side, device=number.device)
        return (place >= start) & (place < start + length)

    return Augment((step,))
