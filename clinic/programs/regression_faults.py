"""Curves, tables, prices, counts, quantiles and spreads; several outputs and several losses."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, cut, friedman, houses, table
from .._scores import r2


def _net(sizes: list[int], act: Callable[[], nn.Module] = nn.ReLU, *rest: nn.Module) -> nn.Sequential:
    layers: list[nn.Module] = []
    for place, size in enumerate(sizes[1:]):
        layers += [nn.Linear(sizes[place], size), act()]
    return nn.Sequential(*layers[:-1], *rest)


def _adam(lr: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    return lambda model: torch.optim.Adam(model.parameters(), lr=lr)


def _column(data: Split) -> Split:
    return data.on_targets(lambda y: y.unsqueeze(1))


def _curve(count: int = 900, waves: float = 2.0, noise: float = 0.1) -> Split:
    """A wave with a growing spread: x in -1..1 (n, 1), y (n, 1)."""
    g = torch.Generator().manual_seed(31)
    x = 2 * torch.rand(count, 1, generator=g) - 1
    spread = noise * (1.2 + x)
    return cut(x, torch.sin(waves * math.pi * x) + 0.5 * x + spread * torch.randn(count, 1, generator=g))


@faulty("shape-broadcast", tags=("mlp", "regression"), tier="real")
def column_against_row(seed: int, fixed: bool) -> Setup:
    """`(n, 1) - (n,)` is (n, n): the net learns the mean of all targets, and torch only warns."""
    torch.manual_seed(seed)
    data = friedman(1200).on_targets(lambda y: (y - 14) / 5)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return torch.mean((output - (target.view(-1, 1) if fixed else target)) ** 2)

    return Setup(_net([10, 48, 48, 1]), loss, _adam(4e-3), data.train, data.valid, r2, batch_size=32, epochs=14)


class _Priced(nn.Module):
    """A house's price, in the money's own unit; `mean` and `scale` turn the net's output back."""

    def __init__(self, mean: float = 0.0, scale: float = 1.0) -> None:
        super().__init__()
        self.body = _net([6, 40, 40, 1], nn.ReLU)
        self.mean, self.scale = mean, scale

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x) * self.scale + self.mean


@faulty("unscaled-targets", also=("learning-rate-too-low", "not-learning"), tags=("mlp", "regression"), tier="real")
def prices_in_money(seed: int, fixed: bool) -> Setup:
    """Prices of 300,000 under absolute error and Adam at 0.001: each step moves the prediction by cents."""
    torch.manual_seed(seed)
    data = _column(houses().standardised())
    if fixed:
        data = data.standardised_targets()
    return Setup(_Priced(), nn.L1Loss(), _adam(3e-3), data.train, data.valid, r2, batch_size=32, epochs=16)


@faulty(
    "unscaled-inputs",
    also=("exploding-gradient", "diverged", "not-learning"),
    tags=("mlp", "classification", "real-data"),
)
def wine_in_its_own_units(seed: int, fixed: bool) -> Setup:
    """Proline of 1,000 beside a hue of 1 in a net with SGD: the first layer's step follows one column."""
    torch.manual_seed(seed)
    data = table("wine").standardised() if fixed else table("wine")

    def score(output: Tensor, target: Tensor) -> float:
        return (output.argmax(1) == target).float().mean().item()

    return Setup(
        _net([13, 24, 16, 3], nn.LeakyReLU),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        data.train,
        data.valid,
        score,
        batch_size=12,
        epochs=20,
    )


@faulty("loss-output-mismatch", also=("saturated-units", "unscaled-targets"), tags=("mlp", "regression"), tier="real")
def tanh_for_unbounded_targets(seed: int, fixed: bool) -> Setup:
    """A net copied from a game agent ends in tanh, and its targets run from 0 to 28."""
    torch.manual_seed(seed)
    data = _column(friedman(1000))
    model = _net([10, 32, 32, 1], nn.SiLU, *([] if fixed else [nn.Tanh()]))
    return Setup(model, nn.HuberLoss(), _adam(8e-3), data.train, data.valid, r2, batch_size=25, epochs=20)


