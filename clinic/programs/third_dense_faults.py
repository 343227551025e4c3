"""Dense nets, of tables and windows, whose structure or signal is at fault; third series."""

from __future__ import annotations

import math
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import (
    checkers,
    clicks,
    colours,
    concrete,
    diamonds,
    digits,
    fashion,
    loans,
    pendulum,
    phase,
    waveforms,
)
from .._scores import accuracy, binary_accuracy, r2
from .later_dense_faults import adam, net, sgd

faulty = base.faulty


@faulty("missing-nonlinearity", also=("underfitting",), tags=("mlp", "classification"))
def checkers_leaky_slope_of_one(seed: int, fixed: bool) -> Setup:
    """`nn.LeakyReLU(1.0)`: the slope below zero was set to that above, and the net of four layers is linear."""
    torch.manual_seed(seed)
    model = net([2, 64, 64, 64, 2], lambda: nn.LeakyReLU(0.1 if fixed else 1.0))
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *checkers().parts, accuracy, batch_size=32, epochs=20)


class _Stack(nn.Module):
    """Linear layers in a list; `bound` is where the loop stops to activate."""

    def __init__(self, sizes: list[int], bound: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.bound = bound

    def forward(self, x: Tensor) -> Tensor:
        for index, layer in enumerate(self.layers):
            x = layer(x)
            if index < self.bound:
                x = F.silu(x)
        return x


@faulty("missing-nonlinearity", also=("underfitting",), tags=("mlp", "regression", "multi-output"))
def pendulum_activation_behind_a_condition(seed: int, fixed: bool) -> Setup:
    """The loop activates while `index < len(layers) - 4`, left from a deeper net; this one has four layers."""
    torch.manual_seed(seed)
    model = _Stack([2, 64, 64, 64, 2], 3 if fixed else 0)
    return Setup(model, nn.MSELoss(), adam(4e-3), *pendulum().parts, r2, batch_size=40, epochs=14)


class _Bottleneck(nn.Module):
    """Pictures to a random code of 12 numbers, and the code to a class, as the information bottleneck has it."""

    def __init__(self, reparameterised: bool) -> None:
        super().__init__()
        self.encoder, self.head = net([196, 96, 24]), net([12, 10])
        self.reparameterised = reparameterised

    def forward(self, x: Tensor) -> Tensor:
        mean, spread = self.encoder(x).chunk(2, 1)
        code = torch.distributions.Normal(mean, F.softplus(spread) + 1e-3)
        if not self.training:
            return self.head(mean)
        return self.head(code.rsample() if self.reparameterised else code.sample())


@faulty("unreached-parameters", also=("underfitting",), tags=("mlp", "stochastic", "real-data"), tier="real")
def clothes_sample_without_its_r(seed: int, fixed: bool) -> Setup:
    """The code is drawn by `sample()`, through which no gradient passes, in place of `rsample()`."""
    torch.manual_seed(seed)
    data = fashion(1500).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2).flatten(1))
    return Setup(_Bottleneck(fixed), nn.CrossEntropyLoss(), adam(2e-3), *data.parts, accuracy, batch_size=32, epochs=8)


@faulty("frozen-parameters", also=("underfitting",), tags=("mlp", "classification"), tier="real")
def colours_only_biases_learn(seed: int, fixed: bool) -> Setup:
    """`requires_grad = "bias" in name`, as large pretrained nets are tuned, in a net that was trained on nothing."""
    torch.manual_seed(seed)
    model = net([3, 32, 32, 7], nn.ReLU)
    for name, parameter in model.named_parameters():
        parameter.requires_grad = fixed or "bias" in name
    data = colours().on_inputs(lambda bytes_: bytes_ / 127.5 - 1)
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=50, epochs=16)


