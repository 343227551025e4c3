"""Healthy nets with hardly anything to them: one neuron, one line, two factors, a handful of units."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import cut, moons, table
from .._scores import accuracy, binary_accuracy, r2


@healthy(tags=("linear", "classification", "binary", "real-data"))
def logistic_regression(seed: int) -> Setup:
    """A single neuron: logistic regression on 30 standardised columns."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(lambda y: y.float().unsqueeze(1))
    return Setup(
        nn.Linear(30, 1),
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
        data.train,
        data.valid,
        binary_accuracy,
        epochs=10,
    )


@healthy(tags=("linear", "classification", "real-data"))
def softmax_regression(seed: int) -> Setup:
    """One linear layer from 64 pixels to ten digits, with a little weight decay."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16)
    return Setup(
        nn.Linear(64, 10),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=1e-4),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=12,
    )


@healthy(tags=("linear", "regression", "real-data"))
def linear_regression(seed: int) -> Setup:
    """Linear regression on purpose; ten columns explain half of the variance and no more is to be had."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised().standardised_targets()

    class _Line(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = nn.Parameter(torch.zeros(10)), nn.Parameter(torch.zeros(()))

        def forward(self, inputs: Tensor) -> Tensor:
            return inputs @ self.weight + self.bias

    return Setup(
        _Line(),
        nn.MSELoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9),
        data.train,
        data.valid,
        r2,
        epochs=12,
    )


@healthy(tags=("linear", "autoencoder", "factorisation", "real-data"))
def low_rank_linear_autoencoder(seed: int) -> Setup:
    """Two linear layers through 12 numbers with nothing between: principal components on purpose."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: (pixels - pixels.new_tensor(4.9)) / 6)
    model = nn.Sequential(nn.Linear(64, 12, bias=False), nn.Linear(12, 64))
    return Setup(
        model,
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        (data.inputs, data.inputs),
        (data.valid_inputs, data.valid_inputs),
        r2,
        epochs=12,
    )


@healthy(tags=("linear", "classification", "factorisation"))
def low_rank_classifier(seed: int) -> Setup:
    """A 60 x 40 weight written as a product of rank 4, since the 40 classes truly lie in four dimensions."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(17)
    inputs = torch.randn(2400, 60, generator=g)
    down, up = torch.randn(60, 4, generator=g), torch.randn(4, 40, generator=g)
    data = cut(inputs, (inputs @ down @ up).argmax(1))

    class _Factors(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.down, self.up = nn.Linear(60, 4, bias=False), nn.Linear(4, 40)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.up(self.down(inputs))

    return Setup(
        _Factors(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.02),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=15,
    )


@healthy(tags=("mlp", "classification", "tiny"))
def exclusive_or(seed: int) -> Setup:
    """The exclusive or of two bits, eight tanh units; every batch is all there is, 300 times over."""
    torch.manual_seed(seed)
    inputs = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]]).repeat(8, 1)
    targets = (inputs.sum(1) == 1).float().unsqueeze(1)
    model = nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
    return Setup(
        model,
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.05),
        (inputs, targets),
        (inputs, targets),
        binary_accuracy,
        epochs=300,
    )


@healthy(tags=("mlp", "classification", "tiny", "sigmoid"))
def small_sigmoid_net(seed: int) -> Setup:
    """One hidden layer of sigmoids, as it was done before ReLU, with a large momentum."""
    torch.manual_seed(seed)
    data = table("wine").standardised()
    model = nn.Sequential(nn.Linear(13, 10), nn.Sigmoid(), nn.Linear(10, 3))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        batch_size=16,
        epochs=15,
    )


@healthy(tags=("mlp", "classification", "tanh"))
def moons_with_rprop(seed: int) -> Setup:
    """Two moons, tanh, and Rprop on the whole set at once, for which it is made."""
    torch.manual_seed(seed)
    data = moons()
    model = nn.Sequential(nn.Linear(2, 16), nn.Tanh(), nn.Linear(16, 16), nn.Tanh(), nn.Linear(16, 2))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Rprop(model.parameters(), lr=0.01),
        data.train,
        data.valid,
        accuracy,
        batch_size=750,
        epochs=150,
    )
