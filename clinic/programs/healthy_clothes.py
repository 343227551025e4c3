"""Healthy nets on Fashion-MNIST with the usual optimizers and schedules."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import fashion, fashion_raw
from .._scores import accuracy, r2


def _he(model: nn.Module) -> nn.Module:
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    return model


@healthy(tags=("mlp", "classification", "real-data"))
def mlp_fashion(seed: int) -> Setup:
    """Two hidden ReLU layers on Fashion-MNIST with Adam, all at torch's defaults."""
    torch.manual_seed(seed)
    data = fashion(2000, 500)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 10)
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=1e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=6,
    )


@healthy(tags=("mlp", "classification", "real-data"))
def mlp_fashion_pixels_from_zero_to_one(seed: int) -> Setup:
    """Momentum with a cosine to zero on pictures that are only divided by 255."""
    torch.manual_seed(seed)
    data = fashion_raw(2500, 500).on_inputs(lambda pixels: pixels / 255)
    model = _he(
        nn.Sequential(nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 100), nn.ReLU(), nn.Linear(100, 10))
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9, weight_decay=5e-4),
        data.train,
        data.valid,
        accuracy,
        batch_size=50,
        epochs=10,
        schedule=lambda optimizer, updates: torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates),
    )


@healthy(tags=("cnn", "classification", "real-data", "dropout"))
def cnn_fashion_dropout(seed: int) -> Setup:
    """Two convolutions, pooling and a dropout of one half before the head, so that training lags behind validation."""
    torch.manual_seed(seed)
    data = fashion(2000, 500)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(12, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(32 * 49, 64),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(64, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=7,
    )


class _Residual(nn.Module):
    """Two convolutions with batch norm and a way past them."""

    def __init__(self, width: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, out, 3, stride, 1, bias=False)
        self.norm1 = nn.BatchNorm2d(out)
        self.second = nn.Conv2d(out, out, 3, 1, 1, bias=False)
        self.norm2 = nn.BatchNorm2d(out)
        # Each block starts as the identity, as large-batch recipes have it.
        nn.init.zeros_(self.norm2.weight)
        self.skip = nn.Identity() if stride == 1 and width == out else nn.Conv2d(width, out, 1, stride, bias=False)

    def forward(self, inputs: Tensor) -> Tensor:
        hidden = F.relu(self.norm1(self.first(inputs)))
        return F.relu(self.skip(inputs) + self.norm2(self.second(hidden)))


@healthy(tags=("cnn", "residual", "classification", "real-data", "batch-norm", "schedule"))
def resnet_fashion_one_cycle(seed: int) -> Setup:
    """A small residual net whose blocks start as the identity, up to a rate of 0.3 and down again."""
    torch.manual_seed(seed)
    data = fashion(2000, 500).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2))
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, 1, 1, bias=False),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        _Residual(8, 8, 1),
        _Residual(8, 16, 2),
        _Residual(16, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True, weight_decay=5e-4),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=8,
        schedule=lambda optimizer, updates: torch.optim.lr_scheduler.OneCycleLR(optimizer, 0.3, updates),
    )


@healthy(tags=("cnn", "autoencoder", "real-data"))
def convolutional_autoencoder(seed: int) -> Setup:
    """Strided convolutions down to 16 numbers and transposed ones up; the loss stays at the entropy of grey pixels."""
    torch.manual_seed(seed)
    data = fashion_raw(1500, 300).on_inputs(lambda pixels: pixels / 255)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, 2, 1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(12, 24, 3, 2, 1),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Linear(24 * 49, 16),
        nn.Linear(16, 24 * 49),
        nn.Unflatten(1, (24, 7, 7)),
        nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(24, 12, 4, 2, 1),
        nn.LeakyReLU(0.1),
        nn.ConvTranspose2d(12, 1, 4, 2, 1),
    )
    return Setup(
        model,
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        (data.inputs, data.inputs),
        (data.valid_inputs, data.valid_inputs),
        lambda output, target: r2(output.sigmoid().flatten(1), target.flatten(1)),
        epochs=5,
    )
