"""Losses that do not fit the output, shapes that broadcast, labels out of range, activations left out; fifth series."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._scores import accuracy, binary_accuracy, r2
from .fifth_b_data import activities, cars, circles, drops, films, micro_f1, peaks, reviews, scaled_river, subscribers
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


class LastState(nn.Module):
    """A recurrent layer over windows and a linear layer on its last state, or on the mean of all."""

    def __init__(self, kind: type[nn.RNNBase], columns: int, width: int, outputs: int, mean: bool = False) -> None:
        super().__init__()
        self.recurrent = kind(columns, width, batch_first=True)
        self.fc, self.mean = nn.Linear(width, outputs), mean

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.recurrent(x)
        return self.fc(states.mean(1) if self.mean else states[:, -1])


class Sentences(nn.Module):
    """Word vectors, a GRU, the largest of its states, and a linear layer."""

    def __init__(self, size: int = 100, width: int = 16, outputs: int = 2) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, width, padding_idx=0)
        self.gru = nn.GRU(width, 24, batch_first=True)
        self.end: nn.Module = nn.Identity()
        self.fc = nn.Linear(24, outputs)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.gru(self.embedding(x))
        return self.end(self.fc(states.amax(1)))


@faulty(
    "loss-output-mismatch",
    also=("wrong-loss", "underfitting", "not-learning"),
    tags=("cnn", "classification"),
    tier="real",
)
def activities_softmax_before_cross_entropy(seed: int, fixed: bool) -> Setup:
    """The net ends in a softmax and `CrossEntropyLoss` takes another: the loss cannot fall below 1.04."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Unflatten(1, (1, -1)),
        nn.Conv2d(1, 16, (5, 3), stride=(2, 1)),
        nn.ReLU(),
        nn.Conv2d(16, 16, (5, 1), stride=(2, 1)),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(80, 32),
        nn.ReLU(),
        nn.Linear(32, 6),
    )
    if not fixed:
        model.append(nn.Softmax(dim=1))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.01, 0.9), *activities().parts, accuracy, batch_size=32, epochs=15)


@faulty(
    "loss-output-mismatch",
    also=("wrong-loss", "not-learning", "underfitting"),
    tags=("recurrent", "gru", "text", "binary"),
    tier="real",
)
def reviews_sigmoid_then_bce_with_logits(seed: int, fixed: bool) -> Setup:
    """A sigmoid at the end of the net and `BCEWithLogitsLoss` behind: no probability can be below one half."""
    torch.manual_seed(seed)
    data = reviews().on_targets(lambda y: y.float().unsqueeze(1))
    model = Sentences(outputs=1)
    if not fixed:
        model.end = nn.Sigmoid()
    return Setup(model, nn.BCEWithLogitsLoss(), adam(3e-3), *data.parts, binary_accuracy, batch_size=32, epochs=10)


@faulty(
    "wrong-loss",
    also=("loss-output-mismatch", "not-learning", "underfitting", "unscaled-targets"),
    tags=("mlp", "multi-label", "text"),
    tier="real",
)
def films_cross_entropy_for_several_genres(seed: int, fixed: bool) -> Setup:
    """A film may be of several genres, yet `CrossEntropyLoss` is given: the logits compete for one sum."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(80, 64), nn.ReLU(), nn.Linear(64, 6))
    loss = nn.BCEWithLogitsLoss() if fixed else nn.CrossEntropyLoss()
    return Setup(model, loss, adam(1e-3), *films().parts, micro_f1, batch_size=32, epochs=20)


@faulty(
    "wrong-loss",
    also=("diverged", "learning-rate-too-high", "exploding-gradient", "oscillating-loss", "dead-units", "not-learning"),
    tags=("mlp", "regression", "series"),
    tier="real",
)
def river_errors_summed_under_sgd(seed: int, fixed: bool) -> Setup:
    """`MSELoss(reduction="sum")` in batches of 64 with the rate for a mean: every step is 64 times too long."""
    torch.manual_seed(seed)
    data = scaled_river().on_inputs(lambda x: x.flatten(1))
    loss = nn.MSELoss(reduction="mean" if fixed else "sum")
    model = dense([60, 64, 32, 1], nn.ReLU)
    return Setup(model, loss, sgd(0.02, 0.9), *data.parts, r2, batch_size=64, epochs=30)


@faulty("shape-broadcast", also=("not-learning", "underfitting"), tags=("mlp", "regression"), tier="real")
def cars_column_of_outputs_row_of_targets(seed: int, fixed: bool) -> Setup:
    """Outputs are (n, 1) and targets (n,): `MSELoss` compares every car with all others, and the mean is learnt."""
    torch.manual_seed(seed)
    data = cars().standardised().standardised_targets()
    if fixed:
        data = data.on_targets(lambda y: y.view(-1, 1))
    model = dense([6, 64, 64, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=20)


@faulty("shape-broadcast", also=("not-learning", "underfitting"), tags=("cnn", "regression"), tier="real")
def drops_counted_column_against_row(seed: int, fixed: bool) -> Setup:
    """A net that counts returns (n, 1), the counts are (n,), and `SmoothL1Loss` broadcasts them to a square."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Conv2d(8, 16, 3, padding=1),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(16 * 25, 32),
        nn.ReLU(),
        nn.Linear(32, 1),
    )
    if fixed:
        model.append(nn.Flatten(0))
    return Setup(model, nn.SmoothL1Loss(), adam(2e-3), *drops()[0].parts, r2, batch_size=32, epochs=15)


