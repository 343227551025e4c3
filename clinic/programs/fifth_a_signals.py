"""Signals and gradients that start wrongly, fade, grow or stand still; fifth series, part a."""

from __future__ import annotations

import math
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import digits, fashion
from .._scores import accuracy, binary_accuracy, r2
from .fifth_a_parts import cells, churn, figures, wages
from .fourth_signals import adam, dense, sgd, weights

faulty = partial(base.faulty, half="parted")


@faulty(
    "bad-initialisation",
    also=("exploding-gradient", "loss-at-start", "diverged", "dead-units"),
    tags=("mlp", "classification", "real-data"),
    tier="real",
)
def digits_weights_of_deviation_one(seed: int, fixed: bool) -> Setup:
    """`nn.init.normal_(layer.weight)` for every layer: the deviation is 1, and the first loss is in the thousands."""
    torch.manual_seed(seed)
    model = dense([64, 128, 128, 64, 10], nn.ReLU)
    if not fixed:
        weights(model, nn.init.normal_)
    data = digits().on_inputs(lambda x: x.flatten(1))
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=32, epochs=15)


@faulty(
    "bad-initialisation",
    also=("vanishing-gradient", "not-learning", "underfitting"),
    tags=("mlp", "regression"),
    tier="real",
)
def wages_weights_of_a_hundredth(seed: int, fixed: bool) -> Setup:
    """`weight.data.normal_(0, 0.01)` in five ReLU layers: nothing of a row arrives at the end of the net."""
    torch.manual_seed(seed)
    data = wages().standardised().standardised_targets()
    model = dense([6, 64, 64, 64, 64, 1], nn.ReLU)
    if fixed:
        weights(model, partial(nn.init.kaiming_normal_, nonlinearity="relu"))
    else:
        weights(model, partial(nn.init.normal_, std=0.01))
    return Setup(model, nn.MSELoss(), sgd(0.01, 0.9), *data.parts, r2, batch_size=32, epochs=20)


@faulty(
    "bad-initialisation",
    also=("not-learning", "underfitting", "vanishing-gradient"),
    tags=("mlp", "classification"),
    tier="real",
)
def cells_all_weights_a_tenth(seed: int, fixed: bool) -> Setup:
    """`nn.init.constant_(m.weight, 0.1)`: all units of a layer are one and the same unit for ever."""
    torch.manual_seed(seed)
    model = dense([20, 64, 64, 6], nn.ReLU)
    if not fixed:
        weights(model, partial(nn.init.constant_, val=0.1))
    return Setup(model, nn.CrossEntropyLoss(), adam(2e-3), *cells().parts, accuracy, batch_size=32, epochs=20)


@faulty(
    "vanishing-gradient",
    also=("bad-initialisation", "saturated-units", "not-learning", "underfitting"),
    tags=("mlp", "binary"),
    tier="real",
)
def churn_five_sigmoid_layers(seed: int, fixed: bool) -> Setup:
    """Five hidden layers of sigmoids under SGD: the first layers get next to no gradient."""
    torch.manual_seed(seed)
    model = dense([6, 64, 64, 64, 64, 64, 1], nn.ReLU if fixed else nn.Sigmoid)
    data = churn().standardised()
    return Setup(model, nn.BCEWithLogitsLoss(), sgd(0.05, 0.9), *data.parts, binary_accuracy, batch_size=32, epochs=25)


class _Tower(nn.Module):
    """Many 3 x 3 convolutions of one width, each plain or beside a shortcut."""

    def __init__(self, depth: int, shortcut: bool) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, 16, 3, stride=2, padding=1)
        self.convs = nn.ModuleList(nn.Conv2d(16, 16, 3, padding=1) for _ in range(depth))
        self.head, self.shortcut = nn.Linear(16, 10), shortcut

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for conv in self.convs:
            x = x + conv(F.relu(x)) if self.shortcut else conv(F.relu(x))
        return self.head(F.relu(x).mean((2, 3)))


@faulty(
    "vanishing-gradient",
    also=("bad-initialisation", "not-learning", "underfitting"),
    tags=("cnn", "classification", "real-data"),
    tier="real",
)
def digits_sixteen_convolutions_without_shortcuts(seed: int, fixed: bool) -> Setup:
    """Sixteen convolutions in a row as PyTorch starts them, without norm or shortcut: the signal fades on its way."""
    torch.manual_seed(seed)
    model = _Tower(16, shortcut=fixed)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *digits().parts, accuracy, batch_size=32, epochs=10)


