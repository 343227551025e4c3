"""Losses and shapes that do not say what was meant, and activations left out; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import checkers, concrete, diamonds, digits, fashion, hastie, loans, roll, waveforms
from .._scores import accuracy, binary_accuracy, r2
from .._sequences import passages, ratings, scaled_consumption
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


@faulty("loss-output-mismatch", also=("underfitting", "wrong-loss"), tags=("cnn", "real-data"), tier="real")
def digits_convolutions_softmax_twice(seed: int, fixed: bool) -> Setup:
    """The net ends in a softmax, and `CrossEntropyLoss` takes another: it crawls, and its loss stays above 1.46."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(256, 64), nn.ReLU()
    ).append(nn.Linear(64, 10))
    if not fixed:
        model.append(nn.Softmax(dim=1))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.01, 0.9), *digits().parts, accuracy, batch_size=32, epochs=6)


@faulty("loss-output-mismatch", also=("underfitting", "wrong-loss"), tags=("mlp", "binary"), tier="real")
def loans_sigmoid_twice(seed: int, fixed: bool) -> Setup:
    """A sigmoid ends the net and `BCEWithLogitsLoss` adds another: chances below one half cannot be said."""
    torch.manual_seed(seed)
    data = loans().standardised().on_targets(lambda y: y.float().unsqueeze(1))
    model = dense([6, 64, 32, 1], nn.ReLU)
    if not fixed:
        model.append(nn.Sigmoid())
    loss = nn.BCEWithLogitsLoss()

    def score(output: Tensor, target: Tensor) -> float:
        return -loss(output, target).item()

    return Setup(model, loss, adam(2e-3), *data.parts, score, batch_size=32, epochs=12)


@faulty(
    "loss-output-mismatch", also=("wrong-loss", "diverged"), tags=("mlp", "text", "embedding", "real-data"), tier="real"
)
def chapters_nll_without_log_softmax(seed: int, fixed: bool) -> Setup:
    """`NLLLoss` gets raw scores, with no `log_softmax` before it: its loss falls below 0 and on without an end."""
    torch.manual_seed(seed)
    data, size = passages()
    model = nn.Sequential(nn.EmbeddingBag(size, 32), nn.Linear(32, 8))
    if fixed:
        model.append(nn.LogSoftmax(dim=1))
    return Setup(model, nn.NLLLoss(), adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=10)


@faulty(
    "loss-output-mismatch", also=("unscaled-targets", "saturated-units", "wrong-loss", "not-learning"), tags=("mlp",)
)
def concrete_strength_from_a_sigmoid(seed: int, fixed: bool) -> Setup:
    """A net that ends in a sigmoid is asked for strengths of 5 to 90 MPa: it says 1 to everything."""
    torch.manual_seed(seed)
    data = concrete().standardised()
    data = data.standardised_targets() if fixed else data
    model = dense([4, 64, 64, 1], nn.ReLU)
    if not fixed:
        model.append(nn.Sigmoid())
    return Setup(model, nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty("shape-broadcast", also=("loss-output-mismatch", "wrong-loss"), tags=("lstm", "series"), tier="real")
def hours_by_lstm_column_minus_row(seed: int, fixed: bool) -> Setup:
    """Forecasts are (n, 1) and targets (n,): their difference is (n, n), and the net learns the mean."""
    torch.manual_seed(seed)
    data = scaled_consumption().on_targets(lambda y: y.squeeze(1))

    class Forecast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.lstm, self.linear = nn.LSTM(1, 24, batch_first=True), nn.Linear(24, 1)

        def forward(self, x: Tensor) -> Tensor:
            found = self.linear(self.lstm(x)[0][:, -1])
            return found.squeeze(1) if fixed else found

    loss = lambda output, target: ((output - target) ** 2).mean()  # noqa: E731
    return Setup(Forecast(), loss, adam(5e-3), *data.parts, r2, batch_size=32, epochs=8)


@faulty("shape-broadcast", also=("loss-output-mismatch", "wrong-loss"), tags=("embedding", "recommender"), tier="real")
def ratings_column_minus_row(seed: int, fixed: bool) -> Setup:
    """Guesses are (n, 1), ratings are (n,): every guess is compared with everybody's rating."""
    torch.manual_seed(seed)

    class Tastes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.people, self.films = nn.Embedding(120, 6), nn.Embedding(90, 6)
            self.mood, self.quality = nn.Embedding(120, 1), nn.Embedding(90, 1)
            for part in self.children():
                nn.init.normal_(part.weight, std=0.1)
            self.mean = nn.Parameter(torch.tensor(3.0))

        def forward(self, x: Tensor) -> Tensor:
            person, film = x.unbind(1)
            alike = (self.people(person) * self.films(film)).sum(1, keepdim=True)
            return alike + self.mood(person) + self.quality(film) + self.mean

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return torch.mean((output - (target.unsqueeze(1) if fixed else target)) ** 2)

    optimizer = adam(1e-2, weight_decay=3e-4)
    return Setup(Tastes(), loss, optimizer, *ratings().parts, r2, batch_size=64, epochs=20)


@faulty("shape-broadcast", also=("loss-output-mismatch", "wrong-loss"), tags=("mlp", "regression"))
def diamonds_absolute_column_minus_row(seed: int, fixed: bool) -> Setup:
    """Prices were squeezed to (n,) when the table was read, the net's answers are (n, 1)."""
    torch.manual_seed(seed)
    data = diamonds().standardised().on_targets(lambda y: y.log().squeeze(1)).standardised_targets()
    data = data.on_targets(lambda y: y.unsqueeze(1)) if fixed else data
    loss = lambda output, target: torch.abs(output - target).mean()  # noqa: E731
    return Setup(dense([4, 64, 32, 1], nn.ReLU), loss, adam(2e-3), *data.parts, r2, batch_size=32, epochs=12)


@faulty("wrong-loss", also=("loss-output-mismatch", "underfitting"), tags=("mlp", "text", "real-data"), tier="real")
def chapters_number_by_squared_error(seed: int, fixed: bool) -> Setup:
    """Eight chapters are learnt as a number of 0 to 7 under squared error, and the answer is rounded."""
    torch.manual_seed(seed)
    data, size = passages()
    model = nn.Sequential(nn.EmbeddingBag(size, 48), nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 8 if fixed else 1))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.cross_entropy(output, target) if fixed else F.mse_loss(output.squeeze(1), target.float())

    def score(output: Tensor, target: Tensor) -> float:
        return accuracy(output, target) if fixed else (output.squeeze(1).round() == target).float().mean().item()

    return Setup(model, loss, adam(3e-3), *data.parts, score, batch_size=32, epochs=10)