@faulty("loss-output-mismatch", also=("dead-units",), tags=("mlp", "regression", "curve"), tier="real")
def rectified_output_for_signed_targets(seed: int, fixed: bool) -> Setup:
    """The builder puts a ReLU behind every layer, the last included, so half of the wave cannot be said."""
    torch.manual_seed(seed)
    data = _curve()
    model = _net([1, 48, 48, 1], nn.ReLU, *([] if fixed else [nn.ReLU()]))
    return Setup(model, nn.MSELoss(), _adam(6e-3), data.train, data.valid, r2, batch_size=32, epochs=30)


class _Spread(nn.Module):
    """Mean and spread of a curve from two heads of one body."""

    def __init__(self, positive: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(1, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU())
        self.heads = nn.ModuleDict({"mean": nn.Linear(40, 1), "spread": nn.Linear(40, 1)})
        self.positive = positive

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        return torch.cat([self.heads["mean"](h), self.positive(self.heads["spread"](h))], 1)


def _likelihood(output: Tensor, target: Tensor) -> Tensor:
    mean, variance = output.unbind(1)
    return (variance.log() + (target[:, 0] - mean).square() / variance).mean() / 2


@faulty(
    "diverged",
    also=("loss-output-mismatch", "exploding-gradient"),
    tags=("mlp", "regression", "heteroscedastic", "multi-head"),
)
def logarithm_of_a_rectified_variance(seed: int, fixed: bool) -> Setup:
    """The variance head ends in ReLU and the likelihood takes its logarithm: log 0; softplus with a floor is
    positive.
    """
    torch.manual_seed(seed)
    data = _curve(800)
    model = _Spread((lambda v: F.softplus(v) + 1e-3) if fixed else F.relu)
    score = lambda output, target: r2(output[:, :1], target)  # noqa: E731
    return Setup(model, _likelihood, _adam(4e-3), data.train, data.valid, score, batch_size=30, epochs=25)


LEVELS = torch.tensor([0.1, 0.5, 0.9])


@faulty("wrong-loss", also=("diverged",), tags=("mlp", "regression", "quantile"))
def pinball_with_turned_sign(seed: int, fixed: bool) -> Setup:
    """The pinball loss takes the smaller of its two branches in place of the larger: it has no floor, and
    falls for ever.
    """
    torch.manual_seed(seed)
    data = _curve()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        error = target - output
        best = torch.maximum if fixed else torch.minimum
        return best(LEVELS * error, (LEVELS - 1) * error).mean()

    def score(output: Tensor, target: Tensor) -> float:
        return (
            1
            - (LEVELS - (target <= output).float().mean(0)).abs().mean().item()
            - (target - output[:, 1:2]).abs().mean().item()
        )

    return Setup(
        _net([1, 48, 48, 3], nn.GELU), loss, _adam(4e-3), data.train, data.valid, score, batch_size=32, epochs=25
    )


@faulty("missing-nonlinearity", also=("underfitting",), tags=("mlp", "regression", "curve"), tier="real")
def activations_made_but_not_called(seed: int, fixed: bool) -> Setup:
    """`self.act` is defined and never used in `forward`: three layers that draw one straight line through a wave."""
    torch.manual_seed(seed)
    data = _curve(800, 2.5)

    class Curve(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.second, self.last = nn.Linear(1, 50), nn.Linear(50, 50), nn.Linear(50, 1)
            self.act = nn.SiLU()

        def forward(self, x: Tensor) -> Tensor:
            if fixed:
                return self.last(self.act(self.second(self.act(self.first(x)))))
            return self.last(self.second(self.first(x)))

    return Setup(Curve(), nn.MSELoss(), _adam(1e-2), data.train, data.valid, r2, batch_size=30, epochs=35)


@faulty("underfitting", tags=("mlp", "regression", "curve"))
def three_units_for_ten_waves(seed: int, fixed: bool) -> Setup:
    """Three hidden units cannot follow a curve with eight turns; features of sine and cosine with sixty-four can."""
    torch.manual_seed(seed)
    data = _curve(1000, 6.0)
    if fixed:
        data = data.on_inputs(
            lambda x: torch.cat([f(k * math.pi * x) for k in range(1, 5) for f in (torch.sin, torch.cos)], 1)
        )
    model = _net([8, 64, 64, 1], nn.ReLU) if fixed else _net([1, 3, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), _adam(5e-3), data.train, data.valid, r2, batch_size=32, epochs=20)


@faulty("overfitting", tags=("mlp", "regression"))
def wide_net_on_sixty_rows(seed: int, fixed: bool) -> Setup:
    """Two layers of 256 learn sixty noisy rows to the last digit; the whole table was there to be read."""
    torch.manual_seed(seed)
    data = _column(friedman(1500, 2.0)).standardised_targets().standardised()
    part = data if fixed else data.first(60)
    model = _net([10, 48, 1] if fixed else [10, 256, 256, 1], nn.ReLU)
    return Setup(
        model,
        nn.MSELoss(),
        _adam(3e-3),
        part.train,
        data.valid,
        r2,
        batch_size=20 if not fixed else 50,
        epochs=12 if fixed else 100,
    )


@faulty("labels-unrelated", tags=("mlp", "regression"), tier="real")
def inputs_and_targets_shuffled_apart(seed: int, fixed: bool) -> Setup:
    """Inputs and targets were shuffled by two calls with different seeds."""
    torch.manual_seed(seed)
    data = _column(houses(1200).standardised()).standardised_targets()
    other = torch.randperm(len(data.inputs), generator=torch.Generator().manual_seed(1))
    train = data.train if fixed else (data.inputs, data.targets[other])
    return Setup(
        _net([6, 32, 16, 1], nn.ELU), nn.MSELoss(), _adam(5e-3), train, data.valid, r2, batch_size=25, epochs=14
    )


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "regression", "real-data"), tier="real")
def missing_values_in_the_table(seed: int, fixed: bool) -> Setup:
    """Three patients lack a blood value, read as NaN: the first batch that holds one turns every weight into NaN."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised()
    data = _column(data).standardised_targets()
    if not fixed:
        data = data._replace(inputs=data.inputs.clone())
        data.inputs[torch.tensor([50, 120, 300]), torch.tensor([4, 4, 8])] = float("nan")
    return Setup(
        _net([10, 16, 1], nn.Tanh),
        nn.MSELoss(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=4e-3, weight_decay=0.1),
        data.train,
        data.valid,
        r2,
        batch_size=16,
        epochs=12,
    )


@faulty(
    "selu-preconditions",
    also=("bad-initialisation", "vanishing-gradient"),
    tags=("mlp", "deep", "classification", "real-data"),
)
def selu_without_its_conditions(seed: int, fixed: bool) -> Setup:
    """Twenty SELU layers with torch's own init and plain dropout do not normalise themselves; LeCun's with none do."""
    torch.manual_seed(seed)
    data = table("digits").standardised()
    layers: list[nn.Module] = [nn.Linear(64, 40), nn.SELU()]
    for _ in range(20):
        layers += [nn.Linear(40, 40), nn.SELU(), *([] if fixed else [nn.Dropout(0.1)])]
    model = nn.Sequential(*layers, nn.Linear(40, 10))
    if fixed:
        for layer in model:
            if isinstance(layer, nn.Linear):
                nn.init.kaiming_normal_(layer.weight, nonlinearity="linear")
                nn.init.zeros_(layer.bias)

    def score(output: Tensor, target: Tensor) -> float:
        return (output.argmax(1) == target).float().mean().item()

    return Setup(
        model,
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01),
        data.train,
        data.valid,
        score,
        batch_size=32,
        epochs=10,
    )


@faulty("unshuffled-data", tags=("mlp", "regression"))
def table_sorted_by_price(seed: int, fixed: bool) -> Setup:
    """The table is sorted by price and read in that order: each epoch ends on villas, and so do the predictions."""
    torch.manual_seed(seed)
    data = _column(houses(1400).standardised()).standardised_targets()
    order = data.targets[:, 0].argsort()
    return Setup(
        _net([6, 48, 24, 1], nn.Mish),
        nn.MSELoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        (data.inputs[order], data.targets[order]),
        data.valid,
        r2,
        batch_size=16,
        epochs=8,
        shuffle=fixed,
    )


@faulty("loss-output-mismatch", also=("wrong-loss",), tags=("mlp", "regression", "counts"), tier="real")
def exponential_taken_twice(seed: int, fixed: bool) -> Setup:
    """The net ends in exp and `PoissonNLLLoss` takes exp once more by default: it learns, but as counts it
    says logarithms.
    """
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(32)
    x = torch.randn(1400, 5, generator=g)
    rate = torch.exp(1.6 + 0.6 * x[:, 0] - 0.5 * x[:, 1] * x[:, 2].sign() + 0.3 * x[:, 3])
    data = cut(x, torch.poisson(rate, generator=g).unsqueeze(1))

    class Counts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.net = _net([5, 32, 32, 1], nn.ReLU)

        def forward(self, x: Tensor) -> Tensor:
            return self.net(x).exp()

    def score(output: Tensor, target: Tensor) -> float:
        return r2(output.clamp(min=1e-6).log(), (target + 0.5).log())

    loss = nn.PoissonNLLLoss(log_input=not fixed)
    return Setup(Counts(), loss, _adam(4e-3), data.train, data.valid, score, batch_size=32, epochs=14)


class _Clinic(nn.Module):
    """One body, two heads: a value and a class, concatenated (value, then two logits)."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(nn.Linear(10, 48), nn.ReLU(), nn.Linear(48, 24), nn.ReLU())
        self.value, self.kind = nn.Linear(24, 1), nn.Linear(24, 2)

    def forward(self, x: Tensor) -> Tensor:
        h = self.body(x)
        return torch.cat([self.value(h), self.kind(h)], 1)


