"""Later series: recurrent nets and convolutions over time with one fault each: source code, waves, series, names."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, digits, source_tags, waves
from .._scores import accuracy, balanced_accuracy, r2
from .._sequences import consumption, letter_names, scaled_consumption, sign_accuracy


def _adam(rate: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=rate)


class _Tagger(nn.Module):
    """One class for every sign of a window, by a recurrent layer that reads both ways."""

    def __init__(self, signs: int, width: int, cell: type[nn.RNNBase] = nn.GRU, *, logs: bool = False) -> None:
        super().__init__()
        self.look, self.read = nn.Embedding(signs, 24), cell(24, width, batch_first=True, bidirectional=True)
        self.tag, self.logs = nn.Linear(2 * width, 7), logs

    def forward(self, signs: Tensor) -> Tensor:
        states, _ = self.read(self.look(signs))
        return F.log_softmax(self.tag(states), -1) if self.logs else self.tag(states)


def _each(loss: Callable[[Tensor, Tensor], Tensor]) -> Callable[[Tensor, Tensor], Tensor]:
    return lambda output, target: loss(output.flatten(0, 1), target.flatten())


class _Last(nn.Module):
    """A recurrent layer over (n, time, values) and a head on its last state."""

    def __init__(self, cell: nn.Module, *head: nn.Module) -> None:
        super().__init__()
        self.cell, self.head = cell, nn.Sequential(*head)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.cell(x)[0][:, -1])


@faulty(
    "loss-output-mismatch", also=("diverged", "wrong-loss"), tags=("recurrent", "tagging", "real-data"), tier="real"
)
def likelihood_of_raw_scores(seed: int, fixed: bool) -> Setup:
    """`NLLLoss` takes the linear layer's scores for logarithms of probabilities, so the loss has no floor."""
    torch.manual_seed(seed)
    data, signs = source_tags()
    model = _Tagger(signs, 32, nn.LSTM, logs=fixed)
    return Setup(model, _each(nn.NLLLoss()), _adam(5e-3), *data.parts, sign_accuracy, batch_size=40, epochs=6)


@faulty("underfitting", tags=("recurrent", "tagging", "real-data"))
def one_unit_for_a_language(seed: int, fixed: bool) -> Setup:
    """A recurrent layer of a single unit in each direction is to keep strings, comments and keywords apart."""
    torch.manual_seed(seed)
    data, signs = source_tags(32, 3200)
    model = _Tagger(signs, 32 if fixed else 1)
    return Setup(
        model, _each(nn.CrossEntropyLoss()), _adam(8e-3), *data.parts, sign_accuracy, batch_size=32, epochs=3, clip=1.0
    )


class _Ahead(nn.Module):
    """The next twelve hours, one at a time, from the state after the last day."""

    def __init__(self, width: int = 32, hours: int = 12) -> None:
        super().__init__()
        self.past, self.step = nn.GRU(1, width, batch_first=True), nn.GRUCell(1, width)
        self.out, self.hours = nn.Linear(width, 1), hours

    def forward(self, x: Tensor) -> Tensor:
        said, state = x[:, -1], self.past(x)[1][0]
        hours = []
        for _ in range(self.hours):
            state = self.step(said, state)
            said = self.out(state)
            hours.append(said)
        return torch.stack(hours, 1)


@faulty("shape-broadcast", tags=("recurrent", "regression", "series"), tier="real")
def every_hour_against_every_hour(seed: int, fixed: bool) -> Setup:
    """Forecast (n, 12, 1) less wanted hours (n, 1, 12): each is held against all twelve, and their mean is best."""
    torch.manual_seed(seed)
    series = scaled_consumption(36, 1000)

    def halves(x: Tensor) -> tuple[Tensor, Tensor]:
        wanted = x[:, 24:]
        return x[:, :24], wanted if fixed else wanted.transpose(1, 2)

    (x, y), (rest, wanted) = halves(series.inputs), halves(series.valid_inputs)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (output - target).abs().clamp(max=3.0).mean()

    def score(output: Tensor, target: Tensor) -> float:
        return r2(output.flatten(1), target.flatten(1))

    return Setup(_Ahead(), loss, _adam(6e-3), (x, y), (rest, wanted), score, batch_size=32, epochs=10)


