"""Healthy programs under losses that do not go to zero, or go below it, or look odd to a naive rule."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import cut, digits, fashion, houses, table
from .._scores import accuracy, binary_accuracy, r2


@healthy(tags=("mlp", "regression", "quantile"))
def quantile_regression(seed: int) -> Setup:
    """Three quantiles at once under the pinball loss; the score is the share of the constant quantiles' loss saved."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(67)
    inputs = torch.rand(2400, 3, generator=g)
    middle, spread = torch.sin(4 * inputs[:, 0]) + inputs[:, 1], 0.1 + 0.7 * inputs[:, 2]
    data = cut(inputs, (middle + spread * torch.randn(2400, generator=g)).unsqueeze(1))
    levels = torch.tensor([0.1, 0.5, 0.9])

    def pinball(output: Tensor, target: Tensor) -> Tensor:
        miss = target - output
        return torch.maximum(levels * miss, (levels - 1) * miss).mean()

    plain = pinball(data.targets.quantile(levels).expand(len(data.valid_targets), 3), data.valid_targets)
    return Setup(
        nn.Sequential(nn.Linear(3, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU(), nn.Linear(48, 3)),
        pinball,
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        lambda output, target: (1 - pinball(output, target) / plain).item(),
        batch_size=48,
        epochs=12,
    )


@healthy(tags=("mlp", "regression", "counts", "poisson"))
def poisson_regression(seed: int) -> Setup:
    """Counts with a log rate; the loss is negative for large counts and has no floor at zero."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(71)
    inputs = torch.randn(2400, 6, generator=g)
    rate = torch.exp(
        1.0 + 0.7 * inputs[:, 0] - 0.4 * inputs[:, 1] + 0.5 * torch.tanh(2 * inputs[:, 2]) * inputs[:, 3].sign()
    )
    data = cut(inputs, torch.poisson(rate, generator=g).unsqueeze(1))
    model = nn.Sequential(nn.Linear(6, 48), nn.ReLU(), nn.Linear(48, 32), nn.ReLU(), nn.Linear(32, 1))
    return Setup(
        model,
        nn.PoissonNLLLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        lambda output, target: r2(output.exp(), target),
        epochs=12,
    )


@healthy(tags=("mlp", "regression", "gaussian"))
def mean_and_variance(seed: int) -> Setup:
    """One head for the mean, one for the log variance, under the gaussian likelihood, which goes below zero."""
    torch.manual_seed(seed)
    data = houses().standardised().on_targets(torch.log).standardised_targets()

    class _Two(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(6, 48), nn.SiLU(), nn.Linear(48, 48), nn.SiLU())
            self.mean, self.log_variance = nn.Linear(48, 1), nn.Linear(48, 1)

        def forward(self, inputs: Tensor) -> Tensor:
            hidden = self.body(inputs)
            return torch.cat([self.mean(hidden), self.log_variance(hidden)], 1)

    return Setup(
        _Two(),
        lambda output, target: F.gaussian_nll_loss(output[:, 0], target, output[:, 1].exp()),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        lambda output, target: r2(output[:, 0], target),
        epochs=12,
    )


@healthy(tags=("mlp", "regression", "hard"))
def hard_regression(seed: int) -> Setup:
    """Nine tenths of the variance of the target are noise; the rest is learnt, and an R2 near 0.1 is all there is."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(73)
    inputs = torch.randn(6000, 8, generator=g)
    truth = torch.tanh(inputs[:, 0]) + 0.5 * inputs[:, 1] - 0.4 * inputs[:, 2].abs()
    truth = (truth - truth.mean()) / truth.std()
    noise = torch.randn(6000, generator=g)
    # Validation is against the noiseless function, so that the score says how much of what can be learnt is.
    data = cut(inputs, torch.stack([0.316 * truth + 0.949 * noise, truth], 1))
    model = nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Linear(16, 1))
    return Setup(
        model,
        nn.MSELoss(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.9, weight_decay=1e-3),
        (data.inputs, data.targets[:, :1]),
        (data.valid_inputs, data.valid_targets[:, 1:]),
        lambda output, target: r2(output / 0.316, target),
        batch_size=100,
        epochs=7,
    )


@healthy(tags=("mlp", "classification", "noisy-labels", "real-data"))
def noisy_labels(seed: int) -> Setup:
    """A third of the training labels are drawn anew at random: the loss stays high, and clean digits are read well."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(79)
    data = digits().columns()
    wrong = torch.rand(len(data.targets), generator=g) < 0.33
    labels = torch.where(wrong, torch.randint(0, 10, data.targets.shape, generator=g), data.targets)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 10))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3, weight_decay=1e-4),
        (data.inputs, labels),
        data.valid,
        accuracy,
        epochs=7,
    )


@healthy(tags=("cnn", "classification", "real-data", "label-smoothing"))
def label_smoothing(seed: int) -> Setup:
    """Labels smoothed by a fifth: the loss has a floor of 0.87, however right the answers are."""
    torch.manual_seed(seed)
    data = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 24, 3), nn.ReLU(), nn.Conv2d(24, 24, 3), nn.ReLU(), nn.Flatten(), nn.Linear(384, 32), nn.ReLU(),
        nn.Linear(32, 10),
    )  # fmt: skip
    return Setup(
        model,
        nn.CrossEntropyLoss(label_smoothing=0.2),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=8,
    )


@healthy(tags=("linear", "classification", "hinge", "real-data"))
def support_vector_machine(seed: int) -> Setup:
    """A linear machine under the hinge loss with weight decay; more and more examples give no gradient at all."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(lambda y: 2.0 * y.float() - 1)

    class _Machine(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.plane = nn.Linear(30, 1)

        def forward(self, inputs: Tensor) -> Tensor:
            return self.plane(inputs).squeeze(1)

    return Setup(
        _Machine(),
        lambda output, target: F.relu(1 - target * output).mean(),
        lambda model: torch.optim.SGD(model.parameters(), lr=0.02, weight_decay=0.01),
        data.train,
        data.valid,
        binary_accuracy,
        batch_size=16,
        epochs=8,
    )


@healthy(tags=("mlp", "classification", "margin", "real-data"))
def large_margin(seed: int) -> Setup:
    """A net under the multi-class margin loss with a margin of two."""
    torch.manual_seed(seed)
    data = digits().columns()
    model = nn.Sequential(nn.Linear(64, 64), nn.LeakyReLU(0.1), nn.Linear(64, 10))
    return Setup(
        model,
        nn.MultiMarginLoss(margin=2.0),
        lambda model: torch.optim.Adam(model.parameters(), lr=4e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=8,
    )


@healthy(tags=("mlp", "sparse", "classification", "real-data"))
def sparse_by_design(seed: int) -> Setup:
    """A wide ReLU layer with an L1 penalty on what it says: far the most of its values are zero, by design."""
    torch.manual_seed(seed)
    data = fashion(2000, 500).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2).flatten(1))
    body, head = nn.Sequential(nn.Linear(196, 200), nn.ReLU()), nn.Linear(200, 10)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        hidden = body(inputs)
        loss = F.cross_entropy(head(hidden), targets) + hidden.mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(
        nn.Sequential(body, head),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=7,
        update=update,
    )
