"""Signals and gradients that fade, grow or stand still in a net; fourth series."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import concrete, digits, fashion, fashion_raw, hastie, patches, table
from .._scores import accuracy, binary_accuracy, r2

faulty = partial(base.faulty, half="parted")


def dense(sizes: list[int], act: Callable[[], nn.Module]) -> nn.Sequential:
    """Linear layers of these sizes with an activation between."""
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), act())]
    return nn.Sequential(*layers[:-1])


def adam(lr: float, **facts: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """Adam over all parameters."""
    return lambda model: torch.optim.Adam(model.parameters(), lr=lr, **facts)


def sgd(lr: float, momentum: float = 0.0, **facts: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """SGD over all parameters."""
    return lambda model: torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum, **facts)


def weights(model: nn.Module, rule: Callable[[Tensor], object], bias: float = 0.0) -> nn.Module:
    """Draw every weight of a linear or convolutional layer by `rule`, set biases to `bias`."""
    for layer in model.modules():
        if isinstance(layer, nn.Linear | nn.Conv2d):
            rule(layer.weight)
            if layer.bias is not None:
                nn.init.constant_(layer.bias, bias)
    return model


@faulty(
    "vanishing-gradient",
    also=("bad-initialisation", "not-learning", "underfitting", "saturated-units"),
    tags=("mlp", "real-data"),
    tier="real",
)
def clothes_six_sigmoid_layers(seed: int, fixed: bool) -> Setup:
    """Six hidden layers of sigmoids under SGD: what reaches the first of them is next to nothing."""
    torch.manual_seed(seed)
    act = nn.ReLU if fixed else nn.Sigmoid
    model = nn.Sequential(nn.Flatten(), *dense([784, 128, 128, 128, 64, 64, 64, 10], act))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.03, 0.9), *fashion().parts, accuracy, batch_size=32, epochs=12)


@faulty(
    "vanishing-gradient",
    also=("bad-initialisation", "not-learning", "underfitting", "saturated-units"),
    tags=("mlp", "binary", "real-data"),
    tier="real",
)
def tumours_ten_sigmoid_layers(seed: int, fixed: bool) -> Setup:
    """Ten hidden layers of sigmoids before one logit: the net says the share of the classes and no more."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(lambda y: y.float().unsqueeze(1))
    model = dense([30, *[32] * 10, 1], nn.ReLU if fixed else nn.Sigmoid)
    loss = nn.BCEWithLogitsLoss()
    return Setup(model, loss, adam(1e-3), *data.parts, binary_accuracy, batch_size=16, epochs=15)


@faulty(
    "vanishing-gradient",
    also=("bad-initialisation", "not-learning", "underfitting"),
    tags=("cnn", "real-data"),
    tier="real",
)
def digits_sixteen_plain_convolutions(seed: int, fixed: bool) -> Setup:
    """A stack of sixteen convolutions with torch's own initialisation and no norm, which the fix puts in."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Conv2d(1, 16, 3, padding=1), nn.ReLU()]
    for place in range(15):
        layers.append(nn.Conv2d(16, 16, 3, padding=1, bias=not fixed))
        layers += [nn.BatchNorm2d(16), nn.ReLU()] if fixed else [nn.ReLU()]
        if place in (4, 9):
            layers.append(nn.MaxPool2d(2))
    model = nn.Sequential(*layers, nn.Flatten(), nn.Linear(64, 10))
    return Setup(
        model, nn.CrossEntropyLoss(), adam(1e-3), *digits().first(960).parts, accuracy, batch_size=32, epochs=7
    )


@faulty(
    "exploding-gradient",
    also=("bad-initialisation", "diverged", "learning-rate-too-high", "loss-at-start"),
    tags=("mlp", "real-data"),
    tier="real",
)
def digits_twenty_layers_gain_too_large(seed: int, fixed: bool) -> Setup:
    """Xavier's rule with a gain of 2, chosen by feel for a net of ReLU: twenty layers multiply what passes."""
    torch.manual_seed(seed)
    gain, data = 2**0.5 if fixed else 2.0, digits().columns()
    model = weights(dense([64, *[48] * 20, 10], nn.ReLU), lambda w: nn.init.xavier_normal_(w, gain=gain))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.005, 0.9), *data.parts, accuracy, batch_size=32, epochs=10)


class _Block(nn.Module):
    """Two convolutions beside a skip."""

    def __init__(self, width: int, norm: bool) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, width, 3, padding=1, bias=not norm)
        self.conv2 = nn.Conv2d(width, width, 3, padding=1, bias=not norm)
        self.bn1 = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.bn2 = nn.BatchNorm2d(width) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        out = F.relu(self.bn1(self.conv1(x)))
        return F.relu(x + self.bn2(self.conv2(out)))


