"""Parts that do not learn, norms in the wrong batch or mode, SELU without its conditions; fifth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import digits
from .._scores import accuracy, r2
from .fifth_b_data import activities, cars, drops, peaks, reviews
from .fifth_b_losses import LastState, Sentences
from .fourth_signals import adam, dense, sgd, weights

faulty = partial(base.faulty, half="parted")


class Filters(nn.Module):
    """Convolutions over windows (n, length, 3), their mean, and a linear layer."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv1d(3, width, 5, padding=2), nn.ReLU(), nn.MaxPool1d(2), nn.Conv1d(width, width, 5), nn.ReLU()
        )
        self.head = nn.Linear(width, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x.transpose(1, 2)).mean(2))


@faulty(
    "frozen-parameters", also=("underfitting", "unoptimised-parameters"), tags=("cnn", "classification"), tier="real"
)
def activities_features_frozen_from_the_start(seed: int, fixed: bool) -> Setup:
    """Copied from a fine-tuning script: the features are frozen, but no trained weights were ever loaded."""
    torch.manual_seed(seed)
    model = Filters()
    for param in model.features.parameters():
        param.requires_grad = fixed
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), *activities().parts, accuracy, batch_size=32, epochs=15)


@faulty(
    "frozen-parameters",
    also=("underfitting", "unoptimised-parameters", "not-learning"),
    tags=("recurrent", "gru", "embedding", "text"),
    tier="real",
)
def reviews_all_but_the_head_frozen(seed: int, fixed: bool) -> Setup:
    """Everything but the last layer is frozen, as in the tutorial on transfer, in a net that starts from nothing."""
    torch.manual_seed(seed)
    model = Sentences()
    if not fixed:
        for name, param in model.named_parameters():
            param.requires_grad = name.startswith("fc")
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), *reviews().parts, accuracy, batch_size=32, epochs=10)


@faulty(
    "unoptimised-parameters",
    also=("frozen-parameters", "underfitting"),
    tags=("recurrent", "lstm", "classification"),
    tier="real",
)
def activities_only_the_head_in_the_optimizer(seed: int, fixed: bool) -> Setup:
    """`Adam(model.fc.parameters())`: the LSTM below stays as it was drawn."""
    torch.manual_seed(seed)
    model = LastState(nn.LSTM, 3, 24, 6, mean=True)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam((model if fixed else model.fc).parameters(), lr=1e-2)

    return Setup(
        model, nn.CrossEntropyLoss(), optimizer, *activities().parts, accuracy, batch_size=32, epochs=12, clip=1.0
    )


