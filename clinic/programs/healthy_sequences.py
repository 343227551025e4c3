"""Healthy nets on sequences other than text: rows and strips of digits, sums, series, brackets, pixels in turn."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Pair, Setup, healthy
from .._data import cut, digits
from .._scores import accuracy, binary_accuracy, r2
from .._sequences import adding_problem, scaled_consumption, sign_accuracy


def _next_sign(output: Tensor, target: Tensor) -> Tensor:
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class _Recurrent(nn.Module):
    """Embedding, one recurrent layer, and a head at every step or at the last."""

    def __init__(
        self, signs: int, layer: nn.Module, width: int, outputs: int, *, every_step: bool, size: int = 32
    ) -> None:
        super().__init__()
        self.look, self.layer, self.head = nn.Embedding(signs, size), layer, nn.Linear(width, outputs)
        self.every_step = every_step

    def forward(self, signs: Tensor) -> Tensor:
        hidden, _ = self.layer(self.look(signs))
        return self.head(hidden if self.every_step else hidden[:, -1])


@healthy(tags=("recurrent", "classification", "real-data"))
def digits_row_by_row(seed: int) -> Setup:
    """A bidirectional LSTM reads a digit as eight rows of eight pixels; two layers with dropout between."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda pictures: pictures.squeeze(1))

    class _Rows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.LSTM(8, 32, 2, batch_first=True, bidirectional=True, dropout=0.2)
            self.head = nn.Linear(64, 10)

        def forward(self, rows: Tensor) -> Tensor:
            return self.head(self.layer(rows)[0].mean(1))

    return Setup(
        _Rows(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=6e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=6,
    )


@healthy(tags=("recurrent", "regression"))
def adding_with_gru(seed: int) -> Setup:
    """The adding problem over twelve steps: the loss rests on a plateau for a while before it falls."""
    torch.manual_seed(seed)
    data = adding_problem(length=12, count=2400)

    class _Adder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.GRU(2, 32, batch_first=True), nn.Linear(32, 1)

        def forward(self, steps: Tensor) -> Tensor:
            return self.head(self.layer(steps)[1][0])

    return Setup(
        _Adder(),
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
        data.train,
        data.valid,
        r2,
        batch_size=50,
        epochs=15,
    )


@healthy(tags=("cnn", "regression", "residual", "series"))
def dilated_convolutions(seed: int) -> Setup:
    """Causal convolutions of growing reach forecast the next hour; the noise of the series bounds what is possible."""
    torch.manual_seed(seed)
    data = scaled_consumption(length=32)

    class _Causal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.head = nn.Conv1d(1, 24, 1), nn.Linear(24, 1)
            self.layers = nn.ModuleList(nn.Conv1d(24, 24, 2, dilation=2**level) for level in range(5))

        def forward(self, series: Tensor) -> Tensor:
            hidden = self.stem(series.transpose(1, 2))
            for level, layer in enumerate(self.layers):
                hidden = hidden + F.relu(layer(F.pad(hidden, (2**level, 0))))
            return self.head(hidden[:, :, -1])

    return Setup(
        _Causal(),
        nn.L1Loss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        data.valid,
        r2,
        epochs=8,
    )


def _collapsed(path: list[int]) -> list[int]:
    return [sign for before, sign in zip([0, *path], path, strict=False) if sign and sign != before]


def _whole_words(output: Tensor, target: Tensor) -> float:
    """Share of the words of three that a greedy reading gets whole."""
    read = [_collapsed(path) for path in output.argmax(2).tolist()]
    return sum(found == wanted for found, wanted in zip(read, target.tolist(), strict=True)) / len(target)


def _handwriting(count: int) -> tuple[Pair, Pair]:
    g = torch.Generator().manual_seed(47)
    data = digits().on_inputs(lambda pictures: pictures.squeeze(1).transpose(1, 2))

    def strips(pictures: Tensor, labels: Tensor, count: int) -> Pair:
        chosen = torch.randint(0, len(pictures), (count, 3), generator=g)
        return pictures[chosen].flatten(1, 2), labels[chosen] + 1

    return strips(*data.train, count), strips(*data.valid, 300)


@healthy(tags=("recurrent", "cnn", "alignment", "real-data", "ctc"))
def digits_in_a_strip_with_ctc(seed: int) -> Setup:
    """Three digits in a strip, read column by column under the CTC loss: first a plateau of blanks, then the answer."""
    torch.manual_seed(seed)
    train, valid = _handwriting(1200)

    class _Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.Conv1d(8, 48, 5, padding=2)
            self.layer = nn.GRU(48, 48, batch_first=True, bidirectional=True)
            self.head = nn.Linear(96, 11)

        def forward(self, strip: Tensor) -> Tensor:
            return self.head(self.layer(F.relu(self.look(strip.transpose(1, 2))).transpose(1, 2))[0])

    def aligned(output: Tensor, target: Tensor) -> Tensor:
        steps = torch.full((len(output),), output.shape[1])
        return F.ctc_loss(output.log_softmax(2).transpose(0, 1), target, steps, torch.full((len(output),), 3))

    return Setup(
        _Reader(),
        aligned,
        lambda model: torch.optim.Adam(model.parameters(), lr=7e-3),
        train,
        valid,
        _whole_words,
        epochs=7,
        clip=5.0,
    )


@healthy(tags=("transformer", "seq2seq"))
def sorting_by_attention(seed: int) -> Setup:
    """Eight numbers in any order, sorted ones out, with attention among all places at once."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(53)
    numbers = torch.randint(0, 16, (2400, 8), generator=g)
    data = cut(numbers, numbers.sort(1).values)

    class _Sorter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look, self.place = nn.Embedding(16, 32), nn.Parameter(0.1 * torch.randn(8, 32))
            self.blocks = nn.ModuleList(nn.MultiheadAttention(32, 4, batch_first=True) for _ in range(2))
            self.wide = nn.ModuleList(nn.Sequential(nn.Linear(32, 96), nn.SiLU(), nn.Linear(96, 32)) for _ in range(2))
            self.norms = nn.ModuleList(nn.RMSNorm(32) for _ in range(4))
            self.head = nn.Linear(32, 16)

        def forward(self, numbers: Tensor) -> Tensor:
            hidden = self.look(numbers) + self.place
            for level, (attend, wide) in enumerate(zip(self.blocks, self.wide, strict=True)):
                normed = self.norms[2 * level](hidden)
                hidden = hidden + attend(normed, normed, normed, need_weights=False)[0]
                hidden = hidden + wide(self.norms[2 * level + 1](hidden))
            return self.head(hidden)

    return Setup(
        _Sorter(),
        _next_sign,
        lambda model: torch.optim.Adam(model.parameters(), lr=4e-3),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=48,
        epochs=10,
    )


@healthy(tags=("recurrent", "classification", "tagging", "embedding"))
def depth_of_brackets(seed: int) -> Setup:
    """Every step of a string of brackets is tagged: is the walk above where it began?"""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(59)
    brackets = torch.randint(0, 2, (1600, 20), generator=g)
    data = cut(brackets, ((2 * brackets - 1).cumsum(1) > 0).float().unsqueeze(2))
    return Setup(
        _Recurrent(2, nn.LSTM(8, 32, batch_first=True), 32, 1, every_step=True, size=8),
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.RMSprop(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        binary_accuracy,
        epochs=8,
    )


@healthy(tags=("autoregressive", "mlp", "real-data", "mask"))
def masked_autoregressive_pixels(seed: int) -> Setup:
    """Black-and-white digits, each pixel predicted from those before it through masked weights (MADE)."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda pictures: (pictures.flatten(1) > 0.2).float())

    class _Masked(nn.Linear):
        def __init__(self, mask: Tensor) -> None:
            super().__init__(mask.shape[1], mask.shape[0])
            self.register_buffer("mask", mask.float())
            self.mask: Tensor

        def forward(self, input: Tensor) -> Tensor:
            return F.linear(input, self.weight * self.mask, self.bias)

    order, rank = torch.arange(64), torch.arange(256) % 63
    layers = _Masked(rank[:, None] >= order[None]), nn.ReLU(), _Masked(order[:, None] > rank[None])

    def skill(output: Tensor, target: Tensor) -> float:
        """Share of the entropy of the single pixels that the pixels before explain."""
        alone = data.inputs.mean(0).clamp(1e-3, 1 - 1e-3).logit().expand_as(target)
        best = F.binary_cross_entropy_with_logits
        return (1 - best(output, target) / best(alone, target)).item()

    return Setup(
        nn.Sequential(*layers),
        nn.BCEWithLogitsLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        (data.inputs, data.inputs),
        (data.valid_inputs, data.valid_inputs),
        skill,
        epochs=12,
    )


@healthy(tags=("recurrent", "regression", "series"))
def forecast_six_hours(seed: int) -> Setup:
    """A GRU reads a day and a half of a smooth series and a linear head gives the next six hours at once."""
    torch.manual_seed(seed)
    data = scaled_consumption(length=42, count=1600)
    data = cut(data.inputs[:, :36], data.inputs[:, 36:, 0])

    class _Ahead(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.GRU(1, 32, batch_first=True), nn.Linear(32, 6)

        def forward(self, series: Tensor) -> Tensor:
            return self.head(self.layer(series)[0][:, -1])

    return Setup(
        _Ahead(),
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        r2,
        epochs=7,
    )
