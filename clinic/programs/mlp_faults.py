"""Nets on vectors whose structure is at fault: no nonlinearity, or an output that does not fit its loss."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion, friedman, moons, parity, rings, spirals, table
from .._scores import accuracy, binary_accuracy, probability_accuracy, r2


@faulty("missing-nonlinearity", tags=("mlp", "classification"))
def spirals_of_linear_layers(seed: int, fixed: bool) -> Setup:
    """Three linear layers in a row on two spirals: however wide, they are one linear map."""
    torch.manual_seed(seed)
    between = nn.ReLU if fixed else nn.Identity
    model = nn.Sequential(nn.Linear(2, 64), between(), nn.Linear(64, 64), between(), nn.Linear(64, 2))
    data = spirals()
    return Setup(
        model,
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        *data.parts,
        accuracy,
        32,
        epochs=40,
    )


class Regressor(nn.Module):
    """Two hidden layers; `activation` is called by name, as a config file would give it."""

    def __init__(self, columns: int, width: int, activation: str):
        super().__init__()
        self.enter = nn.Linear(columns, width)
        self.hidden = nn.Linear(width, width)
        self.leave = nn.Linear(width, 1)
        self.activation = {"linear": lambda x: x, "relu": F.relu, "tanh": torch.tanh}[activation]

    def forward(self, x: Tensor) -> Tensor:
        x = self.activation(self.enter(x))
        return self.leave(self.activation(self.hidden(x))).squeeze(1)


@faulty("missing-nonlinearity", also=("underfitting",), tags=("mlp", "regression"))
def friedman_activation_linear(seed: int, fixed: bool) -> Setup:
    """The config says activation "linear", so the net stops at what linear regression explains."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    return Setup(
        Regressor(10, 48, "tanh" if fixed else "linear"),
        F.mse_loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *data.parts,
        r2,
        batch_size=25,
        epochs=30,
    )


@faulty("missing-nonlinearity", tags=("mlp", "classification", "batch-norm", "dropout"))
def parity_norm_and_dropout_only(seed: int, fixed: bool) -> Setup:
    """Between the linear layers are batch norm and dropout, but no activation: parity cannot be learnt."""
    torch.manual_seed(seed)

    def block(n_in: int, n_out: int) -> list[nn.Module]:
        bend = [nn.LeakyReLU(0.1)] if fixed else []
        return [nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out), *bend, nn.Dropout(0.05)]

    model = nn.Sequential(*block(4, 32), *block(32, 32), *block(32, 16), nn.Linear(16, 2))
    data = parity()
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        *data.parts,
        accuracy,
        batch_size=40,
        epochs=20,
    )


class Forgetful(nn.Module):
    """The result of the activation is thrown away where `keep` is false."""

    def __init__(self, keep: bool):
        super().__init__()
        self.fc1, self.fc2, self.fc3 = nn.Linear(6, 40), nn.Linear(40, 20), nn.Linear(20, 1)
        self.keep = keep

    def forward(self, x: Tensor) -> Tensor:
        for layer in (self.fc1, self.fc2):
            x = layer(x)
            if self.keep:
                x = F.elu(x)
            else:
                F.elu(x)  # not assigned
        return self.fc3(x).squeeze(-1)


@faulty("missing-nonlinearity", tier="real", tags=("mlp", "classification"))
def rings_activation_not_assigned(seed: int, fixed: bool) -> Setup:
    """`F.elu(x)` is called but its result is not kept."""
    torch.manual_seed(seed)
    data = rings().on_targets(Tensor.float)
    return Setup(
        Forgetful(fixed),
        nn.BCEWithLogitsLoss(),
        lambda m: torch.optim.RMSprop(m.parameters(), lr=2e-3),
        *data.parts,
        binary_accuracy,
        batch_size=20,
        epochs=25,
    )


