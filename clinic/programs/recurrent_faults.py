"""Recurrent nets that do not learn: series, handwriting read row by row, names, text, sums over time."""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion_raw
from .._scores import accuracy, r2
from .._sequences import (
    adding_problem,
    consumption,
    letter_names,
    scaled_consumption,
    sign_accuracy,
    text_windows,
)


class _Reader(nn.Module):
    """Any recurrent layer, read at its last step."""

    def __init__(self, cell: nn.Module, head: nn.Module) -> None:
        super().__init__()
        self.cell, self.head = cell, head

    def forward(self, x: Tensor) -> Tensor:
        states, _ = self.cell(x)
        return self.head(states[:, -1])


class _NameReader(nn.Module):
    """Signs of a name -> script; the state after the last sign that is not padding."""

    def __init__(self, signs: int, width: int = 48, *, skip_padding: bool = True) -> None:
        super().__init__()
        self.embedding = nn.Embedding(signs, 16, padding_idx=0)
        self.rnn = nn.RNN(16, width, batch_first=True)
        self.out = nn.Linear(width, 10)
        self.skip_padding = skip_padding

    def forward(self, x: Tensor) -> Tensor:
        states, last = self.rnn(self.embedding(x))
        if not self.skip_padding:
            return self.out(last[0])
        ends = (x > 0).sum(1) - 1
        return self.out(states[torch.arange(len(x)), ends])


class _SignModel(nn.Module):
    """A character model of text: logits of the next sign at every position."""

    def __init__(self, signs: int, width: int, cell: type[nn.RNNBase] = nn.GRU, layers: int = 1) -> None:
        super().__init__()
        self.encoder = nn.Embedding(signs, 32)
        self.rnn = cell(32, width, layers, batch_first=True)
        self.decoder = nn.Linear(width, signs)

    def forward(self, x: Tensor) -> Tensor:
        out, _ = self.rnn(self.encoder(x))
        return self.decoder(out)


def next_sign(output: Tensor, target: Tensor) -> Tensor:
    """Cross-entropy averaged over every position."""
    return F.cross_entropy(output.flatten(0, 1), target.flatten())


class _HandMade(nn.Module):
    """A recurrent net written out: h = f(W x + U h), row by row."""

    def __init__(self, f: Callable[[Tensor], Tensor], width: int) -> None:
        super().__init__()
        self.f, self.inward, self.across = f, nn.Linear(4, width), nn.Linear(width, width, bias=False)
        self.readout = nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        h = x.new_zeros(len(x), self.across.in_features)
        for row in x.unbind(1):
            h = self.f(self.inward(row) + self.across(h))
        return self.readout(h)


