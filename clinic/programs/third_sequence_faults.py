"""Third series: recurrent and convolutional nets over series, text and recordings, with one fault each."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim.lr_scheduler import ReduceLROnPlateau

from .. import _base as base
from .._base import Setup
from .._data import Split, chaos, cut, waveforms
from .._scores import accuracy, balanced_accuracy, r2
from .._sequences import letter_names

faulty = base.faulty
Optimizer = torch.optim.Optimizer

MORSE = (".-", "-...", "-.-.", "-..", ".", "--.", "--", "---")


def _adam(rate: float) -> Callable[[nn.Module], Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=rate)


@cache
def _morse(count: int = 1100, length: int = 36) -> Split:
    """Noisy keying of two letters of eight (n, length, 1) and which letters they are, 0 to 7 (n, 2)."""
    g = torch.Generator().manual_seed(227)
    letters, x = torch.randint(0, len(MORSE), (count, 2), generator=g), torch.zeros(count, length, 1)
    for row, word in enumerate(letters.tolist()):
        place = int(torch.randint(0, 6, (1,), generator=g))
        for letter in word:
            for sign in MORSE[letter]:
                held = 1 if sign == "." else 3
                x[row, place : place + held] = 1.0
                place += held + 1
            place += 2
    return cut(x + 0.1 * torch.randn(x.shape, generator=g), letters)


def _read(output: Tensor, letters: Tensor, shift: int = 1) -> float:
    """Share of recordings whose letters all come out, blank being the first class."""
    best, right = output.argmax(-1), 0
    for row, word in zip(best.tolist(), letters.tolist(), strict=True):
        found = [sign - shift for before, sign in zip([0, *row[:-1]], row, strict=True) if sign and sign != before]
        right += found == word
    return right / len(letters)


@cache
def _beats(length: int = 40, count: int = 1800, rare: float = 0.5) -> Split:
    """Made-up heartbeats (n, length): a normal one (0), or one that is wide and without the wave before it (1)."""
    g = torch.Generator().manual_seed(229)
    odd = torch.rand(count, generator=g) < rare
    time, start = torch.linspace(0, 1, length), 0.42 + 0.12 * torch.rand(count, 1, generator=g)
    width = torch.where(odd[:, None], 0.034, 0.022) * (0.8 + 0.4 * torch.rand(count, 1, generator=g))
    early = torch.where(odd[:, None], 0.08, 0.25) * torch.exp(-(((time - start + 0.17) / 0.05) ** 2))
    main = torch.exp(-(((time - start) / width) ** 2)) - 0.3 * torch.exp(-(((time - start - 0.07) / width) ** 2))
    late = 0.35 * torch.exp(-(((time - start - 0.3) / 0.08) ** 2))
    return cut(2 * (early + main + late) + 0.15 * torch.randn(count, length, generator=g), odd.long())


@cache
def _recall(length: int = 40, count: int = 2000, signs: int = 6) -> Split:
    """Signs (n, length) of which the first is to be told at the end (n,); the others are drawn by chance."""
    g = torch.Generator().manual_seed(233)
    x = torch.randint(0, signs, (count, length), generator=g)
    return cut(x, x[:, 0].clone())


@cache
def _returns(length: int = 30, count: int = 1600) -> Split:
    """Made-up daily returns (n, length, 1), calm in one half of the rows and nervous at times in the other (n,)."""
    g = torch.Generator().manual_seed(239)
    nervous = torch.randint(0, 2, (count,), generator=g)
    size = torch.ones(count, length)
    start = torch.randint(0, length - 10, (count, 1), generator=g)
    day = torch.arange(length)
    size[(day >= start) & (day < start + 10) & (nervous[:, None] == 1)] = 2.6
    return cut((size * torch.randn(count, length, generator=g)).unsqueeze(-1), nervous)


class _Operator(nn.Module):
    """Keying to letters by connectionist temporal classification; the blank is the first class."""

    def __init__(self, width: int = 20, *, logarithm: bool = True, letters: int = 8) -> None:
        super().__init__()
        early = (nn.Conv1d(1, 24, 5, padding=2), nn.BatchNorm1d(24), nn.ReLU(), nn.Conv1d(24, 24, 7, padding=3))
        self.front = nn.Sequential(*early, nn.BatchNorm1d(24))
        self.state = nn.GRU(24, width, batch_first=True, bidirectional=True)
        self.head, self.logarithm = nn.Linear(2 * width, letters + 1), logarithm

    def forward(self, x: Tensor) -> Tensor:
        scores = self.head(self.state(F.relu(self.front(x.transpose(1, 2))).transpose(1, 2))[0])
        return scores.log_softmax(-1) if self.logarithm else scores.softmax(-1)


def _ctc(shift: int = 1) -> base.Loss:
    def loss(output: Tensor, letters: Tensor) -> Tensor:
        steps, counts = torch.full((len(output),), output.shape[1]), torch.full((len(output),), letters.shape[1])
        return F.ctc_loss(output.transpose(0, 1), letters + shift, steps, counts)

    return loss


@faulty("loss-output-mismatch", also=("wrong-loss",), tags=("recurrent", "cnn", "ctc"), tier="real")
def morse_probabilities_for_their_logarithms(seed: int, fixed: bool) -> Setup:
    """`ctc_loss` wants logarithms of probabilities, the net ends in a softmax: no letter can be ruled out."""
    torch.manual_seed(seed)
    model = _Operator(logarithm=fixed)
    return Setup(model, _ctc(), _adam(1e-2), *_morse().parts, _read, batch_size=25, epochs=8, clip=5.0)


class _Dots(nn.Module):
    """The same by dilated convolutions alone."""

    def __init__(self, width: int = 48) -> None:
        super().__init__()
        layers: list[nn.Module] = [nn.Conv1d(1, width, 5, padding=2), nn.GELU()]
        for reach in (1, 2, 4):
            layers += [nn.Conv1d(width, width, 5, padding=2 * reach, dilation=reach), nn.BatchNorm1d(width), nn.GELU()]
        self.layers = nn.Sequential(*layers, nn.Conv1d(width, 9, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x.transpose(1, 2)).transpose(1, 2).log_softmax(-1)


@faulty("label-range", also=("wrong-loss", "loss-output-mismatch"), tags=("cnn", "ctc"), tier="real")
def morse_first_letter_is_the_blank(seed: int, fixed: bool) -> Setup:
    """Letters count from 0, and 0 is the class that this loss keeps for "nothing here"."""
    torch.manual_seed(seed)
    shift = int(fixed)
    read = partial(_read, shift=shift)
    return Setup(_Dots(), _ctc(shift), _adam(4e-3), *_morse().parts, read, batch_size=25, epochs=8)


@faulty("shape-broadcast", also=("class-imbalance",), tags=("cnn", "classification", "series"), tier="real")
def beats_weights_in_a_column(seed: int, fixed: bool) -> Setup:
    """Losses (n,) times weights (n, 1) are (n, n): each beat gets everybody's weight."""
    torch.manual_seed(seed)
    data, weights = _beats(rare=0.04).on_inputs(lambda x: x.unsqueeze(1)), torch.tensor([[0.5], [12.0]])

    def loss(scores: Tensor, kind: Tensor) -> Tensor:
        weight = weights[kind]
        return (F.cross_entropy(scores, kind, reduction="none") * (weight[:, 0] if fixed else weight)).mean()

    layers = (nn.Conv1d(1, 8, 7, stride=2), nn.ReLU(), nn.Conv1d(8, 12, 5, stride=2), nn.ReLU())
    model = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(84, 2))
    return Setup(model, loss, _adam(1e-3), *data.parts, balanced_accuracy, batch_size=45, epochs=6)