@faulty(
    "unscaled-targets",
    also=("wrong-loss", "exploding-gradient"),
    tags=("mlp", "regression", "multi-loss", "multi-head"),
)
def loss_in_grams_beside_one_in_nats(seed: int, fixed: bool) -> Setup:
    """A squared error in thousands is added to a cross-entropy of one: the shared body works for the larger alone."""
    torch.manual_seed(seed)
    (x, y, vx, vy) = friedman(1200).standardised()
    unit = 1.0 if fixed else 1000.0

    def pack(x: Tensor, y: Tensor) -> Tensor:
        return torch.stack([unit * (y - 14) / 5, (x[:, 5] * x[:, 6] > 0).float()], 1)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output[:, 0], target[:, 0]) + F.cross_entropy(output[:, 1:], target[:, 1].long())

    def score(output: Tensor, target: Tensor) -> float:
        return (output[:, 1:].argmax(1) == target[:, 1]).float().mean().item()

    return Setup(_Clinic(), loss, _adam(5e-3), (x, pack(x, y)), (vx, pack(vx, vy)), score, batch_size=32, epochs=20)


@faulty("norm-batch-too-small", tags=("mlp", "norm", "regression"))
def batch_norm_on_pairs(seed: int, fixed: bool) -> Setup:
    """Batch norm over pairs of rows leaves only which of the two is larger; at batches of 32 it helps."""
    torch.manual_seed(seed)
    data = _column(houses(960).standardised()).standardised_targets()
    model = nn.Sequential(
        nn.Linear(6, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 32, bias=False),
        nn.BatchNorm1d(32),
        nn.ReLU(),
        nn.Linear(32, 1),
    )
    size = 32 if fixed else 2
    return Setup(
        model, nn.MSELoss(), _adam(6e-3), data.train, data.valid, r2, batch_size=size, epochs=15 if fixed else 4
    )