@faulty("loss-output-mismatch", tier="real", tags=("mlp", "classification", "real-data"))
def fashion_softmax_then_cross_entropy(seed: int, fixed: bool) -> Setup:
    """The net ends in a softmax and the loss applies another one, so gradients are small."""
    torch.manual_seed(seed)
    end = [] if fixed else [nn.Softmax(dim=1)]
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10), *end)
    data = fashion(2000)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05),
        *data.parts,
        accuracy,
        32,
        epochs=5,
    )


class Digits(nn.Module):
    """A functional net on the digits; `end` is what comes after the logits."""

    def __init__(self, end: str, width: int = 64):
        super().__init__()
        self.fc1, self.fc2, self.out = nn.Linear(64, width), nn.Linear(width, width), nn.Linear(width, 10)
        self.end = end

    def forward(self, x: Tensor) -> Tensor:
        x = F.gelu(self.fc2(F.gelu(self.fc1(x.flatten(1)))))
        x = self.out(x)
        if self.end == "softmax":
            return F.softmax(x, dim=-1)
        if self.end == "log_softmax":
            return F.log_softmax(x, dim=-1)
        if self.end == "log_softmax over the batch":
            return F.log_softmax(x, dim=0)
        return x


@faulty("loss-output-mismatch", also=("diverged",), tags=("mlp", "classification", "real-data"))
def digits_nll_of_logits(seed: int, fixed: bool) -> Setup:
    """`nll_loss` is given logits: the loss falls without end."""
    torch.manual_seed(seed)
    return Setup(
        Digits("log_softmax" if fixed else "none"),
        F.nll_loss,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        *digits().parts,
        accuracy,
        batch_size=64,
        epochs=10,
    )


@faulty("loss-output-mismatch", tier="real", tags=("mlp", "classification", "real-data"))
def digits_nll_of_probabilities(seed: int, fixed: bool) -> Setup:
    """`nll_loss` is given a softmax, not its logarithm: the loss sinks to -1 and its slope fades."""
    torch.manual_seed(seed)
    return Setup(
        Digits("log_softmax" if fixed else "softmax", 32),
        nn.NLLLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.8),
        *digits().parts,
        accuracy,
        batch_size=50,
        epochs=8,
    )


@faulty("loss-output-mismatch", tier="real", tags=("mlp", "classification", "real-data"))
def digits_log_softmax_over_the_batch(seed: int, fixed: bool) -> Setup:
    """The log-softmax runs over the batch (dim=0), so the outputs are not probabilities of a class."""
    torch.manual_seed(seed)
    return Setup(
        Digits("log_softmax" if fixed else "log_softmax over the batch"),
        F.nll_loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-3),
        *digits().parts,
        lambda output, target: -F.nll_loss(output, target).item(),
        batch_size=16,
        epochs=6,
    )


@faulty("loss-output-mismatch", also=("dead-units",), tags=("mlp", "classification", "binary", "real-data"))
def digits_odd_relu_on_the_logit(seed: int, fixed: bool) -> Setup:
    """A loop over layers puts a ReLU after the last one too: the logit of an even digit cannot be negative."""
    torch.manual_seed(seed)
    sizes, layers = [64, 50, 25, 1], list[nn.Module]()
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), nn.ReLU()]
    model = nn.Sequential(nn.Flatten(), *(layers[:-1] if fixed else layers), nn.Flatten(0))
    return Setup(
        model,
        F.binary_cross_entropy_with_logits,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *digits().on_targets(lambda digit: (digit % 2).float()).parts,
        lambda output, target: -F.binary_cross_entropy_with_logits(output, target).item(),
        batch_size=32,
        epochs=10,
    )


@faulty("loss-output-mismatch", tier="real", tags=("mlp", "classification", "binary", "real-data"))
def tumours_sigmoid_then_logits_loss(seed: int, fixed: bool) -> Setup:
    """A sigmoid sits under `BCEWithLogitsLoss`: no output can be below one half, everything is predicted positive."""
    torch.manual_seed(seed)
    end = [] if fixed else [nn.Sigmoid()]
    model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Linear(32, 1), *end, nn.Flatten(0))
    data = table("breast_cancer").standardised().on_targets(Tensor.float)
    return Setup(
        model,
        nn.BCEWithLogitsLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        *data.parts,
        binary_accuracy,
        batch_size=16,
        epochs=15,
    )