class _Reader(nn.Module):
    """Embedded signs, a recurrent layer, its last state, a class."""

    def __init__(self, signs: int, classes: int, kind: type[nn.RNNBase] = nn.GRU, width: int = 48) -> None:
        super().__init__()
        self.look, self.state = nn.Embedding(signs, 16), kind(16, width, batch_first=True)
        self.head = nn.Linear(width, classes)

    def forward(self, signs: Tensor) -> Tensor:
        return self.head(self.state(self.look(signs))[0][:, -1])


@faulty("vanishing-gradient", also=("not-learning",), tags=("recurrent", "classification"))
def first_sign_told_after_forty(seed: int, fixed: bool) -> Setup:
    """A plain tanh recurrence is asked for a sign of 45 steps ago, and no gradient comes back that far."""
    torch.manual_seed(seed)
    model = _Reader(6, 6, nn.LSTM if fixed else nn.RNN)
    if fixed:
        nn.init.constant_(model.state.bias_ih_l0[48:96], 5.0)
    return Setup(model, nn.CrossEntropyLoss(), _adam(5e-3), *_recall(45).parts, accuracy, 32, 9, clip=1.0)


def _by_suffix(model: nn.Module, rate: float, *, all_of_them: bool) -> Optimizer:
    named = list(model.named_parameters())
    if all_of_them:
        decayed, rest = [p for _, p in named if p.ndim > 1], [p for _, p in named if p.ndim < 2]
    else:
        decayed = [p for name, p in named if name.endswith(".weight")]
        rest = [p for name, p in named if name.endswith(".bias")]
    return torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": rest, "weight_decay": 0.0}], rate)


