"""Tables, windows and tastes whose data or loss are at fault."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, chaos, circuit, cut, hastie, hires, purchases, table, waveforms, weather
from .._scores import accuracy, balanced_accuracy, r2
from .later_dense_faults import adam, net, sgd


def shares(count: int = 1600) -> Split:
    """Six facts of a household and the shares (n, 4) of walking, cycling, driving and trains in its ways."""
    g = torch.Generator().manual_seed(67)
    x = torch.randn(count, 6, generator=g)
    likes = torch.stack([-x[:, 0], x[:, 1] * x[:, 2], 1.5 * x[:, 0] - x[:, 3].abs(), x[:, 4].tanh() + x[:, 5]], 1)
    return cut(x, (1.2 * likes + 0.2 * torch.randn(count, 4, generator=g)).softmax(1))


@faulty("loss-output-mismatch", also=("wrong-loss",), tags=("mlp", "distribution"), tier="real")
def shares_divergence_of_probabilities(seed: int, fixed: bool) -> Setup:
    """`kl_div` wants log-probabilities and is given probabilities: it rewards betting all on the largest share."""
    torch.manual_seed(seed)
    data = shares()
    model = nn.Sequential(net([6, 48, 48, 4], nn.Tanh), nn.LogSoftmax(1) if fixed else nn.Softmax(1))

    def score(output: Tensor, target: Tensor) -> float:
        logs = output if fixed else output.clamp(min=1e-12).log()
        plain = target.mean(0).log().expand_as(target)
        return (1 - F.kl_div(logs, target, reduction="sum") / F.kl_div(plain, target, reduction="sum")).item()

    return Setup(model, nn.KLDivLoss(reduction="batchmean"), adam(5e-3), *data.parts, score, batch_size=32, epochs=14)


class Tastes(nn.Module):
    """By how much a person prefers the first of two goods: (person, good, other) -> (n,)."""

    def __init__(self, size: int, spread: float = 0.1, sizes: tuple[int, int] = (90, 70)) -> None:
        super().__init__()
        self.person, self.good = nn.Embedding(sizes[0], size), nn.Embedding(sizes[1], size)
        for rows in (self.person, self.good):
            nn.init.normal_(rows.weight, std=spread)

    def forward(self, x: Tensor) -> Tensor:
        return (self.person(x[:, 0]) * (self.good(x[:, 1]) - self.good(x[:, 2]))).sum(1)


def preferred(output: Tensor, target: Tensor) -> float:
    """Share of the pairs in which the good that was bought comes first."""
    return (output > 0).float().mean().item()


@faulty("wrong-loss", tags=("embedding", "recommender", "ranking"), tier="real")
def tastes_ranked_the_other_way(seed: int, fixed: bool) -> Setup:
    """The ranking loss lost a sign: -log sigmoid(other - bought), so what nobody wanted is recommended."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return -F.logsigmoid(output if fixed else -output).mean()

    optimizer = adam(1e-2, weight_decay=1e-2)
    return Setup(Tastes(4), loss, optimizer, *purchases().parts, preferred, batch_size=64, epochs=12)


