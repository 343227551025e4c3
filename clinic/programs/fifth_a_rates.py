"""Rates and optimizers that do not suit a dense net, a CNN or a small residual net; fifth series, part a."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import concrete, fashion, friedman
from .._scores import accuracy, r2
from .fifth_a_parts import cars_scaled, cells, figures
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


@faulty(
    "learning-rate-too-high",
    also=("not-learning", "dead-units", "oscillating-loss", "diverged"),
    tags=("cnn", "classification"),
    tier="real",
)
def figures_cnn_adam_at_a_twentieth(seed: int, fixed: bool) -> Setup:
    """Adam with `lr=0.05` for a small CNN."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(32 * 16, 64),
        nn.ReLU(),
        nn.Linear(64, 4),
    )
    optimizer = adam(1e-3 if fixed else 0.05)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *figures().parts, accuracy, batch_size=32, epochs=15)


class _ClothesNet(nn.Module):
    """Two convolutions and two dense layers."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(1, 8, 5), nn.Conv2d(8, 16, 5)
        self.fc1, self.fc2 = nn.Linear(256, 64), nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(F.max_pool2d(self.conv1(x), 2))
        x = F.relu(F.max_pool2d(self.conv2(x), 2))
        return self.fc2(F.relu(self.fc1(x.flatten(1))))


@faulty(
    "learning-rate-too-high",
    also=("not-learning", "dead-units", "oscillating-loss", "diverged"),
    tags=("cnn", "classification", "real-data"),
    tier="real",
)
def clothes_cnn_sgd_at_one_half(seed: int, fixed: bool) -> Setup:
    """SGD with `lr=0.5, momentum=0.9` for the CNN of a tutorial."""
    torch.manual_seed(seed)
    optimizer = sgd(0.01 if fixed else 0.5, 0.9)
    parts = fashion(1500).parts
    return Setup(_ClothesNet(), nn.CrossEntropyLoss(), optimizer, *parts, accuracy, batch_size=32, epochs=12)


@faulty(
    "learning-rate-too-low",
    also=("underfitting", "not-learning"),
    tags=("mlp", "regression"),
    tier="real",
)
def cars_sgd_at_a_hundred_thousandth(seed: int, fixed: bool) -> Setup:
    """SGD with `lr=1e-5`, turned down after an earlier run had become NaN and never turned up again."""
    torch.manual_seed(seed)
    model = dense([5, 64, 64, 1], nn.ReLU)
    optimizer = sgd(0.02 if fixed else 1e-5, 0.9)
    return Setup(model, nn.MSELoss(), optimizer, *cars_scaled().parts, r2, batch_size=16, epochs=15)


@faulty(
    "learning-rate-too-low",
    also=("underfitting", "not-learning"),
    tags=("cnn", "norm", "classification"),
    tier="real",
)
def figures_step_decay_in_batches(seed: int, fixed: bool) -> Setup:
    """`StepLR(step_size=5, gamma=0.1)` is meant for epochs and its `step()` stands in the loop over batches."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.BatchNorm2d(32),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(4),
        nn.Flatten(),
        nn.Linear(512, 4),
    )

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.StepLR(optimizer, step_size=5 * updates // 15 if fixed else 5, gamma=0.1)

    return Setup(
        model,
        nn.CrossEntropyLoss(),
        adam(3e-3),
        *figures().parts,
        accuracy,
        batch_size=32,
        epochs=15,
        schedule=schedule,
    )


@faulty(
    "learning-rate-too-low",
    also=("underfitting", "not-learning"),
    tags=("mlp", "classification"),
    tier="real",
)
def cells_adamw_at_the_rate_of_bert(seed: int, fixed: bool) -> Setup:
    """AdamW with `lr=2e-5`, copied from a script that tunes a language model."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(20, 96), nn.GELU(), nn.Dropout(0.1), nn.Linear(96, 96), nn.GELU(), nn.Dropout(0.1), nn.Linear(96, 6)
    )

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=2e-3 if fixed else 2e-5, weight_decay=0.01)

    return Setup(model, nn.CrossEntropyLoss(), optimizer, *cells().parts, accuracy, batch_size=32, epochs=20)


@faulty(
    "unsuited-optimizer",
    also=("learning-rate-too-low", "underfitting", "not-learning"),
    tags=("cnn", "classification", "real-data"),
    tier="real",
)
def clothes_plain_sgd_at_a_thousandth(seed: int, fixed: bool) -> Setup:
    """`torch.optim.SGD(model.parameters(), lr=0.001)` with nothing else, for a CNN that Adam trains in ten epochs."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.AvgPool2d(2),
        nn.Conv2d(1, 16, 3),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(800, 10),
    )
    optimizer = adam(1e-3) if fixed else sgd(1e-3)
    parts = fashion(1500).parts
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *parts, accuracy, batch_size=64, epochs=20)


@faulty(
    "oscillating-loss",
    also=("learning-rate-too-high", "diverged", "unsuited-optimizer"),
    tags=("mlp", "regression"),
    tier="real",
)
def concrete_one_row_at_a_time(seed: int, fixed: bool) -> Setup:
    """Batches of one row at a rate for thirty-two: the loss jumps from row to row and does not come down."""
    torch.manual_seed(seed)
    data = concrete(800).standardised().standardised_targets()
    model = dense([4, 64, 32, 1], nn.ReLU)
    size, epochs = (32, 40) if fixed else (1, 5)
    return Setup(model, nn.MSELoss(), sgd(0.02, 0.9), *data.parts, r2, batch_size=size, epochs=epochs)


@faulty(
    "learning-rate-too-high",
    also=("oscillating-loss", "diverged", "unsuited-optimizer", "dead-units"),
    tags=("mlp", "regression"),
    tier="real",
)
def friedman_rmsprop_at_a_twentieth(seed: int, fixed: bool) -> Setup:
    """RMSprop with `lr=0.05` for a deep ReLU net on a table."""
    torch.manual_seed(seed)
    data = friedman().standardised().on_targets(lambda y: y.unsqueeze(1)).standardised_targets()
    model = dense([10, 64, 64, 64, 1], nn.ReLU)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(model.parameters(), lr=1e-3 if fixed else 0.05)

    return Setup(model, nn.MSELoss(), optimizer, *data.parts, r2, batch_size=32, epochs=20)