@faulty(
    "unoptimised-parameters", also=("not-learning",), tags=("recurrent", "classification", "real-data"), tier="real"
)
def optimizer_of_another_copy(seed: int, fixed: bool) -> Setup:
    """The model was copied for a fresh start after the optimizer had been built from the first one's parameters."""
    torch.manual_seed(seed)
    names, signs = letter_names(24)

    class _Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.look, self.read = nn.Embedding(signs, 20), nn.LSTM(20, 40, batch_first=True)
            self.out = nn.Linear(40, 10)

        def forward(self, x: Tensor) -> Tensor:
            return self.out(self.read(self.look(x))[0].amax(1))

    first = _Reader()
    model = first if fixed else copy.deepcopy(first)
    optimizer = torch.optim.AdamW(first.parameters(), lr=0.01)
    return Setup(model, nn.CrossEntropyLoss(), lambda _: optimizer, *names.parts, accuracy, batch_size=48, epochs=5)


@faulty("unscaled-inputs", also=("saturated-units",), tags=("recurrent", "regression", "series"))
def day_in_kilowatts(seed: int, fixed: bool) -> Setup:
    """An LSTM is fed hours of 20,000 to 40,000 kilowatts, which shut or open all gates; only targets are scaled."""
    torch.manual_seed(seed)
    raw, scaled = consumption(20), scaled_consumption(20)
    data = scaled if fixed else raw._replace(targets=scaled.targets, valid_targets=scaled.valid_targets)
    model = _Last(nn.LSTM(1, 28, batch_first=True), nn.Linear(28, 14), nn.Tanh(), nn.Linear(14, 1))
    return Setup(model, nn.MSELoss(), _adam(5e-3), *data.parts, r2, batch_size=32, epochs=10)


@faulty("non-finite-data", also=("diverged",), tags=("cnn", "regression", "series"), tier="real")
def gaps_of_a_sensor(seed: int, fixed: bool) -> Setup:
    """A sensor was silent for some hours and the table has NaN there; the windows with a gap were never dropped."""
    torch.manual_seed(seed)
    data = scaled_consumption(28, 1200).on_inputs(lambda x: x.transpose(1, 2))
    gap = torch.rand(data.inputs.shape, generator=torch.Generator().manual_seed(1)) < 0.0005
    x = data.inputs.masked_fill(gap, float("nan"))
    whole = x.isfinite().flatten(1).all(1) if fixed else torch.ones(len(x), dtype=torch.bool)
    model = nn.Sequential(
        nn.Conv1d(1, 16, 5, padding=2),
        nn.GELU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 24, 5, padding=2),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(336, 1),
    )
    return Setup(
        model,
        nn.SmoothL1Loss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.03, momentum=0.9, nesterov=True),
        (x[whole], data.targets[whole]),
        data.valid,
        r2,
        batch_size=24,
        epochs=6,
    )