@faulty("vanishing-gradient", also=("bad-initialisation",), tags=("recurrent", "classification", "real-data"))
def elman_of_sigmoids(seed: int, fixed: bool) -> Setup:
    """A hand-written recurrent net with sigmoid units: after three steps nothing of a gradient is left, of sixteen."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.reshape(-1, 16, 4))
    model = _HandMade(torch.tanh if fixed else torch.sigmoid, 48)
    if fixed:
        nn.init.orthogonal_(model.across.weight)
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        batch_size=64,
        epochs=16,
        clip=1.0,
    )


@faulty(
    "exploding-gradient", also=("bad-initialisation", "diverged"), tags=("recurrent", "classification", "real-data")
)
def irnn_with_wide_normal(seed: int, fixed: bool) -> Setup:
    """A ReLU RNN over the rows of digits whose recurrent matrix is drawn N(0, 0.3), radius 2; the identity
    keeps it at 1.
    """
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.flatten(1).reshape(-1, 16, 4))
    cell = nn.RNN(4, 64, nonlinearity="relu", batch_first=True)
    if fixed:
        nn.init.eye_(cell.weight_hh_l0)
        nn.init.normal_(cell.weight_ih_l0, std=0.1)
        nn.init.zeros_(cell.bias_hh_l0)
    else:
        nn.init.normal_(cell.weight_hh_l0, std=0.3)
    return Setup(
        _Reader(cell, nn.Linear(64, 10)),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        epochs=12,
        clip=1.0 if fixed else None,
    )


@faulty("exploding-gradient", also=("learning-rate-too-high", "diverged"), tags=("recurrent", "lm", "real-data"))
def text_without_clipping(seed: int, fixed: bool) -> Setup:
    """The old recipe for text, SGD at a rate of several units, was copied without the clipping that makes it work."""
    torch.manual_seed(seed)
    data, signs = text_windows(20, 1200)
    return Setup(
        _SignModel(signs, 96, nn.RNN),
        next_sign,
        lambda m: torch.optim.SGD(m.parameters(), lr=4.0),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=24,
        epochs=8,
        clip=0.25 if fixed else None,
    )


@faulty("bad-initialisation", also=("saturated-units", "exploding-gradient"), tags=("recurrent", "lm", "real-data"))
def gru_of_unit_normals(seed: int, fixed: bool) -> Setup:
    """Every matrix of a character GRU drawn N(0, 1) "as in the book": gates stand at 0 or 1; orthogonal and
    Glorot let them move.
    """
    torch.manual_seed(seed)
    data, signs = text_windows(24, 1200)
    model = _SignModel(signs, 96)
    for name, weight in model.rnn.named_parameters():
        if "bias" in name:
            nn.init.zeros_(weight)
        elif not fixed:
            nn.init.normal_(weight)
        else:
            (nn.init.orthogonal_ if "hh" in name else nn.init.xavier_uniform_)(weight)
    return Setup(
        model,
        next_sign,
        lambda m: torch.optim.RMSprop(m.parameters(), lr=3e-3),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=32,
        epochs=8,
        clip=5.0,
    )


class _Carried(nn.Module):
    """A summary GRU over the first half of the day, handed to a second GRU over the rest."""

    def __init__(self, *, cut: bool) -> None:
        super().__init__()
        self.past, self.recent, self.head = (
            nn.GRU(1, 24, batch_first=True),
            nn.GRU(1, 24, batch_first=True),
            nn.Linear(24, 1),
        )
        self.cut = cut

    def forward(self, x: Tensor) -> Tensor:
        _, memory = self.past(x[:, :-4])
        if self.cut:
            memory = memory.detach()
        states, _ = self.recent(x[:, -4:], memory)
        return self.head(states[:, -1])


@faulty("unreached-parameters", tags=("recurrent", "regression"), tier="real")
def state_detached_between_halves(seed: int, fixed: bool) -> Setup:
    """`detach()` meant for batch borders stands between the two halves of one window, so the first GRU never learns."""
    torch.manual_seed(seed)
    data = adding_problem(12)
    model = _Carried(cut=not fixed)
    model.past = nn.GRU(2, 24, batch_first=True)
    model.recent = nn.GRU(2, 24, batch_first=True)
    return Setup(
        model,
        nn.MSELoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=8e-3),
        data.train,
        data.valid,
        r2,
        batch_size=50,
        epochs=20,
    )


class _Reversal(nn.Module):
    """Encoder and decoder: reads eight digits and writes them backwards."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 16)
        self.encoder = nn.LSTM(16, 64, batch_first=True)
        self.decoder = nn.LSTM(64, 64, batch_first=True)
        self.out = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        _, (h, c) = self.encoder(self.embed(x))
        steps = h[0].unsqueeze(1).expand(-1, x.size(1), -1)
        return self.out(self.decoder(steps, (h, c))[0])


@faulty("unoptimised-parameters", tags=("recurrent", "seq2seq"), tier="real")
def decoder_only_in_the_optimizer(seed: int, fixed: bool) -> Setup:
    """A sequence reverser of two LSTMs whose optimizer got `decoder` and `out`, not `encoder` and `embed`."""
    torch.manual_seed(seed)
    x = torch.randint(0, 10, (2400, 5), generator=torch.Generator().manual_seed(1))

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        if fixed:
            return torch.optim.Adam(model.parameters(), lr=0.01)
        return torch.optim.Adam([*model.decoder.parameters(), *model.out.parameters()], lr=0.01)

    return Setup(
        _Reversal(),
        next_sign,
        optimizer,
        (x[:2000], x[:2000].flip(1)),
        (x[2000:], x[2000:].flip(1)),
        sign_accuracy,
        batch_size=64,
        epochs=14,
    )


