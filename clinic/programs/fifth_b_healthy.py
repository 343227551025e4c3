"""Ordinary recurrent nets, transformers, embeddings and autoencoders that learn well; fifth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import digits, fashion_raw, module_words
from .._scores import accuracy, r2
from .._sequences import ratings
from .fifth_b_data import activities, reviews, scaled_river, subscribers
from .fifth_b_losses import LastState
from .fifth_b_sequences import Motion, Taste
from .fourth_signals import adam, dense

healthy = partial(base.healthy, half="parted")


def adamw(lr: float, weight_decay: float = 0.01) -> object:
    """AdamW over all parameters."""
    return lambda model: torch.optim.AdamW(model.parameters(), lr=lr, weight_decay=weight_decay)


@healthy(tags=("recurrent", "gru", "classification"))
def activities_by_gru(seed: int) -> Setup:
    """A GRU over the windows of an accelerometer, gradients clipped at 1."""
    torch.manual_seed(seed)
    model = LastState(nn.GRU, 3, 40, 6, mean=True)
    return Setup(
        model, nn.CrossEntropyLoss(), adam(1e-2), *activities().parts, accuracy, batch_size=32, epochs=14, clip=1.0
    )


@healthy(tags=("recurrent", "lstm", "regression", "series"))
def river_by_lstm(seed: int) -> Setup:
    """The level of a river in three days by an LSTM, everything standardised."""
    torch.manual_seed(seed)
    model = LastState(nn.LSTM, 2, 32, 1)
    return Setup(model, nn.MSELoss(), adam(3e-3), *scaled_river().parts, r2, batch_size=32, epochs=18, clip=1.0)


class _BothWays(nn.Module):
    """Word vectors, an LSTM in both directions, the mean of its states at words, dropout, a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embedding = nn.Embedding(100, 32, padding_idx=0)
        self.lstm = nn.LSTM(32, 24, batch_first=True, bidirectional=True)
        self.drop, self.fc = nn.Dropout(0.3), nn.Linear(48, 2)

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.lstm(self.embedding(x))
        known = (x > 0).unsqueeze(2)
        return self.fc(self.drop((states * known).sum(1) / known.sum(1)))


@healthy(tags=("recurrent", "lstm", "text", "classification"))
def reviews_by_lstm_both_ways(seed: int) -> Setup:
    """A bidirectional LSTM with dropout says whether a review is praise."""
    torch.manual_seed(seed)
    return Setup(_BothWays(), nn.CrossEntropyLoss(), adam(3e-3), *reviews().parts, accuracy, batch_size=32, epochs=10)


@healthy(tags=("transformer", "classification"))
def activities_by_transformer_with_warm_up(seed: int) -> Setup:
    """Two layers of a transformer over pieces of a window, a rate that climbs for a tenth of the run."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min((step + 1) / (0.1 * updates), (updates - step) / (0.9 * updates))
        )

    return Setup(
        Motion(32, 0.1),
        nn.CrossEntropyLoss(),
        adamw(2e-3),
        *activities().parts,
        accuracy,
        batch_size=32,
        epochs=14,
        schedule=schedule,
        clip=1.0,
    )


class _Attending(nn.Module):
    """Convolutions over a window, learnt weights over its places, and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv1d(3, 24, 5, padding=2), nn.BatchNorm1d(24), nn.ReLU(), nn.Conv1d(24, 32, 5, padding=2), nn.ReLU()
        )
        self.weight, self.fc = nn.Linear(32, 1), nn.Linear(32, 6)

    def forward(self, x: Tensor) -> Tensor:
        states = self.conv(x.transpose(1, 2)).transpose(1, 2)
        return self.fc((self.weight(states).softmax(1) * states).sum(1))


@healthy(tags=("cnn", "attention", "classification"))
def activities_by_convolutions_and_attention(seed: int) -> Setup:
    """Normed convolutions with attention over time."""
    torch.manual_seed(seed)
    return Setup(
        _Attending(), nn.CrossEntropyLoss(), adam(2e-3), *activities().parts, accuracy, batch_size=32, epochs=14
    )


class _Rows(nn.Module):
    """The rows of a digit as eight tokens of a small transformer whose norms come first."""

    def __init__(self) -> None:
        super().__init__()
        self.token, self.place = nn.Linear(8, 32), nn.Parameter(0.02 * torch.randn(8, 32))
        layer = nn.TransformerEncoderLayer(32, 4, 64, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, nn.LayerNorm(32), enable_nested_tensor=False)
        self.fc = nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.encoder(self.token(x.squeeze(1)) + self.place).mean(1))


@healthy(tags=("transformer", "classification", "real-data"))
def digits_by_transformer_over_rows(seed: int) -> Setup:
    """A transformer reads a digit row by row."""
    torch.manual_seed(seed)
    return Setup(_Rows(), nn.CrossEntropyLoss(), adamw(3e-3), *digits().parts, accuracy, batch_size=64, epochs=25)