@faulty("loss-output-mismatch", tier="real", tags=("mlp", "classification", "binary"))
def moons_softmax_over_one_unit(seed: int, fixed: bool) -> Setup:
    """A softmax over a single unit is always 1."""
    torch.manual_seed(seed)
    end = nn.Sigmoid() if fixed else nn.Softmax(dim=1)
    model = nn.Sequential(nn.Linear(2, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 1), end)
    data = moons().on_targets(lambda label: label.float().unsqueeze(1))
    return Setup(
        model,
        nn.BCELoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        *data.parts,
        probability_accuracy,
        batch_size=25,
        epochs=15,
    )


@faulty("loss-output-mismatch", also=("unscaled-targets",), tags=("mlp", "regression"))
def friedman_sigmoid_output(seed: int, fixed: bool) -> Setup:
    """A sigmoid ends a net whose targets run from -2 to 3."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Linear(10, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 1)]
    model = nn.Sequential(*layers, nn.Flatten(0) if fixed else nn.Sequential(nn.Sigmoid(), nn.Flatten(0)))
    data = friedman().standardised().standardised_targets()
    return Setup(
        model,
        nn.MSELoss(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=3e-3),
        *data.parts,
        r2,
        batch_size=32,
        epochs=25,
    )


@faulty("loss-output-mismatch", tags=("mlp", "regression", "real-data"))
def diabetes_relu_output(seed: int, fixed: bool) -> Setup:
    """A ReLU ends a regression on standardised targets, half of which are negative."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(10, 16), nn.ELU(), nn.Dropout(0.1), nn.Linear(16, 1))
    if not fixed:
        model.append(nn.ReLU())
    data = table("diabetes").standardised().standardised_targets().on_targets(lambda value: value.unsqueeze(1))
    return Setup(
        model,
        nn.SmoothL1Loss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3, weight_decay=1e-4),
        *data.parts,
        r2,
        batch_size=16,
        epochs=15,
    )


@faulty("loss-output-mismatch", also=("saturated-units", "unscaled-targets"), tags=("mlp", "regression"))
def friedman_tanh_output(seed: int, fixed: bool) -> Setup:
    """A tanh ends a net whose targets were scaled only by ten: every one of them beyond 1 is out of reach."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(10, 80), nn.ReLU(), nn.Linear(80, 40), nn.ReLU(), nn.Linear(40, 1), nn.Flatten(0))
    if not fixed:
        model.append(nn.Tanh())
    data = friedman().standardised().on_targets(lambda value: value / 10)
    return Setup(
        model,
        F.mse_loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        *data.parts,
        r2,
        batch_size=32,
        epochs=25,
    )


@faulty("loss-output-mismatch", tags=("mlp", "classification", "multi-label", "real-data"))
def digits_multilabel_softmax(seed: int, fixed: bool) -> Setup:
    """Five yes/no questions about a digit share a softmax: their answers cannot all be yes."""
    torch.manual_seed(seed)
    asked = torch.tensor([[d % 2 == 0, d > 4, d in (2, 3, 5, 7), d in (0, 6, 8, 9), d < 8] for d in range(10)]).float()
    end = nn.Sigmoid() if fixed else nn.Softmax(dim=1)
    model = nn.Sequential(nn.Linear(64, 48), nn.ReLU(), nn.BatchNorm1d(48), nn.Linear(48, 5), end)
    data = digits().columns().on_targets(lambda digit: asked[digit])
    return Setup(
        model,
        nn.BCELoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *data.parts,
        probability_accuracy,
        batch_size=32,
        epochs=10,
    )