@faulty("labels-unrelated", tags=("recurrent", "classification", "real-data"), tier="real")
def names_sorted_without_labels(seed: int, fixed: bool) -> Setup:
    """Names were sorted by length to pack them, the labels stayed in the old order."""
    torch.manual_seed(seed)
    data, signs = letter_names()
    x, y = data.train
    order = (x > 0).sum(1).argsort(descending=True)
    return Setup(
        _NameReader(signs),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=4e-3),
        (x[order], y[order] if fixed else y),
        data.valid,
        accuracy,
        batch_size=32,
        epochs=8,
        clip=1.0,
    )


@faulty("vanishing-gradient", also=("not-learning",), tags=("recurrent", "classification", "real-data"), tier="real")
def state_read_behind_the_padding(seed: int, fixed: bool) -> Setup:
    """Names end in up to thirty zeros and the RNN is read after them: the signs' gradients die on the way back."""
    torch.manual_seed(seed)
    data, signs = letter_names(64, 200)
    return Setup(
        _NameReader(signs, 64, skip_padding=fixed),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        data.train,
        data.valid,
        accuracy,
        batch_size=25,
        epochs=12,
        clip=1.0,
    )


@faulty("missing-zero-grad", tags=("recurrent", "regression"))
def forecast_that_piles_gradients(seed: int, fixed: bool) -> Setup:
    """A GRU forecast whose loop never clears the gradients."""
    torch.manual_seed(seed)
    data = scaled_consumption()
    return Setup(
        _Reader(nn.GRU(1, 32, batch_first=True), nn.Linear(32, 1)),
        nn.MSELoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.03, momentum=0.8),
        data.train,
        data.valid,
        r2,
        batch_size=21,
        epochs=10,
        zero_grad=fixed,
    )


class _NormedReader(nn.Module):
    """LSTM over picture rows with a norm between the state and two dense layers."""

    def __init__(self, norm: nn.Module) -> None:
        super().__init__()
        self.lstm = nn.LSTM(28, 32, batch_first=True)
        self.norm, self.dense, self.out = norm, nn.Linear(32, 32), nn.Linear(32, 10)

    def forward(self, x: Tensor) -> Tensor:
        _, (h, _) = self.lstm(x)
        return self.out(torch.relu(self.dense(self.norm(h[-1]))))


@faulty("norm-batch-too-small", tags=("recurrent", "classification", "real-data", "norm"))
def batch_norm_over_two_rows(seed: int, fixed: bool) -> Setup:
    """Batch norm behind an LSTM that trains on two pictures at a time for want of memory; layer norm does not mind."""
    torch.manual_seed(seed)
    data = fashion_raw(900, 500).on_inputs(lambda x: x.squeeze(1)[:, ::2] / 255)
    return Setup(
        _NormedReader(nn.LayerNorm(32) if fixed else nn.BatchNorm1d(32)),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=2,
        epochs=3,
    )


@faulty("unshuffled-data", tags=("recurrent", "classification", "real-data"))
def names_in_the_order_of_scripts(seed: int, fixed: bool) -> Setup:
    """The file lists one script after the other and the loader reads it as it stands."""
    torch.manual_seed(seed)
    data, signs = letter_names(24, 200)
    order = data.targets.argsort(stable=True)
    return Setup(
        _NameReader(signs, 56),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        (data.inputs[order], data.targets[order]),
        data.valid,
        accuracy,
        batch_size=30,
        epochs=8,
        shuffle=fixed,
        clip=1.0,
    )


@faulty("overfitting", tags=("recurrent", "lm", "real-data"))
def large_lstm_on_a_page(seed: int, fixed: bool) -> Setup:
    """A 160-wide LSTM learns a hundred lines by heart; a smaller one, read over all the text a few times,
    predicts better.
    """
    torch.manual_seed(seed)
    data, signs = text_windows(24, 1200)
    model = _SignModel(signs, 64 if fixed else 160, nn.LSTM)
    return Setup(
        model,
        next_sign,
        lambda m: torch.optim.AdamW(m.parameters(), lr=8e-3, weight_decay=0.02),
        data.train if fixed else data.first(100).train,
        data.valid,
        lambda output, target: -next_sign(output, target).item(),
        batch_size=20,
        epochs=6 if fixed else 50,
    )