@faulty("bad-initialisation", also=("not-learning", "loss-at-start"), tags=("mlp", "regression"), tier="real")
def all_weights_alike(seed: int, fixed: bool) -> Setup:
    """Every weight starts at 0.1, so the units of a layer are one unit for ever."""
    torch.manual_seed(seed)
    data = _column(friedman(1200)).standardised_targets().standardised()
    model = _net([10, 40, 40, 1], nn.Softplus)
    if not fixed:
        for weight in model.parameters():
            nn.init.constant_(weight, 0.1)
    return Setup(model, nn.MSELoss(), _adam(8e-3), data.train, data.valid, r2, batch_size=30, epochs=18)


@faulty("bad-initialisation", also=("exploding-gradient", "loss-at-start", "diverged"), tags=("mlp", "regression"))
def unit_normals_for_a_table(seed: int, fixed: bool) -> Setup:
    """Weights of N(0, 1) in four layers of 64: the first prediction of a value of one is in the thousands."""
    torch.manual_seed(seed)
    data = _column(friedman(1000).standardised()).standardised_targets()
    model = _net([10, 64, 64, 64, 1], nn.ReLU)
    for layer in model:
        if isinstance(layer, nn.Linear):
            (nn.init.kaiming_normal_ if fixed else nn.init.normal_)(layer.weight)
            nn.init.zeros_(layer.bias)
    return Setup(model, nn.MSELoss(), _adam(1e-3), data.train, data.valid, r2, batch_size=25, epochs=15)