class _Bag(nn.Module):
    """`EmbeddingBag` and a linear layer, as in the tutorial on news."""

    def __init__(self, size: int) -> None:
        super().__init__()
        self.embedding, self.fc = nn.EmbeddingBag(size, 32, mode="mean"), nn.Linear(32, 6)
        nn.init.uniform_(self.embedding.weight, -0.5, 0.5)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.embedding(x))


@healthy(tags=("embedding", "text", "classification", "real-data"))
def modules_by_a_bag_of_words(seed: int) -> Setup:
    """Which module a passage is of, by the mean of its words' vectors."""
    torch.manual_seed(seed)
    data, size = module_words()
    return Setup(_Bag(size), nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=16, epochs=12)


class _Subscriber(nn.Module):
    """Vectors of plan and region beside the standardised numbers, and a net with dropout."""

    def __init__(self) -> None:
        super().__init__()
        self.plan, self.region = nn.Embedding(4, 3), nn.Embedding(6, 4)
        self.net = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 32), nn.ReLU())
        self.out = nn.Linear(32, 2)

    def forward(self, x: Tensor) -> Tensor:
        kinds, numbers = x[:, :2].long(), (x[:, 2:] - torch.tensor([30.0, 1.8, 42])) / torch.tensor([17.0, 1.3, 26])
        return self.out(self.net(torch.cat([self.plan(kinds[:, 0]), self.region(kinds[:, 1]), numbers], 1)))


@healthy(tags=("embedding", "classification"))
def subscribers_by_plan_region_and_numbers(seed: int) -> Setup:
    """Embedded categories and numbers say who leaves."""
    torch.manual_seed(seed)
    return Setup(
        _Subscriber(), nn.CrossEntropyLoss(), adam(2e-3), *subscribers().parts, accuracy, batch_size=32, epochs=20
    )


@healthy(tags=("embedding", "recommender", "regression"))
def ratings_by_products_of_small_vectors(seed: int) -> Setup:
    """Products of small vectors for people and films, with weight decay."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), lr=1e-2, weight_decay=2e-4)

    return Setup(Taste(6, 0.1), nn.MSELoss(), optimizer, *ratings().parts, r2, batch_size=64, epochs=15)


@healthy(tags=("autoencoder", "cnn", "real-data"))
def digits_by_convolutional_autoencoder(seed: int) -> Setup:
    """Strided convolutions to 16 numbers and transposed ones back, pixels of 0 to 1."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: (6 * x + 4.9) / 16)
    data = data._replace(targets=data.inputs, valid_targets=data.valid_inputs)
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(128, 16),
        nn.Linear(16, 128),
        nn.ReLU(),
        nn.Unflatten(1, (32, 2, 2)),
        nn.ConvTranspose2d(32, 16, 4, stride=2, padding=1),
        nn.ReLU(),
        nn.ConvTranspose2d(16, 1, 4, stride=2, padding=1),
        nn.Sigmoid(),
    )
    return Setup(model, nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=20)


@healthy(tags=("autoencoder", "real-data"))
def clothes_denoised_by_dense_autoencoder(seed: int) -> Setup:
    """Clothes with noise over them in, clothes without it out."""
    torch.manual_seed(seed)
    clean = fashion_raw(1500).columns().on_inputs(lambda x: x / 255)
    noise = torch.Generator().manual_seed(510)
    data = clean.on_inputs(lambda x: x + 0.25 * torch.randn(x.shape, generator=noise))
    data = data._replace(targets=clean.inputs, valid_targets=clean.valid_inputs)
    model = nn.Sequential(*dense([784, 128, 48, 128, 784], nn.ReLU), nn.Sigmoid())
    return Setup(model, nn.BCELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=15)


def both(model: nn.Module, optimizer: torch.optim.Optimizer, x: Tensor, y: Tensor) -> Tensor:
    """One step on the class of a window and on the window itself."""
    optimizer.zero_grad()
    code = model.body(x)
    loss = F.cross_entropy(model.head(code), y) + 0.5 * F.mse_loss(model.back(code), x.flatten(1))
    loss.backward()
    optimizer.step()
    return loss.detach()


class _Twofold(nn.Module):
    """A body with a head for the class and a way back to the window."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Flatten(), nn.Linear(96, 96), nn.ReLU(), nn.Linear(96, 48), nn.ReLU())
        self.head = nn.Linear(48, 6)
        self.back = nn.Sequential(nn.Linear(48, 96), nn.ReLU(), nn.Linear(96, 96))

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.body(x))


@healthy(tags=("mlp", "multi-loss", "classification"))
def activities_named_and_drawn_again(seed: int) -> Setup:
    """Two losses: which activity it is, and what the window looked like."""
    torch.manual_seed(seed)
    return Setup(
        _Twofold(),
        nn.CrossEntropyLoss(),
        adam(2e-3),
        *activities().parts,
        accuracy,
        batch_size=32,
        epochs=20,
        update=both,
    )