@faulty("shape-broadcast", also=("wrong-loss",), tags=("mlp", "regression", "weighted"), tier="real")
def circuit_weights_of_rows_cancelled(seed: int, fixed: bool) -> Setup:
    """Errors are (n, 1) and weights (n,): their mean is that of (n, n), in which weights no longer tell rows apart."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(71)
    (x, y), (valid_x, valid_y) = circuit().standardised().standardised_targets().parts
    trusted = torch.rand(len(y), 1, generator=g) < 0.4
    read = torch.where(trusted, y, 2 * torch.randn(len(y), 1, generator=g) - 0.4 * y)
    train = (x, torch.cat([read, torch.where(trusted, 1.0, 0.02)], 1))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        weight = target[:, 1:] if fixed else target[:, 1]
        return (weight * (output - target[:, :1]) ** 2).mean()

    return Setup(net([4, 48, 48, 1], nn.GELU), loss, adam(4e-3), train, (valid_x, valid_y), r2, 32, epochs=15)


def by_the_clock(x: Tensor) -> Tensor:
    """Hires' columns with the hour as a place on two circles and a mark for the week's end."""
    turn = 2 * torch.pi / 24 * x[:, :1]
    circles = [turn.sin(), turn.cos(), (2 * turn).sin(), (2 * turn).cos()]
    return torch.cat([*circles, (x[:, 1:2] > 4).float(), (x[:, 2:] - 8) / 8], 1)


@faulty(
    "loss-at-start", also=("bad-initialisation", "exploding-gradient", "diverged"), tags=("mlp", "counts", "poisson")
)
def hires_mean_for_its_logarithm(seed: int, fixed: bool) -> Setup:
    """The bias of a log rate is set to the mean count, not to its logarithm: the first prediction is e to the sixth."""
    torch.manual_seed(seed)
    data = hires().on_inputs(by_the_clock)
    model = net([7, 48, 48, 1], nn.LeakyReLU)
    mean = data.targets.mean()
    nn.init.constant_(model[-1].bias, (mean.log() if fixed else mean).item())
    explained = lambda output, target: r2(output.exp().sqrt(), target.sqrt())  # noqa: E731
    return Setup(model, nn.PoissonNLLLoss(), sgd(5e-3), *data.parts, explained, batch_size=36, epochs=12)


@faulty("unscaled-inputs", also=("saturated-units", "not-learning"), tags=("mlp", "regression", "logarithm"))
def circuit_frequencies_as_they_are(seed: int, fixed: bool) -> Setup:
    """Radians per second up to 1,750 beside henries below 1 go into tanh units; the target is a tame logarithm."""
    torch.manual_seed(seed)
    data = circuit() if not fixed else circuit().standardised()
    data = data.on_targets(lambda y: y.clamp(min=1).log() - 5.7)
    return Setup(net([4, 32, 32, 1], nn.Tanh), nn.MSELoss(), adam(4e-3), *data.parts, r2, batch_size=25, epochs=12)


@faulty("unscaled-inputs", also=("not-learning", "saturated-units"), tags=("mlp", "regression"), tier="real")
def hires_with_a_unix_time(seed: int, fixed: bool) -> Setup:
    """A column of seconds since 1970 stands beside hours and degrees: next to 1.7 billion the others are nothing."""
    torch.manual_seed(seed)
    data = hires().on_targets(torch.log1p)

    def columns(x: Tensor) -> Tensor:
        seconds = 1.7e9 + 3600 * x[:, :1] + 86400 * x[:, 1:2]
        return by_the_clock(x) if fixed else torch.cat([seconds, by_the_clock(x)], 1)

    model = net([7 if fixed else 8, 64, 64, 1], nn.ELU)
    return Setup(model, nn.SmoothL1Loss(), adam(5e-3), *data.on_inputs(columns).parts, r2, batch_size=48, epochs=14)


@faulty("unscaled-targets", also=("learning-rate-too-low", "not-learning"), tags=("mlp", "regression"), tier="real")
def daylight_in_seconds(seed: int, fixed: bool) -> Setup:
    """Length of the day from latitude and date, in seconds: Adam walks towards 43,000 in steps of a thousandth."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(73)
    latitude, day = 120 * torch.rand(1200, generator=g) - 60, 365 * torch.rand(1200, generator=g)
    tilt = (0.4093 * (2 * torch.pi * (day - 81) / 365).sin()).tan()
    seconds = 86400 / torch.pi * (-(latitude.deg2rad().tan() * tilt)).clamp(-1, 1).acos()
    turn = 2 * torch.pi * day / 365
    data = cut(torch.stack([latitude / 35, turn.sin(), turn.cos()], 1), seconds.unsqueeze(1))
    data = data.standardised_targets() if fixed else data
    return Setup(net([3, 32, 32, 1], nn.Mish), nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=16)


