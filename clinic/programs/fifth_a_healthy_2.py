"""Ordinary convolutional and small residual nets that learn well; fifth series, part a."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import digits, fashion, patches
from .._scores import accuracy, r2
from .fifth_a_parts import Block, cosine, figures, places
from .fourth_signals import adam, sgd

healthy = partial(base.healthy, half="parted")


@healthy(tags=("cnn", "dropout", "classification", "real-data"))
def clothes_cnn_of_a_first_course(seed: int) -> Setup:
    """Two convolutions, pooling, dropout of a quarter and a half, two dense layers, Adam."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, stride=2),
        nn.ReLU(),
        nn.Conv2d(12, 24, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout(0.25),
        nn.Flatten(),
        nn.Linear(600, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *fashion().parts, accuracy, batch_size=32, epochs=12)


@healthy(tags=("cnn", "norm", "classification"))
def figures_cnn_with_flipped_pictures(seed: int) -> Setup:
    """A normed CNN under AdamW; each batch is flipped from left to right by a coin."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        coin = torch.rand(len(x), 1, 1, 1) < 0.5
        optimizer.zero_grad()
        loss = F.cross_entropy(model(torch.where(coin, x.flip(3), x)), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.01)

    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1, bias=False),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(512, 4),
    )
    return Setup(
        model, nn.CrossEntropyLoss(), optimizer, *figures().parts, accuracy, batch_size=32, epochs=14, update=update
    )


@healthy(tags=("cnn", "residual", "norm", "classification"))
def figures_resnet_in_three_steps(seed: int) -> Setup:
    """Three residual blocks, Nesterov's momentum, decay of 5e-4, the rate a tenth at a half and at three quarters."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        nn.MaxPool2d(2),
        Block(12, 12),
        Block(12, 24),
        Block(24, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 4),
    )

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, [updates // 2, 3 * updates // 4], gamma=0.1)

    optimizer = sgd(0.05, 0.9, weight_decay=5e-4, nesterov=True)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        *figures().parts,
        accuracy,
        batch_size=24,
        epochs=10,
        schedule=schedule,
    )


@healthy(tags=("cnn", "residual", "norm", "classification", "real-data"))
def clothes_resnet_with_a_warm_up(seed: int) -> Setup:
    """A small residual net under AdamW: sixty updates of warm-up, then a cosine."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, 2, 1, bias=False),
        nn.BatchNorm2d(12),
        nn.ReLU(),
        Block(12, 24, 2),
        Block(24, 32, 2),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(32, 10),
    )

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.05)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        rising = torch.optim.lr_scheduler.LinearLR(optimizer, 0.05, total_iters=60)
        falling = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates - 60)
        return torch.optim.lr_scheduler.SequentialLR(optimizer, [rising, falling], [60])

    return Setup(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        *fashion().parts,
        accuracy,
        batch_size=32,
        epochs=8,
        schedule=schedule,
    )


@healthy(tags=("cnn", "classification", "real-data"))
def clothes_elu_by_rmsprop(seed: int) -> Setup:
    """Strided convolutions with ELU under RMSprop at 5e-4."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2),
        nn.ELU(),
        nn.Conv2d(16, 24, 3, stride=2),
        nn.ELU(),
        nn.Flatten(),
        nn.Linear(600, 10),
    )

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(model.parameters(), lr=5e-4)

    return Setup(model, nn.CrossEntropyLoss(), optimizer, *fashion().parts, accuracy, batch_size=32, epochs=10)


@healthy(tags=("cnn", "norm", "classification", "real-data"))
def digits_group_norm_and_silu(seed: int) -> Setup:
    """Group norm and SiLU behind each convolution, SGD on a cosine."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.GroupNorm(4, 16),
        nn.SiLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.GroupNorm(4, 32),
        nn.SiLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(128, 10),
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        sgd(0.03, 0.9),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=15,
        schedule=cosine,
    )


@healthy(tags=("cnn", "regression"))
def places_in_deviations(seed: int) -> Setup:
    """The middle of a figure, standardised, by a CNN under smooth absolute error and Adam."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, stride=2, padding=1),
        nn.LeakyReLU(0.1),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.LeakyReLU(0.1),
        nn.Flatten(),
        nn.Linear(512, 2),
    )
    data = places().standardised_targets()
    return Setup(model, nn.SmoothL1Loss(), adam(1e-3), *data.parts, r2, batch_size=16, epochs=14)


@healthy(tags=("cnn", "classification", "real-data"))
def patches_with_noise_added_to_them(seed: int) -> Setup:
    """Temple or flower by two convolutions and an average under Adam; a little noise on every picture."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        loss = F.cross_entropy(model(x + 0.1 * torch.randn_like(x)), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    model = nn.Sequential(
        nn.Conv2d(3, 24, 3),
        nn.ReLU(),
        nn.Conv2d(24, 48, 3, stride=2),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(192, 2),
    )
    return Setup(
        model, nn.CrossEntropyLoss(), adam(1e-3), *patches().parts, accuracy, batch_size=32, epochs=16, update=update
    )