@faulty(
    "exploding-gradient",
    also=("bad-initialisation", "diverged", "learning-rate-too-high", "loss-at-start"),
    tags=("cnn", "residual", "real-data"),
    tier="real",
)
def digits_resnet_built_without_norm(seed: int, fixed: bool) -> Setup:
    """A residual net copied with its initialisation and its rate, but without its batch norms."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        *[_Block(16, norm=fixed) for _ in range(9)],
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(64, 10),
    )
    for layer in model.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    data, optimizer = digits().first(960), sgd(0.05, 0.9, weight_decay=1e-4)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *data.parts, accuracy, batch_size=32, epochs=6)


@faulty(
    "dead-units",
    also=("learning-rate-too-high", "unscaled-inputs", "not-learning", "diverged"),
    tags=("mlp", "real-data"),
    tier="real",
)
def digits_relu_killed_by_a_large_rate(seed: int, fixed: bool) -> Setup:
    """SGD at 0.5 with momentum: the first steps push the whole last hidden layer below zero for good."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16)
    optimizer = sgd(0.02 if fixed else 0.5, 0.9)
    model = dense([64, 64, 64, 32, 10], nn.ReLU)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *data.parts, accuracy, batch_size=16, epochs=10)


@faulty(
    "dead-units",
    also=("bad-initialisation", "vanishing-gradient", "not-learning"),
    tags=("cnn", "real-data"),
    tier="real",
)
def patches_biases_of_minus_one(seed: int, fixed: bool) -> Setup:
    """Biases start at -1, in the hope of sparse features: no filter of the upper layers ever fires."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(16, 32, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(32, 32, 3, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 9, 2),
    )
    for layer in model:
        if isinstance(layer, nn.Conv2d) and not fixed:
            nn.init.constant_(layer.bias, -1.0)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *patches().parts, accuracy, batch_size=32, epochs=7)


@faulty(
    "saturated-units",
    also=("bad-initialisation", "vanishing-gradient", "not-learning"),
    tags=("mlp", "real-data"),
    tier="real",
)
def digits_tanh_with_unit_normals(seed: int, fixed: bool) -> Setup:
    """Weights by `torch.randn` under tanh: nearly every unit stands at one of its ends."""
    torch.manual_seed(seed)
    rule = nn.init.xavier_normal_ if fixed else nn.init.normal_
    model = nn.Sequential(nn.Flatten(), weights(dense([64, 128, 128, 128, 10], nn.Tanh), rule))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.02, 0.9), *digits().parts, accuracy, batch_size=32, epochs=8)


@faulty(
    "saturated-units",
    also=("unscaled-inputs", "vanishing-gradient", "not-learning", "dead-units"),
    tags=("mlp", "real-data"),
    tier="real",
)
def clothes_sigmoids_over_raw_pixels(seed: int, fixed: bool) -> Setup:
    """Pixels of 0 to 255 straight into sigmoids; those of the first layer sit at 0 or 1."""
    torch.manual_seed(seed)
    data = fashion_raw(1500).columns().on_inputs(lambda pixels: pixels / 255 if fixed else pixels)
    model = dense([784, 100, 50, 10], nn.Sigmoid)
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), *data.parts, accuracy, batch_size=32, epochs=12)


@faulty(
    "bad-initialisation",
    also=("not-learning", "dead-units", "vanishing-gradient"),
    tags=("cnn", "real-data"),
    tier="real",
)
def clothes_all_weights_zero(seed: int, fixed: bool) -> Setup:
    """`nn.init.zeros_` for every weight: all filters stay alike, and nothing behind them gets a gradient."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2),
        nn.ReLU(),
        nn.Conv2d(8, 16, 5, stride=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(16 * 16, 10),
    )
    weights(model, nn.init.kaiming_normal_ if fixed else nn.init.zeros_)
    return Setup(model, nn.CrossEntropyLoss(), adam(2e-3), *fashion(1500).parts, accuracy, batch_size=32, epochs=7)


@faulty(
    "bad-initialisation",
    also=("exploding-gradient", "loss-at-start", "diverged"),
    tags=("mlp", "regression"),
    tier="real",
)
def concrete_standard_normal_weights(seed: int, fixed: bool) -> Setup:
    """`nn.init.normal_(layer.weight)` with its default deviation of 1 in four layers of ReLU."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    rule = (lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu")) if fixed else nn.init.normal_
    model = weights(dense([4, 64, 64, 64, 1], nn.ReLU), rule)
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty(
    "bad-initialisation",
    also=("vanishing-gradient", "not-learning", "underfitting"),
    tags=("mlp", "classification"),
    tier="real",
)
def hastie_weights_of_a_hundredth(seed: int, fixed: bool) -> Setup:
    """`normal_(std=0.01)` in a net of eight layers: ten numbers enter, and zero arrives at the end."""
    torch.manual_seed(seed)
    rule = nn.init.kaiming_normal_ if fixed else lambda w: nn.init.normal_(w, std=0.01)
    model = weights(dense([10, *[50] * 7, 2], nn.ReLU), rule)
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.02, 0.9), *hastie().parts, accuracy, batch_size=32, epochs=15)