@faulty("unoptimised-parameters", also=("frozen-parameters", "underfitting"), tags=("mlp", "regression"), tier="real")
def peaks_hidden_layers_in_a_python_list(seed: int, fixed: bool) -> Setup:
    """`self.layers = [...]` is a plain list: `model.parameters()` does not know of the hidden layers."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [nn.Linear(2, 32), nn.Linear(32, 32), nn.Linear(32, 32)]
            self.layers = nn.ModuleList(layers) if fixed else layers
            self.out = nn.Linear(32, 1)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = F.relu(layer(x))
            return self.out(x)

    torch.manual_seed(seed)
    return Setup(Net(), nn.MSELoss(), adam(1e-2), *peaks().parts, r2, batch_size=32, epochs=25)


@faulty(
    "unreached-parameters", also=("underfitting",), tags=("recurrent", "gru", "text", "classification"), tier="real"
)
def reviews_states_of_the_gru_not_used(seed: int, fixed: bool) -> Setup:
    """`states, _ = self.gru(words)`, and then `words` goes on into the head: no word knows of its neighbours."""

    class Net(Sentences):
        def forward(self, x: Tensor) -> Tensor:
            words = self.embedding(x)
            states, _ = self.gru(words)
            return self.fc((states if fixed else words).mean(1))

    torch.manual_seed(seed)
    return Setup(Net(100, 24), nn.CrossEntropyLoss(), adam(3e-3), *reviews().parts, accuracy, batch_size=32, epochs=10)


@faulty("unreached-parameters", also=("frozen-parameters", "underfitting"), tags=("cnn", "regression"), tier="real")
def drops_features_detached_for_a_plot(seed: int, fixed: bool) -> Setup:
    """`.detach()` was put behind the convolutions to plot them and stayed: only the head learns."""

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Conv2d(1, 6, 3, stride=2), nn.ReLU(), nn.Conv2d(6, 6, 3, stride=2), nn.ReLU(), nn.Flatten()
            )
            self.head = nn.Sequential(nn.Linear(96, 16), nn.ReLU(), nn.Linear(16, 1))

        def forward(self, x: Tensor) -> Tensor:
            features = self.body(x)
            return self.head(features if fixed else features.detach())

    torch.manual_seed(seed)
    data = drops()[0].on_targets(lambda y: y.unsqueeze(1))
    return Setup(Net(), nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty("norm-batch-too-small", also=("oscillating-loss", "underfitting"), tags=("mlp", "regression"), tier="real")
def cars_batch_norm_two_at_a_time(seed: int, fixed: bool) -> Setup:
    """`BatchNorm1d` with `batch_size=2`: each of the two cars is made plus or minus one."""
    torch.manual_seed(seed)
    data = cars().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = nn.Sequential(
        nn.Linear(6, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 32),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 1),
    )
    size, epochs = (32, 25) if fixed else (2, 5)
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.first(974).parts, r2, batch_size=size, epochs=epochs)


@faulty(
    "norm-wrong-mode",
    also=("unscaled-inputs", "underfitting", "oscillating-loss"),
    tags=("mlp", "regression"),
    tier="real",
)
def cars_eval_for_train_in_the_loop(seed: int, fixed: bool) -> Setup:
    """The loop says `model.eval()` for `model.train()`: the norms, of which one is over raw columns, norm nothing."""
    torch.manual_seed(seed)
    data = cars().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = nn.Sequential(
        nn.BatchNorm1d(6),
        nn.Linear(6, 48),
        nn.BatchNorm1d(48),
        nn.ReLU(),
        nn.Linear(48, 48),
        nn.BatchNorm1d(48),
        nn.ReLU(),
        nn.Linear(48, 1),
    )

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
        model.train(fixed)
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), y)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(model, nn.MSELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=20, update=update)


@faulty(
    "selu-preconditions",
    also=("bad-initialisation", "vanishing-gradient", "not-learning", "underfitting", "learning-rate-too-low"),
    tags=("mlp", "real-data"),
    tier="real",
)
def digits_twenty_selu_layers_by_default(seed: int, fixed: bool) -> Setup:
    """Twenty layers of SELU with PyTorch's own weights, a third of the variance that SELU asks for."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.flatten(1))
    model = dense([64, *[48] * 20, 10], nn.SELU)
    if fixed:
        weights(model, partial(nn.init.kaiming_normal_, nonlinearity="linear"))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.01), *data.parts, accuracy, batch_size=32, epochs=12)


@faulty(
    "selu-preconditions",
    also=("over-regularised", "underfitting"),
    tags=("mlp", "regression"),
    tier="real",
)
def cars_selu_with_ordinary_dropout(seed: int, fixed: bool) -> Setup:
    """`Dropout(0.3)` before each of seven layers of SELU: mean and variance, which SELU was to keep, are gone."""
    torch.manual_seed(seed)
    data = cars().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    layers: list[nn.Module] = [nn.Linear(6, 64), nn.SELU()]
    for _ in range(7):
        layers += [*([] if fixed else [nn.Dropout(0.3)]), nn.Linear(64, 64), nn.SELU()]
    model = weights(nn.Sequential(*layers, nn.Linear(64, 1)), partial(nn.init.kaiming_normal_, nonlinearity="linear"))
    return Setup(model, nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=20)