@faulty("learning-rate-too-high", also=("not-learning", "saturated-units"), tags=("recurrent", "lm", "real-data"))
def character_lstm_at_a_third(seed: int, fixed: bool) -> Setup:
    """A character LSTM under Adam at 0.3 where 0.005 was meant."""
    torch.manual_seed(seed)
    data, signs = text_windows(20, 1500)
    return Setup(
        _SignModel(signs, 80, nn.LSTM),
        next_sign,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2 if fixed else 0.3),
        data.train,
        data.valid,
        sign_accuracy,
        batch_size=40,
        epochs=8,
        clip=1.0,
    )


@faulty(
    "learning-rate-too-low",
    also=("not-learning", "underfitting", "unsuited-optimizer"),
    tags=("recurrent", "regression"),
)
def forecast_at_a_fine_tuning_rate(seed: int, fixed: bool) -> Setup:
    """A GRU forecast trained from scratch at 1e-5, the rate of somebody's fine-tuning recipe."""
    torch.manual_seed(seed)
    data = scaled_consumption(16)
    return Setup(
        _Reader(nn.GRU(1, 24, batch_first=True), nn.Sequential(nn.Linear(24, 12), nn.ELU(), nn.Linear(12, 1))),
        nn.SmoothL1Loss(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=4e-3 if fixed else 1e-5),
        data.train,
        data.valid,
        r2,
        batch_size=30,
        epochs=8,
    )


@faulty("unscaled-targets", also=("unscaled-inputs", "not-learning"), tags=("recurrent", "regression"))
def forecast_in_kilowatts(seed: int, fixed: bool) -> Setup:
    """Windows are standardised but the next hour stays at 30,000 kW: the bias has no time to get there."""
    torch.manual_seed(seed)
    scaled, raw = scaled_consumption(), consumption()
    data = scaled if fixed else raw._replace(inputs=scaled.inputs, valid_inputs=scaled.valid_inputs)
    return Setup(
        _Reader(nn.LSTM(1, 32, batch_first=True), nn.Linear(32, 1)),
        nn.L1Loss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        data.train,
        data.valid,
        r2,
        batch_size=35,
        epochs=10,
    )


class _Bidirectional(nn.Module):
    """Forward and backward GRU over rows, their means concatenated."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(28, 24, batch_first=True, bidirectional=True)
        self.fc = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.fc(self.gru(x)[0].mean(1))


@faulty("constant-inputs", also=("not-learning",), tags=("recurrent", "classification", "real-data"), tier="real")
def bytes_divided_as_integers(seed: int, fixed: bool) -> Setup:
    """`pixels // 256` on bytes makes every picture black before it is turned into floats."""
    torch.manual_seed(seed)
    data = fashion_raw(1200, 400).on_inputs(lambda x: x.squeeze(1)[:, ::2])
    data = data.on_inputs((lambda x: x / 256) if fixed else (lambda x: (x.int() // 256).float()))
    return Setup(
        _Bidirectional(),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=8e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=32,
        epochs=7,
    )


@faulty("over-regularised", also=("underfitting",), tags=("recurrent", "classification", "real-data"))
def dropout_of_nine_tenths(seed: int, fixed: bool) -> Setup:
    """`nn.Dropout(0.9)`, read as "keep 0.9", on the input rows and on the state of a GRU."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.squeeze(1))
    rate = 0.1 if fixed else 0.9
    model = nn.Sequential(
        nn.Dropout(rate), _Reader(nn.GRU(8, 48, batch_first=True), nn.Sequential(nn.Dropout(rate), nn.Linear(48, 10)))
    )
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.NAdam(m.parameters(), lr=4e-3),
        data.train,
        data.valid,
        accuracy,
        batch_size=48,
        epochs=12,
    )


@faulty("oscillating-loss", also=("learning-rate-too-high", "diverged"), tags=("recurrent", "regression"))
def forecast_that_swings(seed: int, fixed: bool) -> Setup:
    """SGD at 0.5 with momentum 0.95 throws a tanh RNN's forecast from side to side; at 0.02 it settles."""
    torch.manual_seed(seed)
    data = scaled_consumption(16)
    return Setup(
        _Reader(nn.RNN(1, 20, batch_first=True), nn.Linear(20, 1)),
        nn.MSELoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02 if fixed else 0.5, momentum=0.95),
        data.train,
        data.valid,
        r2,
        batch_size=35,
        epochs=14,
        clip=1.0,
    )
