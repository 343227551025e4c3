"""Convolutional nets on images, with a fault in initial weights or training."""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion
from .cnn_faults import adam, classify, half_size, sgd, small


class Deep(nn.Module):
    """Ten plain convolutions, with `activation`, initialised by `std` or by He's rule."""

    def __init__(self, activation: str, std: float | None = None, depth: int = 10):
        super().__init__()
        widths = [1, *[10] * depth]
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in itertools.pairwise(widths))
        self.head = nn.Linear(40, 10)
        self.activation = getattr(torch, activation)
        for layer in self.layers:
            assert isinstance(layer, nn.Conv2d)
            if std is None:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            else:
                nn.init.normal_(layer.weight, std=std)
            nn.init.zeros_(layer.bias)  # pyright: ignore[reportArgumentType]

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = self.activation(layer(x))
        return self.head(F.adaptive_avg_pool2d(x, 2).flatten(1))


@faulty("vanishing-gradient", tags=("cnn", "deep", "classification", "images", "real-data"))
def digits_cnn_ten_sigmoids(seed: int, fixed: bool) -> Setup:
    """Ten convolutions with sigmoids: what the first ones hear of the loss is nothing."""
    torch.manual_seed(seed)
    model = Deep("relu") if fixed else Deep("sigmoid", 0.1)
    return classify(model, digits(), sgd(0.01), batch_size=32, epochs=7)


@faulty(
    "bad-initialisation", also=("vanishing-gradient",), tags=("cnn", "deep", "classification", "images", "real-data")
)
def digits_cnn_normal_of_one_hundredth(seed: int, fixed: bool) -> Setup:
    """Weights start with deviation 0.01, a custom of old for wide layers, in eight narrow ones."""
    torch.manual_seed(seed)
    return classify(Deep("relu", None if fixed else 0.01, 8), digits(), sgd(0.01), batch_size=25, epochs=6)


@faulty(
    "exploding-gradient", also=("bad-initialisation",), tags=("cnn", "deep", "classification", "images", "real-data")
)
def digits_cnn_half_a_deviation(seed: int, fixed: bool) -> Setup:
    """Deviation 0.5 where 0.15 keeps the signal: ten layers multiply it by a hundred thousand."""
    torch.manual_seed(seed)
    return classify(Deep("relu", None if fixed else 0.5), digits(), sgd(0.01), batch_size=32, epochs=7)


@faulty("dead-units", also=("learning-rate-too-high",), tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_one_spike_kills(seed: int, fixed: bool) -> Setup:
    """A schedule makes one step at 30 instead of 0.03, a slip of three zeros: afterwards every unit is silent."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1000.0 if step == 60 and not fixed else 1.0)

    data = half_size(fashion(1500))
    return classify(small(8), data, sgd(0.03), batch_size=32, epochs=6, schedule=schedule)


@faulty("learning-rate-too-high", also=("dead-units",), tags=("cnn", "classification", "images", "real-data"))
def digits_cnn_adam_at_one_fifth(seed: int, fixed: bool) -> Setup:
    """Adam at 0.2."""
    torch.manual_seed(seed)
    return classify(small(8), digits(), adam(4e-3 if fixed else 0.2), batch_size=32, epochs=7)


@faulty("learning-rate-too-low", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_sgd_without_momentum(seed: int, fixed: bool) -> Setup:
    """Plain SGD at 1e-4 for six epochs."""
    torch.manual_seed(seed)
    optimizer = sgd(0.05) if fixed else sgd(1e-4, 0.0)
    return classify(small(8, nn.ReLU), half_size(fashion(1500)), optimizer, batch_size=32, epochs=7)


@faulty("overfitting", also=("underfitting",), tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_sixty_images(seed: int, fixed: bool) -> Setup:
    """Sixty images for ten classes, seen 120 times; more images are the cure."""
    torch.manual_seed(seed)
    data = half_size(fashion(1500))
    return classify(small(10), data if fixed else data.first(60), adam(3e-3), batch_size=30, epochs=8 if fixed else 120)


@faulty("underfitting", tags=("cnn", "classification", "images", "real-data"))
def clothes_cnn_one_channel(seed: int, fixed: bool) -> Setup:
    """One channel, one huge stride: three numbers are all that is left of an image."""
    torch.manual_seed(seed)
    model = (
        small(8)
        if fixed
        else nn.Sequential(
            nn.Conv2d(1, 3, 7, stride=7), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 10)
        )
    )
    return classify(model, half_size(fashion(1500)), adam(5e-3), batch_size=32, epochs=8)


@faulty("missing-zero-grad", tags=("cnn", "classification", "images", "real-data"))
def digits_cnn_never_cleared(seed: int, fixed: bool) -> Setup:
    """`optimizer.zero_grad()` was lost in an edit of the loop."""
    torch.manual_seed(seed)

    return classify(small(8, nn.ELU), digits(), sgd(0.02), batch_size=32, epochs=8, zero_grad=fixed)


@faulty("over-regularised", tags=("cnn", "classification", "images", "dropout", "real-data"))
def digits_cnn_channels_dropped(seed: int, fixed: bool) -> Setup:
    """Whole channels are dropped, nine of ten, after both convolutions."""
    torch.manual_seed(seed)
    share = 0.05 if fixed else 0.9
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Dropout2d(share), nn.MaxPool2d(2),
        nn.Conv2d(12, 16, 3, padding=1), nn.ReLU(), nn.Dropout2d(share), nn.Flatten(), nn.Linear(256, 10),
    )  # fmt: skip
    return classify(model, digits(), adam(3e-3), batch_size=32, epochs=6)