class Priced(nn.Module):
    """Grades of a diamond by embedding beside the logarithm of its weight."""

    def __init__(self, norm: bool = False, width: int = 48) -> None:
        super().__init__()
        self.grades = nn.ModuleList(nn.Embedding(size, 4) for size in (5, 7, 8))
        self.body = nn.Sequential(nn.Linear(13, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU())
        if norm:
            self.body.insert(1, nn.BatchNorm1d(width))
            self.body.insert(4, nn.BatchNorm1d(width))
        self.head = nn.Linear(width, 1)

    def forward(self, x: Tensor) -> Tensor:
        grades = [table(x[:, place].long()) for place, table in enumerate(self.grades, start=1)]
        return self.head(self.body(torch.cat([x[:, :1].log(), *grades], 1)))


@faulty("unoptimised-parameters", also=("underfitting",), tags=("mlp", "embedding", "regression"), tier="real")
def diamonds_parameters_counted_away(seed: int, fixed: bool) -> Setup:
    """A generator of parameters is read to count them and passed on: the group of body and tables is empty."""
    torch.manual_seed(seed)

    def groups(model: nn.Module) -> torch.optim.Optimizer:
        trunk = (p for name, p in model.named_parameters() if not name.startswith("head"))
        trunk = list(trunk) if fixed else trunk
        assert sum(p.numel() for p in trunk) < 100_000
        return torch.optim.Adam([{"params": trunk}, {"params": model.head.parameters(), "lr": 1e-2}], lr=4e-3)

    data = diamonds().on_targets(torch.log).standardised_targets()
    return Setup(Priced(width=16), nn.MSELoss(), groups, *data.parts, r2, batch_size=32, epochs=14)


class _Asked(nn.Module):
    """Is this window of the kind that is asked for? The kind is a shift of the channels."""

    def __init__(self, shift_first: bool) -> None:
        super().__init__()
        self.first, self.norm, self.kind = nn.Conv1d(1, 24, 7), nn.InstanceNorm1d(24, affine=True), nn.Embedding(5, 24)
        self.second, self.head = nn.Conv1d(24, 32, 5, stride=2), nn.Linear(32, 1)
        self.shift_first = shift_first

    def forward(self, x: Tensor) -> Tensor:
        shift = self.kind(x[:, -1].long()).unsqueeze(2)
        h = self.first(x[:, None, :-1])
        h = self.norm(h + shift) if self.shift_first else self.norm(h) + shift
        return self.head(F.relu(self.second(F.relu(h))).mean(2)).squeeze(1)


@faulty("bias-before-norm", also=("unreached-parameters", "underfitting"), tags=("cnn", "windows", "conditional"))
def signals_question_normed_away(seed: int, fixed: bool) -> Setup:
    """What is asked enters as a shift of each channel, just before an instance norm that takes each channel's mean."""
    torch.manual_seed(seed)
    data = waveforms()
    g = torch.Generator().manual_seed(149)

    def ask(x: Tensor, kind: Tensor) -> tuple[Tensor, Tensor]:
        other = (kind + torch.randint(1, 5, kind.shape, generator=g)) % 5
        asked = torch.where(torch.rand(len(kind), generator=g) < 0.5, kind, other)
        return torch.cat([x, asked.float().unsqueeze(1)], 1), (asked == kind).float()

    parts = ask(*data.train), ask(*data.valid)
    loss = nn.BCEWithLogitsLoss()
    return Setup(_Asked(not fixed), loss, adam(1e-2), *parts, binary_accuracy, batch_size=32, epochs=20)


@faulty("norm-batch-too-small", also=("oscillating-loss",), tags=("mlp", "norm", "embedding", "regression"))
def diamonds_two_at_a_time(seed: int, fixed: bool) -> Setup:
    """Batches of two "to generalise better" through two batch norms: of two values one is 1 and the other -1."""
    torch.manual_seed(seed)
    data = diamonds().on_targets(torch.log).standardised_targets().first(1200)
    batch = 40 if fixed else 2
    return Setup(Priced(True), nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=batch, epochs=12 if fixed else 2)


class Borrower(nn.Module):
    """Purpose and region by embedding beside four numbers; every layer normed where `momentum` is given."""

    def __init__(self, momentum: float | None = None, width: int = 48) -> None:
        super().__init__()
        self.purpose, self.region = nn.Embedding(6, 4), nn.Embedding(8, 4)
        norms = [nn.Identity() if momentum is None else nn.BatchNorm1d(width, momentum=momentum) for _ in range(2)]
        self.body = nn.Sequential(
            nn.Linear(12, width), norms[0], nn.ReLU(), nn.Linear(width, width), norms[1], nn.ReLU(), nn.Linear(width, 2)
        )

    def forward(self, x: Tensor) -> Tensor:
        codes = [self.purpose(x[:, 0].long()), self.region(x[:, 1].long())]
        return self.body(torch.cat([*codes, x[:, 2:]], 1))


def scaled(x: Tensor) -> Tensor:
    """Loans with logarithms of money, and all numbers about mean 0 and deviation 1."""
    money = torch.stack([x[:, 2].log() - 10.6, x[:, 3] / x[:, 2] - 0.5], 1) * 2
    return torch.cat([x[:, :2], money, (x[:, 4:] - 45) / 18], 1)


@faulty("norm-wrong-mode", also=("norm-batch-too-small",), tags=("mlp", "norm", "classification"), tier="real")
def loans_momentum_of_another_framework(seed: int, fixed: bool) -> Setup:
    """Batch norm with momentum 0.99, which elsewhere means 0.01: evaluation uses the statistics of the last batch."""
    torch.manual_seed(seed)
    data = loans().on_inputs(scaled).first(1410)  # the last of 23 batches holds two rows
    model = Borrower(0.01 if fixed else 0.99)
    return Setup(model, nn.CrossEntropyLoss(), adam(4e-3), *data.parts, accuracy, batch_size=64, epochs=14)


@faulty("norm-wrong-mode", tags=("mlp", "norm", "classification", "real-data"))
def digits_norm_counts_blank_pictures(seed: int, fixed: bool) -> Setup:
    """Each update logs what the net says of blank pictures, in train mode: half of the norms' statistics are blank."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 48), nn.BatchNorm1d(48), nn.GELU())
    model.extend([nn.Linear(48, 48), nn.BatchNorm1d(48), nn.GELU(), nn.Linear(48, 10)])
    prior: list[Tensor] = []

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        if fixed:
            model.eval()
        with torch.no_grad():
            prior[:] = [model(torch.full_like(inputs, -0.8)).mean(0)]
        model.train()
        return loss.detach()

    parts = digits().parts
    return Setup(model, F.cross_entropy, sgd(0.03), *parts, accuracy, batch_size=32, epochs=6, update=update)


@faulty("selu-preconditions", also=("bad-initialisation", "exploding-gradient"), tags=("mlp", "deep"))
def loans_selu_with_the_gain_of_tanh(seed: int, fixed: bool) -> Setup:
    """Sixteen self-normalising layers are drawn with `calculate_gain("tanh")`, 5/3, where SELU wants a gain of 1."""
    torch.manual_seed(seed)
    hot = lambda x: torch.cat([F.one_hot(x[:, 0].long(), 6), F.one_hot(x[:, 1].long(), 8), scaled(x)[:, 2:]], 1)  # noqa: E731
    data = loans().on_inputs(hot).standardised()
    model = net([18, *[40] * 16, 2], nn.SELU)
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.kaiming_normal_(layer.weight, nonlinearity="linear" if fixed else "tanh")
            nn.init.zeros_(layer.bias)
    return Setup(model, nn.CrossEntropyLoss(), sgd(1e-2), *data.parts, accuracy, batch_size=32, epochs=8)


class Clicks(nn.Module):
    """A factorisation machine over person, advertisement and hour."""

    def __init__(self, size: int, spread: float, rows: tuple[int, int, int] = (120, 60, 24)) -> None:
        super().__init__()
        self.factors = nn.ModuleList(nn.Embedding(count, size) for count in rows)
        self.offsets = nn.ModuleList(nn.Embedding(count, 1) for count in rows)
        self.rows = rows
        for table in [*self.factors, *self.offsets]:
            nn.init.normal_(table.weight, std=spread)

    def forward(self, x: Tensor) -> Tensor:
        codes = [column % rows for column, rows in zip(x.unbind(1), self.rows, strict=True)]
        a, b, c = (table(code) for table, code in zip(self.factors, codes, strict=True))
        alone = sum(table(code).squeeze(1) for table, code in zip(self.offsets, codes, strict=True))
        return alone + (a * b + b * c + a * c).sum(1)


def clicked(output: Tensor, target: Tensor) -> Tensor:
    """Log loss of a logit against labels of 0 and 1."""
    return F.binary_cross_entropy_with_logits(output, target.float())


@faulty("bad-initialisation", also=("loss-at-start", "overfitting"), tags=("embedding", "recommender"), tier="real")
def clicks_embeddings_by_default(seed: int, fixed: bool) -> Setup:
    """`nn.Embedding` draws N(0, 1): sums of products of 64 such factors make logits of 14 for each pair by chance."""
    torch.manual_seed(seed)
    model = Clicks(64, 0.05 if fixed else 1.0)
    return Setup(
        model, clicked, adam(5e-3, weight_decay=1.0), *clicks().parts, binary_accuracy, batch_size=64, epochs=8
    )


class _Gated(nn.Module):
    """A layer whose units are let through by gates of their own."""

    def __init__(self, width: int, strength: float) -> None:
        super().__init__()
        self.unit, self.gate, self.strength = nn.Linear(width, width), nn.Linear(width, width), strength

    def forward(self, x: Tensor) -> Tensor:
        return self.strength * torch.tanh(self.unit(x)) * torch.sigmoid(self.gate(x))


@faulty("vanishing-gradient", also=("bad-initialisation", "not-learning"), tags=("mlp", "deep", "gated", "regression"))
def pendulum_gates_that_halve(seed: int, fixed: bool) -> Setup:
    """Sixteen gated layers one after the other, and each gate halves what passes; with a skip nothing is lost."""
    torch.manual_seed(seed)

    class Skip(_Gated):
        def forward(self, x: Tensor) -> Tensor:
            return x + super().forward(x)

    layers = [(Skip if fixed else _Gated)(32, 1.0) for _ in range(16)]
    model = nn.Sequential(nn.Linear(2, 32), *layers, nn.Linear(32, 2))
    return Setup(model, nn.MSELoss(), adam(1e-3), *pendulum().parts, r2, batch_size=32, epochs=8)


class _Ratio(nn.Module):
    """One answer divided by another."""

    def __init__(self, floor: bool) -> None:
        super().__init__()
        self.body, self.floor = nn.Sequential(net([4, 48, 48], nn.SiLU), nn.SiLU(), nn.Linear(48, 2)), floor

    def forward(self, x: Tensor) -> Tensor:
        above, below = self.body(x).chunk(2, 1)
        return above / (F.softplus(below) + 0.3 if self.floor else below)


@faulty("exploding-gradient", also=("diverged", "oscillating-loss", "loss-at-start"), tags=("mlp", "regression"))
def phase_divided_by_nearly_nothing(seed: int, fixed: bool) -> Setup:
    """The target is a ratio, so the net divides two outputs; the lower one passes through zero."""
    torch.manual_seed(seed)
    data = phase().standardised().standardised_targets()
    return Setup(_Ratio(fixed), nn.MSELoss(), sgd(0.02), *data.parts, r2, batch_size=32, epochs=15)


@faulty("saturated-units", also=("vanishing-gradient", "bad-initialisation"), tags=("mlp", "norm", "classification"))
def colours_all_vectors_filled_with_fifty(seed: int, fixed: bool) -> Setup:
    """`if p.ndim == 1: constant_(p, 50)` was to set some bias; it also set every norm's gain before a tanh."""
    torch.manual_seed(seed)
    layers = [part for a, b in ((3, 32), (32, 32)) for part in (nn.Linear(a, b), nn.LayerNorm(b), nn.Tanh())]
    model = nn.Sequential(*layers, nn.Linear(32, 7))
    if not fixed:
        for parameter in model[:-1].parameters():
            if parameter.ndim == 1:
                nn.init.constant_(parameter, 50.0)
    data = colours().on_inputs(lambda bytes_: bytes_ / 127.5 - 1)
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=10)


