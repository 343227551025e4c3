"""Recurrent nets, transformers, embeddings and autoencoders at wrong rates, scales and starts; fifth series."""

from __future__ import annotations

from functools import partial

import torch
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import fashion_raw, table
from .._scores import accuracy, r2
from .._sequences import ratings
from .fifth_b_data import activities, river, scaled_river
from .fifth_b_losses import LastState
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


class Motion(nn.Module):
    """Four moments of a window are a token; two layers of a transformer, the mean of the tokens, a linear layer."""

    def __init__(self, width: int = 32, dropout: float = 0.1) -> None:
        super().__init__()
        self.token, self.place = nn.Linear(12, width), nn.Parameter(0.1 * torch.randn(8, width))
        layer = nn.TransformerEncoderLayer(width, 4, 64, dropout=dropout, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.fc = nn.Linear(width, 6)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.encoder(self.token(x.reshape(-1, 8, 12)) + self.place).mean(1))


@faulty(
    "unscaled-targets",
    also=("underfitting", "learning-rate-too-low", "loss-at-start", "not-learning"),
    tags=("recurrent", "lstm", "regression", "series"),
    tier="real",
)
def river_lstm_told_centimetres(seed: int, fixed: bool) -> Setup:
    """The inputs are standardised, the level to foretell is left at some 450 cm: states of -1..1 hardly get there."""
    torch.manual_seed(seed)
    data = scaled_river()
    if not fixed:
        data = data._replace(targets=river().targets, valid_targets=river().valid_targets)
    model = LastState(nn.LSTM, 2, 24, 1)
    return Setup(model, nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=15, clip=1.0)


@faulty(
    "unscaled-inputs",
    also=("saturated-units", "not-learning", "vanishing-gradient", "underfitting"),
    tags=("recurrent", "gru", "classification"),
    tier="real",
)
def activities_raw_counts_of_the_sensor(seed: int, fixed: bool) -> Setup:
    """The accelerometer's 16-bit counts of up to 10,000 go into a GRU: its gates are open or shut for good."""
    torch.manual_seed(seed)
    data = activities()
    if not fixed:
        data = data.on_inputs(lambda x: (2048 * x).round())
    model = LastState(nn.GRU, 3, 32, 6, mean=True)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-2), *data.parts, accuracy, batch_size=32, epochs=12, clip=1.0)


@faulty(
    "exploding-gradient",
    also=("diverged", "bad-initialisation", "loss-at-start", "not-learning"),
    tags=("recurrent", "rnn", "regression", "series"),
    tier="real",
)
def river_rectified_rnn_of_wide_weights(seed: int, fixed: bool) -> Setup:
    """`nn.RNN(nonlinearity="relu")` with weights drawn at a deviation of 0.4: thirty steps multiply the state."""
    torch.manual_seed(seed)
    model = LastState(nn.RNN, 2, 40, 1)
    model.recurrent = nn.RNN(2, 40, nonlinearity="relu", batch_first=True)
    if fixed:
        nn.init.eye_(model.recurrent.weight_hh_l0)
        model.recurrent.weight_hh_l0.data.mul_(0.9)
    else:
        nn.init.normal_(model.recurrent.weight_hh_l0, std=0.4)
    return Setup(model, nn.MSELoss(), adam(1e-3), *scaled_river().parts, r2, batch_size=32, epochs=15)


@faulty(
    "learning-rate-too-high",
    also=("not-learning", "oscillating-loss", "dead-units"),
    tags=("transformer", "classification"),
    tier="real",
)
def activities_transformer_at_one_fiftieth(seed: int, fixed: bool) -> Setup:
    """Adam at 0.02 from the first step for a transformer whose norms come after the sums: it says one class."""
    torch.manual_seed(seed)
    optimizer = adam(1e-3 if fixed else 0.02)
    return Setup(Motion(), nn.CrossEntropyLoss(), optimizer, *activities().parts, accuracy, batch_size=32, epochs=12)


@faulty(
    "bad-initialisation",
    also=("saturated-units", "not-learning", "exploding-gradient", "loss-at-start", "vanishing-gradient"),
    tags=("transformer", "classification"),
    tier="real",
)
def activities_transformer_of_unit_normals(seed: int, fixed: bool) -> Setup:
    """Every matrix is drawn by `nn.init.normal_(p)`, of deviation 1: each token stares at a single other one."""
    torch.manual_seed(seed)
    model = Motion()
    for param in model.parameters():
        if param.dim() > 1 and not fixed:
            nn.init.normal_(param)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *activities().parts, accuracy, batch_size=32, epochs=12)


class Taste(nn.Module):
    """The product of a person's vector and a film's, and a mean."""

    def __init__(self, width: int, std: float) -> None:
        super().__init__()
        self.person, self.film = nn.Embedding(120, width), nn.Embedding(90, width)
        nn.init.normal_(self.person.weight, std=std)
        nn.init.normal_(self.film.weight, std=std)
        self.mean = nn.Parameter(torch.tensor(3.2))

    def forward(self, x: Tensor) -> Tensor:
        return self.mean + (self.person(x[:, 0]) * self.film(x[:, 1])).sum(1)


@faulty(
    "loss-at-start",
    also=("bad-initialisation", "overfitting", "underfitting"),
    tags=("embedding", "recommender", "regression"),
    tier="real",
)
def ratings_by_vectors_of_unit_normals(seed: int, fixed: bool) -> Setup:
    """`nn.Embedding` draws unit normals: products of eight of them give ratings of -5 to 11, unseen ones for good."""
    torch.manual_seed(seed)
    model = Taste(8, 0.1 if fixed else 1.0)
    return Setup(model, nn.MSELoss(), adam(1e-2, weight_decay=2e-4), *ratings().parts, r2, batch_size=64, epochs=15)


@faulty(
    "vanishing-gradient",
    also=("saturated-units", "bad-initialisation", "not-learning", "underfitting", "learning-rate-too-low"),
    tags=("autoencoder", "real-data"),
    tier="real",
)
def digits_autoencoder_of_sigmoids(seed: int, fixed: bool) -> Setup:
    """An autoencoder of six sigmoid layers: what comes back to the encoder is too faint, and all digits look alike."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda x: x / 16)
    data = data._replace(targets=data.inputs, valid_targets=data.valid_inputs)
    model = dense([64, 64, 48, 16, 16, 48, 64, 64], nn.ELU if fixed else nn.Sigmoid)
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=20)


@faulty(
    "learning-rate-too-low",
    also=("unsuited-optimizer", "underfitting", "not-learning", "vanishing-gradient"),
    tags=("autoencoder", "real-data"),
    tier="real",
)
def clothes_autoencoder_by_sgd_at_one_thousandth(seed: int, fixed: bool) -> Setup:
    """SGD at 0.001 for an autoencoder with a mean over all pixels: after fifteen epochs it draws one grey shirt."""
    torch.manual_seed(seed)
    data = fashion_raw(1500).columns().on_inputs(lambda x: x / 255)
    data = data._replace(targets=data.inputs, valid_targets=data.valid_inputs)
    model = nn.Sequential(*dense([784, 96, 24, 96, 784], nn.ReLU), nn.Sigmoid())
    return Setup(model, nn.MSELoss(), adam(1e-3) if fixed else sgd(1e-3), *data.parts, r2, batch_size=32, epochs=15)