@faulty(
    "exploding-gradient",
    also=("bad-initialisation", "diverged", "loss-at-start", "learning-rate-too-high", "dead-units"),
    tags=("mlp", "classification", "real-data"),
    tier="real",
)
def clothes_ten_layers_that_double(seed: int, fixed: bool) -> Setup:
    """Ten ReLU layers of weights drawn at 0.25: each doubles what it is given, forwards and back."""
    torch.manual_seed(seed)
    model = dense([784, *[128] * 10, 10], nn.ReLU)
    weights(model, nn.init.kaiming_normal_ if fixed else partial(nn.init.normal_, std=0.25))
    data = fashion(1500).columns()
    return Setup(model, nn.CrossEntropyLoss(), sgd(3e-3, 0.9), *data.parts, accuracy, batch_size=32, epochs=15)


class _Bare(nn.Module):
    """A residual block of two convolutions, with a norm after each or none."""

    def __init__(self, width: int, normed: bool) -> None:
        super().__init__()
        self.conv1, self.conv2 = nn.Conv2d(width, width, 3, padding=1), nn.Conv2d(width, width, 3, padding=1)
        self.norm1 = nn.BatchNorm2d(width) if normed else nn.Identity()
        self.norm2 = nn.BatchNorm2d(width) if normed else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(x + self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))))


@faulty(
    "exploding-gradient",
    also=("bad-initialisation", "diverged", "loss-at-start", "learning-rate-too-high", "dead-units", "not-learning"),
    tags=("cnn", "residual", "classification"),
    tier="real",
)
def figures_six_blocks_without_norm(seed: int, fixed: bool) -> Setup:
    """Six residual blocks with He's weights and no norm: every block adds to what came before it."""
    torch.manual_seed(seed)
    blocks = [_Bare(12, normed=fixed) for _ in range(6)]
    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        *blocks,
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(48, 4),
    )
    weights(model, partial(nn.init.kaiming_normal_, nonlinearity="relu"))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.03, 0.9), *figures().parts, accuracy, batch_size=32, epochs=12)


class _ByHand(nn.Module):
    """Two hidden layers of sigmoids whose matrices are parameters made by hand."""

    def __init__(self, scaled: bool) -> None:
        super().__init__()
        sizes = [(784, 100), (100, 50), (50, 10)]
        self.w1, self.w2, self.w3 = (
            nn.Parameter(torch.randn(a, b) / (math.sqrt(a) if scaled else 1)) for a, b in sizes
        )
        self.b1, self.b2, self.b3 = (nn.Parameter(torch.zeros(b)) for _, b in sizes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.sigmoid(x.flatten(1) @ self.w1 + self.b1)
        x = torch.sigmoid(x @ self.w2 + self.b2)
        return x @ self.w3 + self.b3


@faulty(
    "saturated-units",
    also=("bad-initialisation", "vanishing-gradient"),
    tags=("mlp", "classification", "real-data"),
    tier="real",
)
def clothes_sigmoids_from_randn(seed: int, fixed: bool) -> Setup:
    """`nn.Parameter(torch.randn(784, 100))` before sigmoids: nearly every unit is at 0 or 1 from the start."""
    torch.manual_seed(seed)
    return Setup(
        _ByHand(fixed), nn.CrossEntropyLoss(), sgd(0.05, 0.9), *fashion().parts, accuracy, batch_size=32, epochs=15
    )


@faulty(
    "saturated-units",
    also=("bad-initialisation", "vanishing-gradient", "exploding-gradient", "loss-at-start", "not-learning"),
    tags=("mlp", "regression"),
    tier="real",
)
def wages_tanh_with_gain_of_ten(seed: int, fixed: bool) -> Setup:
    """`xavier_uniform_(gain=10)`, in the hope of a stronger signal: the units of tanh stand at their ends."""
    torch.manual_seed(seed)
    data = wages().standardised().standardised_targets()
    model = dense([6, 64, 64, 64, 1], nn.Tanh)
    weights(model, partial(nn.init.xavier_uniform_, gain=1.0 if fixed else 10.0))
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=20)


@faulty(
    "dead-units",
    also=("learning-rate-too-high", "not-learning", "diverged"),
    tags=("mlp", "classification"),
    tier="real",
)
def cells_rectifiers_killed_by_large_steps(seed: int, fixed: bool) -> Setup:
    """SGD at 0.5 with momentum: the first updates throw nearly all rectified units below zero, where they stay."""
    torch.manual_seed(seed)
    model = dense([20, 128, 64, 32, 6], nn.ReLU)
    optimizer = sgd(0.02 if fixed else 0.5, 0.9)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *cells().parts, accuracy, batch_size=32, epochs=16)
