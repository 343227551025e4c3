"""Ordinary nets over texts, series and categories that learn well; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import chaos, clicks, loans, module_words, source_tags, waveforms
from .._scores import accuracy, binary_accuracy, r2
from .._sequences import letter_names, passages, ratings, scaled_consumption, sign_accuracy, text_windows
from .fourth_signals import adam

healthy = partial(base.healthy, half="parted")


def each_sign(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy over all places of (n, length, classes)."""
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class _Recurrent(nn.Module):
    """An embedding, a recurrent layer of either kind, and a linear layer on all of its states or on the largest."""

    def __init__(self, kind: type[nn.RNNBase], size: int, width: int, classes: int, *, both: bool, each: bool) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, 24)
        self.recurrent = kind(24, width, batch_first=True, bidirectional=both)
        self.linear, self.each = nn.Linear(width * (2 if both else 1), classes), each

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.recurrent(self.embedding(x))
        return self.linear(states if self.each else states.amax(1))


@healthy(tags=("recurrent", "lstm", "text", "real-data"))
def names_by_lstm(seed: int) -> Setup:
    """An LSTM over the signs of a name, gradients clipped at 1."""
    torch.manual_seed(seed)
    data, size = letter_names(20)
    model = _Recurrent(nn.LSTM, size, 48, 10, both=False, each=False)
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=7, clip=1.0)


@healthy(tags=("recurrent", "gru", "text", "real-data"))
def language_reference_by_gru(seed: int) -> Setup:
    """The next sign of Python's language reference by a GRU."""
    torch.manual_seed(seed)
    data, size = text_windows(32, 1600)
    model = _Recurrent(nn.GRU, size, 96, size, both=False, each=True)
    return Setup(model, each_sign, adam(5e-3), *data.parts, sign_accuracy, batch_size=32, epochs=6, clip=5.0)


@healthy(tags=("recurrent", "lstm", "tagging", "text", "real-data"))
def source_code_tagged_both_ways(seed: int) -> Setup:
    """A bidirectional LSTM says of every sign what kind of token it is in."""
    torch.manual_seed(seed)
    data, size = source_tags(32, 1600)
    model = _Recurrent(nn.LSTM, size, 48, 7, both=True, each=True)
    return Setup(model, each_sign, adam(1e-2), *data.parts, sign_accuracy, batch_size=32, epochs=10)


class _Forecast(nn.Module):
    """A recurrent layer over a series, and what comes next from its last state."""

    def __init__(self, kind: type[nn.RNNBase], width: int, layers: int = 1) -> None:
        super().__init__()
        self.recurrent, self.head = kind(1, width, layers, batch_first=True), nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.recurrent(x)[0][:, -1])


@healthy(tags=("recurrent", "rnn", "series"))
def hours_by_elman_net(seed: int) -> Setup:
    """A plain recurrent net with tanh forecasts the next hour."""
    torch.manual_seed(seed)
    model, data = _Forecast(nn.RNN, 32), scaled_consumption()
    return Setup(model, nn.MSELoss(), adam(2e-3), *data.parts, r2, batch_size=32, epochs=10, clip=1.0)


@healthy(tags=("recurrent", "lstm", "series"))
def hours_by_two_lstm_layers(seed: int) -> Setup:
    """Two layers of LSTM, with AdamW, on standardised hours."""
    torch.manual_seed(seed)
    model, data = _Forecast(nn.LSTM, 24, 2), scaled_consumption(24, 1000)
    adamw = lambda model: torch.optim.AdamW(model.parameters(), lr=5e-3)  # noqa: E731
    return Setup(model, nn.MSELoss(), adamw, *data.parts, r2, batch_size=32, epochs=9)


