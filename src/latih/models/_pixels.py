"""The first stage in front of a pretrained network of images: pictures as stored become what it was trained on."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from latih._checks import InputError, whole

_WHITE = 255.0


class Pixels(nn.Module):
    """Resizes pictures, scales 0..255 to 0..1 and standardises each channel with the statistics of the pretraining.

    Pictures of another size are resized to `size` by antialiased bicubic interpolation, cut off at 0 and 255, on the
    device that they lie on; nothing is cropped. Floating pictures are taken to reach from 0 to 255 as well: those in
    0..1 are not recognised, and have to be multiplied first.

    Args:
        mean: Of each channel, in units of 0..1.
        std: Of each channel, in the same units.
        size: Height and width that come out.
        channels: Of the pictures; as many as there are means.
        repeat_grey: Repeat the one channel of a grey picture `channels` times, instead of refusing it.

    >>> stage = Pixels([0.5] * 3, [0.25] * 3, (32, 32))
    >>> white = stage(torch.full((2, 3, 20, 10), 255, dtype=torch.uint8))
    >>> white.shape, round(white.mean().item(), 4)
    (torch.Size([2, 3, 32, 32]), 2.0)
    """

    mean: Tensor
    scale: Tensor

    def __init__(
        self,
        mean: Sequence[float],
        std: Sequence[float],
        size: tuple[int, int],
        channels: int = 3,
        *,
        repeat_grey: bool = False,
    ) -> None:
        super().__init__()
        whole("Pixels", "channels", channels, 1)
        if not len(mean) == len(std) == channels or not all(value > 0 for value in std):
            raise InputError(
                f"Pixels(mean={tuple(mean)}, std={tuple(std)}, channels={channels}): each channel needs one mean and "
                "one standard deviation above 0; pass those of the pretraining."
            )
        if len(size) != 2:
            raise InputError(f"Pixels(size={size}): size is a height and a width; pass two numbers.")
        for side in size:
            whole("Pixels", "size", side, 1)
        per_channel = (channels, 1, 1)
        self.register_buffer("mean", (torch.tensor(mean, dtype=torch.float64) * _WHITE).reshape(per_channel).float())
        self.register_buffer(
            "scale", (1.0 / (torch.tensor(std, dtype=torch.float64) * _WHITE)).reshape(per_channel).float()
        )
        self.size, self.channels, self.repeat_grey = (size[0], size[1]), channels, repeat_grey

    def check(self, shape: tuple[int, ...]) -> None:
        """Refuse inputs whose shape (without the batch) is not that of a picture with the right channels."""
        if len(shape) != 3:
            raise InputError(
                f"inputs of shape {tuple(shape)} for a network that takes images (channels, height, width); "
                "choose another network, or pass pictures."
            )
        if shape[0] == self.channels or (shape[0] == 1 and self.repeat_grey):
            return
        if shape[0] == 1:
            raise InputError(
                f"grey images (1 channel) for a network that expects {self.channels}; read them with color='rgb'."
            )
        raise InputError(
            f"images with {shape[0]} channels for a network that expects {self.channels}; "
            "leave out or add the channels in the data."
        )

    def forward(self, x: Tensor) -> Tensor:
        """(batch, channels, height, width) in 0..255, uint8 or floating -> (batch, channels, *size), standardised."""
        self.check(tuple(x.shape[1:]))
        x = x.to(self.mean.dtype)
        if x.shape[-2:] != self.size:
            x = F.interpolate(x, self.size, mode="bicubic", antialias=True, align_corners=False).clamp(0.0, _WHITE)
        return (x - self.mean) * self.scale  # one grey channel is repeated by broadcasting

    def extra_repr(self) -> str:
        """Channels and size, as `print` shows them."""
        return f"channels={self.channels}, size={self.size}, repeat_grey={self.repeat_grey}"