@faulty("unsuited-optimizer", tags=("recurrent", "classification", "real-data"))
def signs_of_noisy_gradients(seed: int, fixed: bool) -> Setup:
    """Rprop compares the signs of successive gradients, and with batches of eight they say nothing."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda x: x.flatten(1).view(-1, 16, 4))
    kind = torch.optim.RMSprop if fixed else torch.optim.Rprop
    return Setup(
        _Last(nn.GRU(4, 32, batch_first=True), nn.Linear(32, 10)),
        nn.CrossEntropyLoss(),
        lambda m: kind(m.parameters(), lr=4e-3),
        *data.parts,
        accuracy,
        batch_size=8,
        epochs=3,
    )


class _Columns(nn.Module):
    """The columns of a digit one after the other through a tanh cell; every state has a say."""

    def __init__(self) -> None:
        super().__init__()
        self.cell, self.out = nn.RNN(8, 48, batch_first=True), nn.Linear(48 * 8, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.out(self.cell(x.squeeze(1).transpose(1, 2))[0].flatten(1))


@faulty(
    "not-learning", also=("learning-rate-too-low", "underfitting"), tags=("recurrent", "classification", "real-data")
)
def clipped_to_nothing(seed: int, fixed: bool) -> Setup:
    """Gradients are clipped to a norm of 0.0001, read as a fraction by somebody: SGD has nothing to walk with."""
    torch.manual_seed(seed)
    return Setup(
        _Columns(),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1),
        *digits().parts,
        accuracy,
        batch_size=30,
        epochs=12,
        clip=1.0 if fixed else 1e-4,
    )


def _wave_net(outputs: int, width: int = 16) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv1d(1, width, 7, padding=3),
        nn.ReLU(),
        nn.Conv1d(width, width, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv1d(width, 2 * width, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.AdaptiveMaxPool1d(2),
        nn.Flatten(),
        nn.Linear(4 * width, outputs),
    )


@faulty("unshuffled-data", tags=("cnn", "regression", "series"))
def from_slow_to_fast(seed: int, fixed: bool) -> Setup:
    """Windows come in the order of the pitch they are to be given, and the loop keeps that order."""
    torch.manual_seed(seed)
    data = waves(noise=0.2).on_targets(lambda y: (y[:, 1:] - 4) / 1.15)
    order = data.targets[:, 0].argsort()
    data = data._replace(inputs=data.inputs[order], targets=data.targets[order])
    return Setup(_wave_net(1), nn.MSELoss(), _adam(3e-3), *data.parts, r2, batch_size=20, epochs=6, shuffle=fixed)


def _rare_saws(data: Split) -> Split:
    """Keep one saw in eight of the training part, and ask: is it a saw?"""
    kept = (data.targets[:, 0] != 3) | (torch.arange(len(data.targets)) % 8 == 0)
    found = data.on_targets(lambda y: (y[:, 0] == 3).long())
    return found._replace(inputs=data.inputs[kept], targets=found.targets[kept])


@faulty("class-imbalance", tags=("cnn", "classification", "series"))
def one_saw_in_thirty(seed: int, fixed: bool) -> Setup:
    """Faulty waves are a thirtieth of the recording, and an unweighted loss is content when none is ever reported."""
    torch.manual_seed(seed)
    data = _rare_saws(waves(40, 1800, noise=0.5))
    weight = len(data.targets) / (2 * torch.bincount(data.targets)) if fixed else None
    return Setup(
        _wave_net(2, 8),
        nn.CrossEntropyLoss(weight),
        _adam(3e-3),
        *data.parts,
        balanced_accuracy,
        batch_size=32,
        epochs=12,
    )


class _Gated(nn.Module):
    """A convolution whose output is multiplied by a gate of its own."""

    def __init__(self, width: int, *, skip: bool) -> None:
        super().__init__()
        self.both, self.skip = nn.Conv1d(width, 2 * width, 3, padding=1), skip

    def forward(self, x: Tensor) -> Tensor:
        gated = F.glu(self.both(x), 1)
        return x + gated if self.skip else gated


@faulty("vanishing-gradient", also=("bad-initialisation",), tags=("cnn", "deep", "classification", "series"))
def twelve_gates_in_a_row(seed: int, fixed: bool) -> Setup:
    """Twelve gated convolutions without skips: each gate starts half shut and little is left of signal or gradient."""
    torch.manual_seed(seed)
    data = waves(noise=0.15).on_targets(lambda y: y[:, 0].long())
    gates = [_Gated(16, skip=fixed) for _ in range(12)]
    model = nn.Sequential(nn.Conv1d(1, 16, 5, 2), *gates, nn.AdaptiveAvgPool1d(6), nn.Flatten(), nn.Linear(96, 4))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        *data.parts,
        accuracy,
        batch_size=25,
        epochs=10,
    )