@faulty("unoptimised-parameters", also=("underfitting",), tags=("recurrent", "classification"), tier="real")
def signs_groups_by_suffix(seed: int, fixed: bool) -> Setup:
    """Parameters are grouped by `.weight` and `.bias`; those of an LSTM are called `weight_ih_l0`, and in no group."""
    torch.manual_seed(seed)
    data, signs = letter_names()
    return Setup(
        _Flipped(signs, 10),
        nn.CrossEntropyLoss(),
        lambda m: _by_suffix(m, 5e-3, all_of_them=fixed),
        *data.parts,
        accuracy,
        batch_size=25,
        epochs=6,
    )


class _Flipped(_Reader):
    """Two layers of LSTM that read a name from its end, so that padding comes first."""

    def __init__(self, signs: int, classes: int) -> None:
        super().__init__(signs, classes, nn.LSTM)
        self.state = nn.LSTM(16, 48, num_layers=2, batch_first=True)

    def forward(self, signs: Tensor) -> Tensor:
        return super().forward(signs.flip(1))


@faulty("constant-inputs", also=("not-learning",), tags=("recurrent", "classification", "real-data"), tier="real")
def names_padded_in_front_cut_behind(seed: int, fixed: bool) -> Setup:
    """Names are padded in front to 80 signs and then cut to the first 32: what is left is padding."""
    torch.manual_seed(seed)
    data, signs = letter_names(32)
    data = data.on_inputs(lambda x: _right(F.pad(x, (0, 48)))[:, -32:] if fixed else _right(F.pad(x, (0, 48)))[:, :32])
    model = _Reader(signs, 10, nn.GRU, 40)
    return Setup(model, nn.CrossEntropyLoss(), _adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=7)


def _right(x: Tensor) -> Tensor:
    """The same rows with their zeros in front."""
    return x.gather(1, (x != 0).long().argsort(dim=1, stable=True))


class _Wave(nn.Module):
    """A recording in steps of two values through an LSTM, read at its last step."""

    def __init__(self, *, batch_first: bool, classes: int = 5) -> None:
        super().__init__()
        self.state, self.head = nn.LSTM(2, 40, batch_first=batch_first), nn.Linear(40, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.state(x.unflatten(1, (-1, 2)))[0][:, -1])