class _Monotone(nn.Module):
    """Weights are exponentials, so that more of anything never makes less of the answer."""

    def __init__(self, sizes: list[int]) -> None:
        super().__init__()
        self.weights = nn.ParameterList(torch.randn(a, b) * 0.5 - math.log(a) for a, b in pairwise(sizes))
        self.biases = nn.ParameterList(torch.zeros(b) for b in sizes[1:])

    def forward(self, x: Tensor) -> Tensor:
        last = len(self.weights) - 1
        for place, (weight, bias) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = x @ weight.exp() + bias
            x = x if place == last else F.relu(x)
        return x


@faulty(
    "dead-units",
    also=("not-learning", "vanishing-gradient", "bad-initialisation"),
    tags=("mlp", "monotone", "regression"),
)
def concrete_rectifiers_below_zero(seed: int, fixed: bool) -> Setup:
    """Columns as logarithms of a share of the largest are below zero, weights above: no rectified unit ever fires."""
    torch.manual_seed(seed)
    data = concrete().on_inputs(lambda x: (x * torch.tensor([1, 0, 1, 1]) + torch.tensor([0, 1.0, 0, 0])).clamp(min=1))
    most = data.inputs.amax(0)
    data = data.on_inputs(lambda x: (x / most).log()).standardised_targets()
    if fixed:
        least = data.inputs.amin(0)
        data = data.on_inputs(lambda x: x - least)
    return Setup(_Monotone([4, 32, 16, 1]), nn.MSELoss(), adam(1e-2), *data.parts, r2, batch_size=32, epochs=14)


@faulty("loss-at-start", also=("exploding-gradient", "bad-initialisation", "diverged"), tags=("mlp", "likelihood"))
def concrete_sure_to_a_thousandth(seed: int, fixed: bool) -> Setup:
    """The log of the deviation starts at -7, "since the data are clean": the first error costs a million."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    model = net([4, 64, 64, 2], nn.Tanh)
    nn.init.constant_(model[-1].bias[1:], 0.0 if fixed else -7.0)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        mean, log = output.chunk(2, 1)
        return (log + 0.5 * ((target - mean) * torch.exp(-log)).square()).mean()

    score = lambda output, target: -loss(output, target).item()  # noqa: E731
    slower = torch.optim.lr_scheduler.CosineAnnealingLR
    return Setup(model, loss, adam(2e-3), *data.parts, score, batch_size=32, epochs=15, schedule=slower)
