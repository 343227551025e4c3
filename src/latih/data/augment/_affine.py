"""Turn, move and scale pictures."""

from __future__ import annotations

import torch
from torch import Tensor

from latih._checks import InputError, within

from ._base import Augment, Draws, as_dtype


def affine(degrees: float = 10.0, translate: float = 0.1, scale: float = 0.1) -> Augment:
    """Turns, moves and scales pictures a little, so that training cannot rely on exact poses.

    About the centre of the picture, x -> s R(a) x + t, with the angle a uniform in +-degrees, both parts of t uniform
    in +-translate of their side, the scale s uniform in 1 +- scale. Pixels are blended bilinearly; the room that opens
    repeats the edge, so values stay within those of the picture.

    Args:
        degrees: Largest turn either way, 0 to 180.
        translate: Largest move as a share of each side, 0 to 1.
        scale: Largest change of size as a share, 0 to below 1.

    When to use: small sets of pictures; the defaults suit things seen upright.
    When it hurts: large angles where up and down carry meaning (6 and 9). Blending blurs, so `shift` is kinder to
    pictures of a few pixels.
    Source: Simard, Steinkraus and Platt (2003), section 2; the warp is kornia's.

    >>> import torch
    >>> images = torch.rand(2, 1, 8, 8)
    >>> affine(0, 0, 0)(images, torch.arange(2), seed=0, epoch=0).allclose(images, atol=1e-5)
    True
    """
    within("affine", "degrees", degrees, 0, 180)
    within("affine", "translate", translate, 0, 1)
    within("affine", "scale", scale, 0, 1)
    if scale == 1:
        raise InputError("affine(scale=1): scale must be below 1, or a picture shrinks to nothing; 0.1 is usual.")

    def step(images: Tensor, draws: Draws) -> Tensor:
        # inside: kornia takes seconds to import, and most runs never warp
        from kornia.geometry.transform import get_affine_matrix2d, warp_affine

        height, width = images.shape[-2:]
        exact = images.to(torch.promote_types(images.dtype, torch.float32))
        sides = exact.new_tensor([width, height])
        moves = torch.stack([draws.between(1, translate), draws.between(2, translate)], 1) * sides
        sizes = (1 + draws.between(3, scale))[:, None].expand(-1, 2)
        centres = ((sides - 1) / 2).expand(len(images), 2)
        turns = draws.between(0, degrees)
        matrix = get_affine_matrix2d(moves, centres, sizes.to(exact), turns.to(exact))
        return as_dtype(warp_affine(exact, matrix[:, :2], (height, width), padding_mode="border"), images.dtype)

    return Augment((step,))