@faulty("not-learning", also=("labels-unrelated", "underfitting"), tags=("recurrent", "classification"), tier="real")
def signals_without_batch_first(seed: int, fixed: bool) -> Setup:
    """The LSTM was made without `batch_first`: it walks from one recording to the next and sees two values of each."""
    torch.manual_seed(seed)
    model = _Wave(batch_first=fixed)
    return Setup(model, nn.CrossEntropyLoss(), _adam(1e-2), *waveforms().parts, accuracy, batch_size=30, epochs=9)


@faulty("saturated-units", also=("bad-initialisation", "vanishing-gradient"), tags=("recurrent", "regression"))
def chaos_every_gate_told_to_stay_open(seed: int, fixed: bool) -> Setup:
    """ "Start the forget gate's bias high" was done to all four parts of it and much too well: all stand at 1."""
    torch.manual_seed(seed)
    model = _Forecast()
    for name, bias in model.state.named_parameters():
        if "bias" in name:
            nn.init.zeros_(bias)
            nn.init.constant_(bias[32:64] if fixed else bias, 0.5 if fixed else 6.0)
    data = chaos().standardised_targets().on_inputs(lambda x: (x.unsqueeze(-1) - 0.93) / 0.23)
    return Setup(model, nn.MSELoss(), _adam(5e-3), *data.parts, r2, batch_size=30, epochs=6)