@faulty("wrong-loss", also=("loss-output-mismatch", "not-learning", "underfitting"), tags=("mlp", "real-data"))
def clothes_absolute_error_of_shares(seed: int, fixed: bool) -> Setup:
    """`L1Loss` between softmax and one-hot labels: some classes are given up for good."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        if fixed:
            return F.cross_entropy(output, target)
        return F.l1_loss(output.softmax(1), F.one_hot(target, 10).float())

    return Setup(model, loss, sgd(0.05, 0.9), *fashion(1500).parts, accuracy, batch_size=64, epochs=10)


@faulty("wrong-loss", also=("diverged",), tags=("mlp", "binary"), tier="real")
def hastie_minus_twice(seed: int, fixed: bool) -> Setup:
    """`loss = -criterion(output, target)`: the loss has its minus already, and is driven up."""
    torch.manual_seed(seed)
    data = hastie().on_targets(lambda y: y.float().unsqueeze(1))
    criterion = nn.BCEWithLogitsLoss()
    loss = lambda output, target: criterion(output, target) * (1 if fixed else -1)  # noqa: E731
    model = dense([10, 64, 64, 1], nn.ReLU)
    return Setup(model, loss, adam(1e-3), *data.parts, binary_accuracy, batch_size=32, epochs=15)


@faulty("wrong-loss", also=("learning-rate-too-high", "diverged", "exploding-gradient", "dead-units"), tags=("mlp",))
def roll_errors_summed(seed: int, fixed: bool) -> Setup:
    """`MSELoss(reduction="sum")` at a rate for the mean: steps are 64 times as long as meant."""
    torch.manual_seed(seed)
    data = roll().standardised().standardised_targets()
    loss = nn.MSELoss(reduction="mean" if fixed else "sum")
    return Setup(dense([3, 64, 64, 1], nn.ReLU), loss, sgd(0.03, 0.9), *data.parts, r2, batch_size=64, epochs=15)


class _ForgotToActivate(nn.Module):
    """A net that makes its activation in `__init__` and, unless `used`, does not call it."""

    def __init__(self, sizes: tuple[int, int, int], used: bool) -> None:
        super().__init__()
        before, width, after = sizes
        self.fc1, self.fc2, self.fc3 = nn.Linear(before, width), nn.Linear(width, width), nn.Linear(width, after)
        self.relu, self.used = nn.ReLU(), used

    def forward(self, x: Tensor) -> Tensor:
        if self.used:
            return self.fc3(self.relu(self.fc2(self.relu(self.fc1(x)))))
        return self.fc3(self.fc2(self.fc1(x)))


@faulty("missing-nonlinearity", also=("underfitting", "not-learning"), tags=("mlp", "classification"), tier="real")
def checkers_relu_made_but_not_called(seed: int, fixed: bool) -> Setup:
    """`self.relu` is made in `__init__` and `forward` chains three linear layers."""
    torch.manual_seed(seed)
    model, data = _ForgotToActivate((2, 96, 2), fixed), checkers(3)
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=20)


@faulty("missing-nonlinearity", also=("underfitting",), tags=("mlp", "regression"), tier="real")
def roll_three_linear_layers(seed: int, fixed: bool) -> Setup:
    """`nn.Sequential` of three linear layers with nothing between: a linear regression with detours."""
    torch.manual_seed(seed)
    data = roll().standardised().standardised_targets()
    linear = [nn.Linear(3, 64), nn.Linear(64, 64), nn.Linear(64, 1)]
    model = nn.Sequential(linear[0], nn.Tanh(), linear[1], nn.Tanh(), linear[2]) if fixed else nn.Sequential(*linear)
    return Setup(model, nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty("missing-nonlinearity", also=("underfitting", "overfitting"), tags=("cnn", "series"))
def signals_convolutions_without_activation(seed: int, fixed: bool) -> Setup:
    """Three convolutions with strides follow one another without an activation: one linear map of the signal."""
    torch.manual_seed(seed)
    data = waveforms().on_inputs(lambda x: x.unsqueeze(1))
    act = nn.ReLU if fixed else nn.Identity
    model = nn.Sequential(
        nn.Conv1d(1, 16, 5, stride=2, padding=2),
        act(),
        nn.Conv1d(16, 32, 3, stride=2, padding=1),
        act(),
        nn.Conv1d(32, 32, 3, stride=2, padding=1),
        act(),
        nn.Flatten(),
        nn.Linear(128, 5),
    )
    return Setup(model, nn.CrossEntropyLoss(), adam(2e-3), *data.parts, accuracy, batch_size=32, epochs=10)