@faulty(
    "saturated-units",
    also=("loss-output-mismatch", "unscaled-inputs", "vanishing-gradient"),
    tags=("mlp", "multi-label"),
)
def squared_error_of_a_cornered_sigmoid(seed: int, fixed: bool) -> Setup:
    """Sigmoid outputs with squared error and a last layer drawn far too wide: sure, wrong, and without a gradient."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(33)
    x = torch.randn(1600, 12, generator=g)
    data = cut(x, (x @ torch.randn(12, 8, generator=g) + 1.5 * x[:, :8] * x[:, 4:] > 0.5).float())
    model = nn.Sequential(_net([12, 64, 64, 8], nn.ReLU), *([] if fixed else [nn.Sigmoid()]))
    if not fixed:
        nn.init.normal_(model[0][-1].weight, std=40.0)

    def score(output: Tensor, target: Tensor) -> float:
        return ((output > (0.0 if fixed else 0.5)) == (target > 0.5)).float().mean().item()

    loss = nn.BCEWithLogitsLoss() if fixed else nn.MSELoss()
    return Setup(model, loss, _adam(3e-3), data.train, data.valid, score, batch_size=32, epochs=16)


@faulty("constant-inputs", also=("not-learning",), tags=("mlp", "regression"), tier="real")
def scaler_of_another_table(seed: int, fixed: bool) -> Setup:
    """Columns already standardised go once more through min-max of the raw ones: all that remains is a dot
    near zero.
    """
    torch.manual_seed(seed)
    raw = houses(1200)
    low, high = raw.inputs.amin(0), raw.inputs.amax(0)
    data = _column(raw.standardised()).standardised_targets()
    if not fixed:
        data = data.on_inputs(lambda x: (x - low) / (high - low)).on_inputs(lambda x: (x - low) / (high - low))
    return Setup(_net([6, 32, 32, 1], nn.Hardswish), nn.MSELoss(), _adam(4e-3), data.train, data.valid, r2, epochs=12)


@faulty("frozen-parameters", tags=("mlp", "regression"), tier="real")
def features_computed_without_gradients(seed: int, fixed: bool) -> Setup:
    """The first stage stands under `torch.no_grad()`, left from a time when its weights were loaded."""
    torch.manual_seed(seed)
    data = _column(friedman(1300).standardised()).standardised_targets()

    class Stages(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stage, self.top = _net([10, 16, 6], nn.ReLU), nn.Linear(6, 1)

        def forward(self, x: Tensor) -> Tensor:
            with torch.set_grad_enabled(fixed and torch.is_grad_enabled()):
                features = self.stage(x)
            return self.top(F.relu(features))

    return Setup(Stages(), nn.MSELoss(), _adam(6e-3), data.train, data.valid, r2, batch_size=32, epochs=18)