class _Forecast(nn.Module):
    """An LSTM of 32 units over a window; the next value from its last state."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.head = nn.LSTM(1, 32, batch_first=True), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.state(x)[0][:, -1])


@cache
def _stopped() -> Split:
    """The same recordings, half of which stop after a while; silence, 0, fills what is left."""

    def stop(x: Tensor) -> Tensor:
        last = 16 + (torch.arange(len(x)) * 7) % 32
        return x.masked_fill(torch.arange(x.shape[1]) >= last[:, None], 0.0)

    return waveforms().on_inputs(stop)


class _Moments(nn.Module):
    """Convolutions over a recording; mean and deviation of each channel in each quarter; a class."""

    def __init__(self, least: float, classes: int = 5) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Conv1d(1, 16, 5), nn.ReLU(), nn.Conv1d(16, 16, 5), nn.ReLU())
        self.head, self.least = nn.Linear(128, classes), least

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x.unsqueeze(1)).unflatten(2, (4, -1))
        spread = (x - x.mean(3, keepdim=True)).square().mean(3)
        return self.head(torch.cat([x.mean(3), (spread + self.least).sqrt()], 1).flatten(1))


@faulty("diverged", also=("non-finite-data", "exploding-gradient"), tags=("cnn", "classification", "series"))
def signals_deviation_of_silence(seed: int, fixed: bool) -> Setup:
    """Deviations over time are pooled; where a recording has ended the root has no slope at 0, and all becomes NaN."""
    torch.manual_seed(seed)
    model = _Moments(1e-5 if fixed else 0.0)
    return Setup(model, nn.CrossEntropyLoss(), _adam(4e-3), *_stopped().parts, accuracy, batch_size=24, epochs=9)


@faulty("oscillating-loss", also=("learning-rate-too-high", "diverged"), tags=("cnn", "regression", "series"))
def chaos_pushed_by_old_gradients(seed: int, fixed: bool) -> Setup:
    """Nesterov momentum of 0.995 at the rate that was found with 0.9: the forecast swings about what it seeks."""
    torch.manual_seed(seed)
    data = chaos(24).standardised_targets().on_inputs(lambda x: (x.unsqueeze(1) - 0.93) / 0.23)
    layers = (nn.Conv1d(1, 16, 5, dilation=2), nn.Tanh(), nn.Conv1d(16, 16, 5, dilation=2), nn.Tanh())
    return Setup(
        nn.Sequential(*layers, nn.Flatten(), nn.Linear(128, 1)),
        nn.MSELoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9 if fixed else 0.995, nesterov=True),
        *data.parts,
        r2,
        batch_size=40,
        epochs=8,
    )


@faulty("learning-rate-too-low", also=("underfitting",), tags=("recurrent", "classification", "real-data"), tier="real")
def names_plateau_of_a_rising_score(seed: int, fixed: bool) -> Setup:
    """`ReduceLROnPlateau` waits for a smaller value and is given accuracy: each gain is taken for a plateau."""
    torch.manual_seed(seed)
    data, signs = letter_names(24)
    made: dict[Optimizer, tuple[ReduceLROnPlateau, list[float]]] = {}

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        if optimizer not in made:
            mode = "max" if fixed else "min"
            made[optimizer] = ReduceLROnPlateau(optimizer, mode, factor=0.2, patience=1), []
        plateau, seen = made[optimizer]
        optimizer.zero_grad()
        output = model(inputs)
        loss = F.cross_entropy(output, targets)
        loss.backward()
        optimizer.step()
        seen.append(accuracy(output, targets))
        if len(seen) == 30:
            plateau.step(sum(seen) / 30)
            seen.clear()
        return loss.detach()

    model = _Turned(signs, 10, nn.GRU, 64)
    return Setup(model, nn.CrossEntropyLoss(), _adam(3e-3), *data.parts, accuracy, 20, 7, update=update)


class _Turned(_Reader):
    """Reads from the end and takes the largest of each state."""

    def forward(self, signs: Tensor) -> Tensor:
        return self.head(self.state(self.look(signs.flip(1)))[0].amax(1))


class _StateSpace(nn.Module):
    """`state = decay * state + W x` along the series, and a linear answer from the mean of all states."""

    def __init__(self, bend: Callable[[Tensor], Tensor], width: int = 24) -> None:
        super().__init__()
        self.into, self.keep = nn.Linear(1, width), nn.Parameter(torch.linspace(-1, 3, width))
        self.mix, self.head, self.bend = nn.Linear(width, width), nn.Linear(width, 2), bend

    def forward(self, x: Tensor) -> Tensor:
        state, total = torch.zeros(len(x), self.keep.numel()), 0.0
        for now in self.bend(self.into(x)).unbind(1):
            state = self.keep.sigmoid() * state + now
            total = total + self.bend(self.mix(state))
        return self.head(total / x.shape[1])


@faulty("missing-nonlinearity", also=("not-learning", "underfitting"), tags=("recurrent", "classification", "series"))
def returns_through_a_linear_memory(seed: int, fixed: bool) -> Setup:
    """A state-space layer is linear in its input, and what should bend its outputs was left at the identity."""
    torch.manual_seed(seed)
    model = _StateSpace(F.silu if fixed else nn.Identity())
    return Setup(model, nn.CrossEntropyLoss(), _adam(1e-2), *_returns().parts, accuracy, batch_size=30, epochs=7)


@faulty("overfitting", tags=("recurrent", "classification", "series"))
def signals_fifty_recordings(seed: int, fixed: bool) -> Setup:
    """A wide GRU sees fifty recordings sixty times over and knows each by its noise; 1,200 were made."""
    torch.manual_seed(seed)
    data = waveforms().on_inputs(lambda x: x.unflatten(1, (-1, 2)))
    model = nn.Sequential(_LastState(2, 64), nn.Linear(64, 5))
    return Setup(
        model,
        nn.CrossEntropyLoss(),
        _adam(4e-3),
        *(data if fixed else data.first(50)).parts,
        accuracy,
        batch_size=30 if fixed else 10,
        epochs=6 if fixed else 60,
    )


class _LastState(nn.Module):
    """A GRU's last state."""

    def __init__(self, columns: int, width: int) -> None:
        super().__init__()
        self.state = nn.GRU(columns, width, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.state(x)[0][:, -1]
