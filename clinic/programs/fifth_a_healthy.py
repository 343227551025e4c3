"""Ordinary dense nets on tables and pictures that learn well; fifth series, part a."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import concrete, digits, fashion, friedman, moons, table
from .._scores import accuracy, binary_accuracy, r2
from .fifth_a_parts import cars_scaled, cells, churn, cosine, wages
from .fourth_signals import adam, dense, sgd, weights

healthy = partial(base.healthy, half="parted")


@healthy(tags=("mlp", "regression"))
def cars_by_adam_at_a_first_try(seed: int) -> Setup:
    """Two hidden layers of ReLU, squared error and Adam at 3e-4; nothing has been tuned yet."""
    torch.manual_seed(seed)
    model = dense([5, 128, 128, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(3e-4), *cars_scaled().parts, r2, batch_size=16, epochs=20)


@healthy(tags=("mlp", "norm", "dropout", "binary"))
def churn_normed_with_a_third_dropped(seed: int) -> Setup:
    """Batch norm, ReLU and dropout of 0.3 in two layers under Adam."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Linear(6, 64, bias=False),
        nn.BatchNorm1d(64),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(64, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(32, 1),
    )
    data = churn().standardised()
    return Setup(model, nn.BCEWithLogitsLoss(), adam(2e-3), *data.parts, binary_accuracy, batch_size=64, epochs=30)


@healthy(tags=("mlp", "norm", "regression"))
def wages_layer_norm_and_gelu_on_one_cycle(seed: int) -> Setup:
    """Layer norm before each GELU, AdamW on one cycle."""
    torch.manual_seed(seed)
    data = wages().standardised().standardised_targets()
    model = nn.Sequential(
        nn.Linear(6, 96), nn.LayerNorm(96), nn.GELU(), nn.Linear(96, 96), nn.LayerNorm(96), nn.GELU(), nn.Linear(96, 1)
    )

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=5e-3, total_steps=updates)

    return Setup(model, nn.MSELoss(), optimizer, *data.parts, r2, batch_size=32, epochs=15, schedule=schedule)


@healthy(tags=("mlp", "classification"))
def cells_three_layers_of_elu(seed: int) -> Setup:
    """Three layers of ELU under SGD with momentum, the rate a tenth in the last third."""
    torch.manual_seed(seed)
    model = dense([20, 128, 64, 32, 6], nn.ELU)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.MultiStepLR(optimizer, [2 * updates // 3], gamma=0.1)

    optimizer = sgd(0.02, 0.9, weight_decay=1e-4)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        optimizer,
        *cells().parts,
        accuracy,
        batch_size=32,
        epochs=24,
        schedule=schedule,
    )


@healthy(tags=("mlp", "classification", "real-data"))
def wine_two_layers_in_batches_of_eight(seed: int) -> Setup:
    """A small net of ReLU on thirteen standardised columns, Adam at its usual rate, batches of eight."""
    torch.manual_seed(seed)
    data = table("wine").standardised()
    model = dense([13, 32, 16, 3], nn.ReLU)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=8, epochs=40)


@healthy(tags=("mlp", "binary", "real-data"))
def tumours_leaky_with_a_little_decay(seed: int) -> Setup:
    """Leaky ReLU, SGD with Nesterov's momentum and weight decay of 5e-4."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(lambda y: y.float().unsqueeze(1))
    model = dense([30, 64, 32, 1], nn.LeakyReLU)
    optimizer = sgd(0.01, 0.9, weight_decay=5e-4, nesterov=True)
    return Setup(model, nn.BCEWithLogitsLoss(), optimizer, *data.parts, binary_accuracy, batch_size=16, epochs=25)


@healthy(tags=("mlp", "regression", "real-data"))
def diabetes_small_net_with_decay(seed: int) -> Setup:
    """Sixteen units of ReLU with dropout and decay explain what ten columns tell of the progression."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised().on_targets(lambda y: y.unsqueeze(1)).standardised_targets()
    model = nn.Sequential(nn.Linear(10, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 1))

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=2e-3, weight_decay=0.05)

    return Setup(model, nn.MSELoss(), optimizer, *data.parts, r2, batch_size=16, epochs=25)


@healthy(tags=("mlp", "dropout", "classification", "real-data"))
def clothes_half_dropped_and_smoothed(seed: int) -> Setup:
    """The dense net of the textbook: dropout of one half between layers, and labels smoothed by a tenth."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 128),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(128, 10),
    )
    loss = nn.CrossEntropyLoss(label_smoothing=0.1)
    return Setup(model, loss, adam(1e-3), *fashion().parts, accuracy, batch_size=64, epochs=16)


@healthy(tags=("mlp", "classification", "real-data"))
def digits_tanh_started_by_xavier(seed: int) -> Setup:
    """Two layers of tanh with Xavier's weights under SGD with momentum."""
    torch.manual_seed(seed)
    model = weights(dense([64, 64, 64, 10], nn.Tanh), nn.init.xavier_uniform_)
    data = digits().on_inputs(lambda x: x.flatten(1))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.02, 0.9), *data.parts, accuracy, batch_size=32, epochs=15)


@healthy(tags=("mlp", "regression"))
def concrete_silu_in_large_batches(seed: int) -> Setup:
    """SiLU, AdamW at 5e-3 on a cosine, batches of 128."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    model = dense([4, 64, 64, 1], nn.SiLU)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=5e-3)

    return Setup(model, nn.MSELoss(), optimizer, *data.parts, r2, batch_size=128, epochs=60, schedule=cosine)


class _Mixer(nn.Module):
    """Residual blocks of two dense layers behind a norm."""

    def __init__(self, columns: int, width: int, depth: int) -> None:
        super().__init__()
        self.first = nn.Linear(columns, width)
        self.blocks = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.ReLU(), nn.Linear(2 * width, width))
            for _ in range(depth)
        )
        self.head = nn.Sequential(nn.LayerNorm(width), nn.Linear(width, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.first(x)
        for block in self.blocks:
            x = x + block(x)
        return self.head(x)


@healthy(tags=("mlp", "residual", "norm", "regression"))
def friedman_eight_dense_residual_blocks(seed: int) -> Setup:
    """Eight normed residual blocks of dense layers under AdamW, gradients clipped at one."""
    torch.manual_seed(seed)
    data = friedman().standardised().on_targets(lambda y: y.unsqueeze(1)).standardised_targets()

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01)

    model = _Mixer(10, 32, 8)
    return Setup(model, nn.SmoothL1Loss(), optimizer, *data.parts, r2, batch_size=32, epochs=16, clip=1.0)


@healthy(tags=("mlp", "classification"))
def moons_by_mish_and_nadam(seed: int) -> Setup:
    """Two half circles by two layers of Mish under NAdam."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.NAdam(model.parameters(), lr=3e-3)

    model = dense([2, 32, 32, 2], nn.Mish)
    return Setup(model, F.cross_entropy, optimizer, *moons().parts, accuracy, batch_size=32, epochs=25)