@healthy(tags=("recurrent", "gru", "series"))
def chaos_by_gru(seed: int) -> Setup:
    """A GRU forecasts a chaotic series by six steps; the rate falls along a cosine."""
    torch.manual_seed(seed)
    data = chaos()
    mean, std = data.inputs.mean(), data.inputs.std()
    data = data.on_inputs(lambda x: ((x - mean) / std).unsqueeze(2)).standardised_targets()

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)

    model = _Forecast(nn.GRU, 32)
    return Setup(model, nn.MSELoss(), adam(1e-2), *data.parts, r2, batch_size=32, epochs=12, schedule=schedule)


class _Transformer(nn.Module):
    """PyTorch's encoder over what `enter` makes of an example, with learnt places, pooled."""

    def __init__(self, enter: nn.Module, length: int, classes: int, width: int = 48) -> None:
        super().__init__()
        self.enter, self.places = enter, nn.Parameter(0.02 * torch.randn(length, width))
        layer = nn.TransformerEncoderLayer(width, 4, 2 * width, 0.1, "gelu", batch_first=True, norm_first=True)
        self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.norm(self.encoder(self.enter(x) + self.places)).mean(1))


def warm(optimizer: torch.optim.Optimizer, updates: int) -> object:
    """Up over a tenth of the run, then down in a line."""
    part = lambda step: min((step + 1) / (0.1 * updates), 1.0, (updates - step) / (0.9 * updates))  # noqa: E731
    return torch.optim.lr_scheduler.LambdaLR(optimizer, part)


@healthy(tags=("transformer", "text", "classification", "real-data"))
def modules_by_transformer(seed: int) -> Setup:
    """A pre-norm encoder of two layers, pooled, with warm-up and AdamW."""
    torch.manual_seed(seed)
    data, size = module_words()
    adamw = lambda model: torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)  # noqa: E731
    model, loss = _Transformer(nn.Embedding(size, 48), 20, 6), nn.CrossEntropyLoss()
    nn.init.normal_(model.enter.weight, std=0.1)
    return Setup(model, loss, adamw, *data.parts, accuracy, batch_size=32, epochs=5, schedule=warm, clip=1.0)


@healthy(tags=("transformer", "series", "classification"))
def signals_by_transformer_of_pieces(seed: int) -> Setup:
    """A signal is cut into pieces of four samples, each a token of a small transformer."""
    torch.manual_seed(seed)
    data = waveforms()
    pieces = nn.Sequential(nn.Unflatten(1, (8, 4)), nn.Linear(4, 48))
    adamw = lambda model: torch.optim.AdamW(model.parameters(), lr=3e-3, weight_decay=0.01)  # noqa: E731
    model, loss = _Transformer(pieces, 8, 5), nn.CrossEntropyLoss(label_smoothing=0.05)
    return Setup(model, loss, adamw, *data.parts, accuracy, batch_size=32, epochs=10, schedule=warm, clip=1.0)


@healthy(tags=("embedding", "text", "real-data"))
def chapters_by_their_words(seed: int) -> Setup:
    """A bag of words with dropout before the last layer."""
    torch.manual_seed(seed)
    data, size = passages()
    model = nn.Sequential(nn.EmbeddingBag(size, 48), nn.Dropout(0.3), nn.Linear(48, 8))
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=10)