@faulty("missing-nonlinearity", also=("underfitting", "not-learning"), tags=("mlp", "classification"), tier="real")
def circles_three_linear_layers(seed: int, fixed: bool) -> Setup:
    """Three linear layers one after another: a straight line through two rings."""
    torch.manual_seed(seed)
    layers: list[nn.Module] = [nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 2)]
    if not fixed:
        layers = layers[::2]
    model = nn.Sequential(*layers)
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.05, 0.9), *circles().parts, accuracy, batch_size=32, epochs=20)


@faulty("missing-nonlinearity", also=("underfitting", "not-learning"), tags=("mlp", "regression"), tier="real")
def peaks_activations_forgotten_in_forward(seed: int, fixed: bool) -> Setup:
    """`self.act` is made and `forward` runs through the layers without it."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.fc1, self.fc2, self.fc3, self.out = (nn.Linear(*s) for s in ((2, 64), (64, 64), (64, 64), (64, 1)))
            self.act, self.drop = nn.SiLU(), nn.Dropout(0.0)

        def forward(self, x: Tensor) -> Tensor:
            for layer in (self.fc1, self.fc2, self.fc3):
                x = self.drop(self.act(layer(x)) if fixed else layer(x))
            return self.out(x)

    torch.manual_seed(seed)
    return Setup(Net(), nn.MSELoss(), adam(3e-3), *peaks().parts, r2, batch_size=32, epochs=20)


@faulty("label-range", also=("wrong-loss", "diverged", "loss-output-mismatch"), tags=("mlp", "binary"), tier="real")
def subscribers_minus_one_for_those_who_stay(seed: int, fixed: bool) -> Setup:
    """Labels -1 and 1, as for a support vector machine, in `BCEWithLogitsLoss`: the loss has no lower end."""
    torch.manual_seed(seed)
    data = subscribers().standardised().on_targets(lambda y: (y if fixed else 2 * y - 1).float().unsqueeze(1))
    model = dense([5, 64, 32, 1], nn.ReLU)
    return Setup(model, nn.BCEWithLogitsLoss(), adam(2e-3), *data.parts, binary_accuracy, batch_size=32, epochs=20)


@faulty(
    "label-range",
    also=("wrong-loss", "not-learning", "diverged", "loss-output-mismatch"),
    tags=("recurrent", "gru", "text", "binary"),
    tier="real",
)
def reviews_numbered_one_and_two(seed: int, fixed: bool) -> Setup:
    """Reviews are labelled 1 (bad) and 2 (good), as in the file, and go so into `BCEWithLogitsLoss`."""
    torch.manual_seed(seed)
    data = reviews().on_targets(lambda y: (y if fixed else y + 1).float().unsqueeze(1))

    def right(output: Tensor, y: Tensor) -> float:
        return binary_accuracy(output, y if fixed else y - 1)

    return Setup(
        Sentences(width=24, outputs=1), nn.BCEWithLogitsLoss(), adam(3e-3), *data.parts, right, batch_size=32, epochs=8
    )
