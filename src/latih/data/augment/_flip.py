"""Mirror pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from latih._checks import within

from ._base import Augment, Draws


def flip(probability: float = 0.5) -> Augment:
    """Mirrors pictures left to right at random, so that training cannot rely on which way a thing faces.

    Args:
        probability: Share of pictures mirrored; 0.5 is the field's default.

    When to use: photographs and clothing.
    When it hurts: where left and right carry meaning: digits, letters, road signs, organs.
    Source: Krizhevsky, Sutskever and Hinton (2012), section 4.1.

    >>> import torch
    >>> flip(probability=1.0)(torch.tensor([[[[1, 2, 3]]]]), torch.arange(1), seed=0, epoch=0)
    tensor([[[[3, 2, 1]]]])
    """
    within("flip", "probability", probability, 0, 1)

    def step(images: Tensor, draws: Draws) -> Tensor:
        mirrored = draws(0) < probability
        return torch.where(mirrored[:, None, None, None], images.flip(-1), images)

    return Augment((step,))