class _TextCnn(nn.Module):
    """Convolutions of three widths over signs, each with the largest answer of all places (Kim, 2014)."""

    def __init__(self, size: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(size, 24)
        self.convolutions = nn.ModuleList(nn.Conv1d(24, 24, reach, padding=1) for reach in (2, 3, 4))
        self.dropout, self.fc = nn.Dropout(0.3), nn.Linear(72, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embedding(x).transpose(1, 2)
        found = [F.relu(conv(x)).amax(2) for conv in self.convolutions]
        return self.fc(self.dropout(torch.cat(found, 1)))


@healthy(tags=("cnn", "embedding", "text", "real-data"))
def names_by_convolutions_of_three_widths(seed: int) -> Setup:
    """The usual convolutional net for texts, over the signs of names."""
    torch.manual_seed(seed)
    data, size = letter_names(28)
    loss = nn.CrossEntropyLoss()
    return Setup(_TextCnn(size, 10), loss, adam(3e-3), *data.parts, accuracy, batch_size=32, epochs=8)


class _Factors(nn.Module):
    """Products of tastes, and biases of people and films."""

    def __init__(self, rank: int) -> None:
        super().__init__()
        self.person, self.film = nn.Embedding(120, rank), nn.Embedding(90, rank)
        self.person_bias, self.film_bias = nn.Embedding(120, 1), nn.Embedding(90, 1)
        for part in self.children():
            nn.init.normal_(part.weight, std=0.1)
        self.mean = nn.Parameter(torch.tensor(3.0))

    def forward(self, x: Tensor) -> Tensor:
        person, film = x.unbind(1)
        biases = (self.person_bias(person) + self.film_bias(film)).squeeze(1)
        return (self.person(person) * self.film(film)).sum(1) + biases + self.mean


@healthy(tags=("embedding", "recommender"))
def ratings_by_factors_and_biases(seed: int) -> Setup:
    """Matrix factorisation under Adam with a little decay."""
    torch.manual_seed(seed)
    optimizer = adam(1e-2, weight_decay=3e-4)
    return Setup(_Factors(5), nn.MSELoss(), optimizer, *ratings().parts, r2, batch_size=64, epochs=16)


class _Categories(nn.Module):
    """A vector for every category beside numbers, and dense layers over them."""

    def __init__(self, sizes: tuple[int, ...], each: int, numbers: int) -> None:
        super().__init__()
        self.vectors = nn.ModuleList(nn.Embedding(size, each) for size in sizes)
        self.layers = nn.Sequential(
            nn.Linear(each * len(sizes) + numbers, 64), nn.ReLU(), nn.Dropout(0.1), nn.Linear(64, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        known = len(self.vectors)
        found = [vector(x[:, place].long()) for place, vector in enumerate(self.vectors)]
        return self.layers(torch.cat([*found, x[:, known:].float()], 1))


@healthy(tags=("embedding", "mlp", "binary"))
def loans_by_categories_and_numbers(seed: int) -> Setup:
    """Vectors for purpose and region, standardised numbers; one late loan in three, which is no matter."""
    torch.manual_seed(seed)
    data = loans().on_targets(lambda y: y.float().unsqueeze(1))
    mean, std = data.inputs.mean(0), data.inputs.std(0)
    data = data.on_inputs(lambda x: torch.cat([x[:, :2], ((x - mean) / std)[:, 2:]], 1))
    model, loss = _Categories((6, 8), 4, 4), nn.BCEWithLogitsLoss()
    return Setup(model, loss, adam(3e-3), *data.parts, binary_accuracy, batch_size=32, epochs=12)


@healthy(tags=("embedding", "mlp", "recommender", "binary"))
def clicks_by_factors_and_hours(seed: int) -> Setup:
    """Products of people's and advertisements' vectors, and a vector for the hour."""
    torch.manual_seed(seed)

    class Clicked(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.person, self.ad, self.hour = nn.Embedding(120, 4), nn.Embedding(60, 4), nn.Embedding(24, 1)
            self.bias = nn.Embedding(60, 1)
            for part in self.children():
                nn.init.normal_(part.weight, std=0.2)

        def forward(self, x: Tensor) -> Tensor:
            person, ad, hour = x.unbind(1)
            return (self.person(person) * self.ad(ad)).sum(1, keepdim=True) + self.bias(ad) + self.hour(hour)

    data, optimizer = clicks().on_targets(lambda y: y.float().unsqueeze(1)), adam(1e-2, weight_decay=3e-4)
    loss = nn.BCEWithLogitsLoss()
    return Setup(Clicked(), loss, optimizer, *data.parts, binary_accuracy, batch_size=64, epochs=10)