@faulty(
    "unscaled-targets", also=("diverged", "exploding-gradient", "learning-rate-too-high"), tags=("mlp", "regression")
)
def circuit_in_ohms(seed: int, fixed: bool) -> Setup:
    """Impedances of up to 1,600 ohms under squared error and SGD: the first step is a hundred times too long."""
    torch.manual_seed(seed)
    data = circuit().standardised()
    data = data.standardised_targets() if fixed else data
    return Setup(net([4, 40, 40, 1], nn.ReLU), nn.MSELoss(), sgd(0.01), *data.parts, r2, batch_size=32, epochs=12)


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "windows", "series"), tier="real")
def windows_of_a_sensor_that_stood_still(seed: int, fixed: bool) -> Setup:
    """Each window is divided by its own deviation, which is zero where the sensor stood still; a floor helps."""
    torch.manual_seed(seed)
    (x, y), valid = chaos().parts
    x = x.clone()
    x[::97] = x[::97, :1]

    def own(windows: Tensor) -> Tensor:
        spread = windows.std(1, keepdim=True)
        scaled = (windows - windows.mean(1, keepdim=True)) / (spread.clamp(min=0.02) if fixed else spread)
        return torch.cat([scaled, windows[:, -1:] - 0.92], 1)

    targets, valid_targets = ((part - 0.92) / 0.24 for part in (y, valid[1]))
    parts = ((own(x), targets), (own(valid[0]), valid_targets))
    return Setup(net([19, 48, 48, 1], nn.ReLU), nn.MSELoss(), adam(2e-3), *parts, r2, batch_size=32, epochs=14)


@faulty(
    "label-range",
    also=("loss-output-mismatch", "unscaled-targets", "diverged"),
    tags=("mlp", "probability"),
    tier="real",
)
def shares_in_percent(seed: int, fixed: bool) -> Setup:
    """Shares of ways come as 0 to 100 and go to binary cross-entropy, whose labels end at 1."""
    torch.manual_seed(seed)
    data = shares() if fixed else shares().on_targets(lambda share: 100 * share)

    def explained(output: Tensor, target: Tensor) -> float:
        return r2(output.sigmoid(), target if fixed else target / 100)

    model = net([6, 40, 24, 4], nn.ReLU)
    return Setup(model, nn.BCEWithLogitsLoss(), adam(5e-3), *data.parts, explained, batch_size=40, epochs=14)


@faulty("class-imbalance", tags=("mlp", "classification", "binary", "rare"))
def shells_few_rows_are_outside(seed: int, fixed: bool) -> Setup:
    """Four rows in a hundred are of the class that matters; without a weight most of them are missed."""
    torch.manual_seed(seed)
    data = hastie(4000, 0.04).on_targets(Tensor.float)
    weight = torch.tensor(20.0 if fixed else 1.0)

    def score(output: Tensor, target: Tensor) -> float:
        return balanced_accuracy(torch.stack([-output, output], 1), target)

    model = nn.Sequential(net([10, 32, 16, 1], nn.GELU), nn.Flatten(0))
    loss = nn.BCEWithLogitsLoss(pos_weight=weight)
    return Setup(model, loss, adam(4e-3, weight_decay=0.1), *data.parts, score, batch_size=64, epochs=14)


@faulty("constant-inputs", also=("not-learning",), tags=("mlp", "regression"), tier="real")
def weather_clipped_to_one(seed: int, fixed: bool) -> Setup:
    """Columns are clipped to 0..1, as fractions once were; Kelvin, percent and hectopascal all become 1."""
    torch.manual_seed(seed)
    data = weather().standardised_targets()
    data = data.standardised() if fixed else data.on_inputs(lambda x: x.clamp(0, 1))
    return Setup(net([4, 32, 32, 1], nn.Softplus), nn.MSELoss(), adam(1e-2), *data.parts, r2, batch_size=30, epochs=10)


@faulty("labels-unrelated", tags=("mlp", "classification", "real-data"), tier="real")
def tumours_in_the_order_of_their_names(seed: int, fixed: bool) -> Setup:
    """Rows were read as 0, 1, 2, ...; labels by sorted file names, 0, 1, 10, 100, ...: hardly one is its row's."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised()
    order = list(range(len(data.targets))) if fixed else sorted(range(len(data.targets)), key=str)
    train = (data.inputs, data.targets[torch.tensor(order)])
    model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Dropout(0.1), nn.Linear(32, 2))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.02), train, data.valid, accuracy, batch_size=16, epochs=14)


@faulty("unshuffled-data", tags=("mlp", "windows", "series", "classification"))
def signals_one_kind_after_another(seed: int, fixed: bool) -> Setup:
    """Windows come from five recordings, a kind of signal each, and are read recording by recording."""
    torch.manual_seed(seed)
    data = waveforms()
    order = data.targets.argsort(stable=True)
    model = net([32, 64, 32, 5], nn.SiLU)
    train = (data.inputs[order], data.targets[order])
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), train, data.valid, accuracy, 20, epochs=12, shuffle=fixed)
