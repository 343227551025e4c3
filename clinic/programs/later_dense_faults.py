"""Dense nets, of tables and windows, whose structure or signal is at fault."""

from __future__ import annotations

import copy
from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import arm, circuit, digits, fashion, hastie, hires, table, waveforms, weather
from .._scores import accuracy, r2


def net(sizes: list[int], act: Callable[[], nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers of these sizes with an activation between."""
    layers = [part for a, b in pairwise(sizes) for part in (nn.Linear(a, b), act())]
    return nn.Sequential(*layers[:-1])


def adam(lr: float, **facts: float) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """AdamW over all parameters."""
    return lambda model: torch.optim.AdamW(model.parameters(), lr=lr, **facts)


def sgd(lr: float, momentum: float = 0.9) -> Callable[[nn.Module], torch.optim.Optimizer]:
    """SGD over all parameters."""
    return lambda model: torch.optim.SGD(model.parameters(), lr=lr, momentum=momentum)


@faulty("missing-nonlinearity", also=("underfitting",), tags=("mlp", "regression", "multi-output"))
def arm_activation_by_a_misspelt_name(seed: int, fixed: bool) -> Setup:
    """Activations are looked up by name; an unknown name falls back to the identity, and "leaky-relu" is unknown."""
    torch.manual_seed(seed)
    known = {"relu": nn.ReLU, "leaky_relu": nn.LeakyReLU, "gelu": nn.GELU}
    act = known.get("leaky_relu" if fixed else "leaky-relu", nn.Identity)
    return Setup(net([3, 48, 48, 48, 2], act), nn.MSELoss(), adam(3e-3), *arm().parts, r2, batch_size=32, epochs=15)


class _Hires(nn.Module):
    """Codes of hour and weekday beside two numbers."""

    def __init__(self, keep_codes: bool) -> None:
        super().__init__()
        self.hour, self.day = nn.Embedding(24, 12), nn.Embedding(7, 6)
        self.codes, self.numbers = nn.Linear(18, 48), nn.Linear(2, 48)
        self.head = net([48, 32, 1], nn.SiLU)
        self.keep_codes = keep_codes

    def forward(self, x: Tensor) -> Tensor:
        h = F.silu(self.codes(torch.cat([self.hour(x[:, 0].long()), self.day(x[:, 1].long())], 1)))
        if self.keep_codes:
            h = h + F.silu(self.numbers((x[:, 2:] - 6) / 6))
        else:
            h = F.silu(self.numbers((x[:, 2:] - 6) / 6))
        return self.head(h)


@faulty("unreached-parameters", tags=("mlp", "embedding", "regression", "counts"))
def hires_codes_overwritten(seed: int, fixed: bool) -> Setup:
    """`h = numbers(x)` stands where `h = h + numbers(x)` was meant: embedded hours and weekdays go nowhere."""
    torch.manual_seed(seed)
    data = hires().on_targets(torch.log1p)
    return Setup(_Hires(fixed), nn.HuberLoss(), adam(4e-3), *data.parts, r2, batch_size=64, epochs=14)


@faulty("frozen-parameters", also=("underfitting",), tags=("mlp", "classification"), tier="real")
def shells_copied_from_a_frozen_net(seed: int, fixed: bool) -> Setup:
    """A net made by `deepcopy` of a frozen teacher and drawn anew keeps `requires_grad=False` in all but its head."""
    torch.manual_seed(seed)
    teacher = net([10, 14, 14, 2], nn.ELU).requires_grad_(False)
    model = copy.deepcopy(teacher)
    for layer in model:
        if isinstance(layer, nn.Linear):
            layer.reset_parameters()
    model[-1] = nn.Linear(14, 2)
    if fixed:
        model.requires_grad_(True)
    return Setup(model, nn.CrossEntropyLoss(), adam(8e-3), *hastie().parts, accuracy, batch_size=32, epochs=25)


@faulty("unoptimised-parameters", also=("underfitting",), tags=("cnn", "windows", "series", "classification"))
def signals_kernels_in_neither_group(seed: int, fixed: bool) -> Setup:
    """Parameters of two dimensions decay, those of one do not; convolution kernels have three and are in no group."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Unflatten(1, (1, 32)), nn.Conv1d(1, 4, 7, stride=2), nn.ReLU(), nn.Conv1d(4, 6, 5, stride=2), nn.ReLU(),
        nn.Flatten(), nn.Linear(30, 5),
    )  # fmt: skip

    def groups(model: nn.Module) -> torch.optim.Optimizer:
        decayed = [p for p in model.parameters() if (p.ndim >= 2 if fixed else p.ndim == 2)]
        plain = [p for p in model.parameters() if p.ndim == 1]
        return torch.optim.AdamW([{"params": decayed}, {"params": plain, "weight_decay": 0.0}], lr=6e-3)

    return Setup(model, nn.CrossEntropyLoss(), groups, *waveforms().parts, accuracy, batch_size=32, epochs=15)


@faulty(
    "bias-before-norm",
    also=("loss-output-mismatch", "unscaled-targets", "not-learning"),
    tags=("mlp", "norm", "regression"),
)
def circuit_mean_taken_off_by_the_norm(seed: int, fixed: bool) -> Setup:
    """Each layer is followed by a norm without scale, the last one too: the mean that its bias carries is taken off."""
    torch.manual_seed(seed)
    data = circuit().standardised().on_targets(lambda y: y.clamp(min=1).log())
    sizes, layers = [4, 40, 40, 1], []
    for a, b in pairwise(sizes):
        layers += [nn.Linear(a, b), nn.BatchNorm1d(b, affine=False), nn.ReLU()]
    model = nn.Sequential(*layers[: -2 if fixed else -1])
    nn.init.constant_(model[6].bias, data.targets.mean().item())
    return Setup(model, nn.MSELoss(), adam(5e-3), *data.parts, r2, batch_size=45, epochs=15)


class _GhostNorm(nn.Module):
    """Batch norm over parts of the batch, `size` rows each, as large batches are normalised in small memories."""

    def __init__(self, width: int, size: int) -> None:
        super().__init__()
        self.norm, self.size = nn.BatchNorm1d(width), size

    def forward(self, x: Tensor) -> Tensor:
        parts = x.split(self.size) if self.training else (x,)
        return torch.cat([self.norm(part) for part in parts])


@faulty("norm-batch-too-small", tags=("mlp", "norm", "classification"), tier="real")
def shells_ghost_batches_of_two(seed: int, fixed: bool) -> Setup:
    """Ghost batch norm with a virtual batch of 2 in batches of 50: the option was taken for the number of parts."""
    torch.manual_seed(seed)
    size = 25 if fixed else 2
    model = nn.Sequential(
        nn.Linear(10, 64), _GhostNorm(64, size), nn.ReLU(), nn.Linear(64, 64), _GhostNorm(64, size), nn.ReLU(),
        nn.Linear(64, 2),
    )  # fmt: skip
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), *hastie().parts, accuracy, batch_size=50, epochs=15)


@faulty("norm-wrong-mode", also=("constant-inputs", "unscaled-inputs"), tags=("mlp", "norm", "regression"))
def weather_norm_of_other_units(seed: int, fixed: bool) -> Setup:
    """A first norm took its statistics from raw columns and was frozen; the columns now come standardised already."""
    torch.manual_seed(seed)
    raw, first = weather(), nn.BatchNorm1d(4, momentum=None)
    first(raw.inputs)

    class Frozen(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.body = first, net([4, 40, 40, 1], nn.SiLU)

        def forward(self, x: Tensor) -> Tensor:
            return self.body(self.first(x))

        def train(self, mode: bool = True) -> nn.Module:
            super().train(mode)
            self.first.eval()
            return self

    data = raw.standardised_targets()
    return Setup(
        Frozen(),
        nn.MSELoss(),
        adam(3e-3),
        *(data if fixed else data.standardised()).parts,
        r2,
        batch_size=32,
        epochs=12,
    )


@faulty("selu-preconditions", also=("bad-initialisation", "vanishing-gradient"), tags=("mlp", "deep", "real-data"))
def digits_selu_with_variance_for_deviation(seed: int, fixed: bool) -> Setup:
    """Twelve SELU layers are drawn with a deviation of 1/fan_in, which is the variance that they want."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), *net([64, *[40] * 12, 10], nn.SELU))
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.init.normal_(layer.weight, std=layer.in_features ** (-0.5 if fixed else -1.0))
            nn.init.zeros_(layer.bias)
    return Setup(model, nn.CrossEntropyLoss(), sgd(5e-3), *digits().parts, accuracy, batch_size=32, epochs=8)


class _Einsum(nn.Module):
    """A dense layer written by hand."""

    def __init__(self, inputs: int, outputs: int, centred: bool) -> None:
        super().__init__()
        weight = torch.rand(inputs, outputs)
        self.weight = nn.Parameter((2 * weight - 1) * (6 / inputs) ** 0.5 if centred else weight)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return torch.einsum("ni,io->no", x, self.weight) + self.bias


@faulty(
    "bad-initialisation", also=("loss-at-start", "exploding-gradient", "saturated-units"), tags=("mlp", "regression")
)
def arm_weights_from_zero_to_one(seed: int, fixed: bool) -> Setup:
    """Layers written by hand hold `nn.Parameter(torch.rand(i, o))`: all positive, up to 1, and three in a row."""
    torch.manual_seed(seed)
    parts = [part for a, b in ((3, 64), (64, 64), (64, 64)) for part in (_Einsum(a, b, fixed), nn.ELU())]
    model = nn.Sequential(*parts, _Einsum(64, 2, fixed))
    return Setup(model, nn.SmoothL1Loss(), adam(2e-3), *arm().parts, r2, batch_size=32, epochs=12)


class _Highway(nn.Module):
    """Carries its input on where the gate is shut."""

    def __init__(self, width: int, gate: float) -> None:
        super().__init__()
        self.change, self.gate = nn.Linear(width, width), nn.Linear(width, width)
        nn.init.constant_(self.gate.bias, gate)

    def forward(self, x: Tensor) -> Tensor:
        gate = torch.sigmoid(self.gate(x))
        return gate * torch.tanh(self.change(x)) + (1 - gate) * x


@faulty("vanishing-gradient", also=("bad-initialisation", "not-learning"), tags=("mlp", "deep", "gated"))
def signals_highway_with_open_gates(seed: int, fixed: bool) -> Setup:
    """Twenty highway layers whose gates start open (+3) where carrying was meant (-3): twenty plain tanh layers."""
    torch.manual_seed(seed)
    stack = [_Highway(24, -3.0 if fixed else 3.0) for _ in range(20)]
    model = nn.Sequential(nn.Linear(32, 24), *stack, nn.Linear(24, 5))
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.1), *waveforms().parts, accuracy, batch_size=40, epochs=18)


class _Flow(nn.Module):
    """One small field, followed for 25 steps of Euler's method."""

    def __init__(self, step: float) -> None:
        super().__init__()
        self.lift, self.field, self.head = nn.Linear(4, 24), net([24, 32, 24], nn.ReLU), nn.Linear(24, 1)
        self.step = step

    def forward(self, x: Tensor) -> Tensor:
        x = self.lift(x)
        for _ in range(25):
            x = x + self.step * self.field(x)
        return self.head(x)


@faulty("exploding-gradient", also=("diverged", "loss-at-start"), tags=("ode", "regression", "weights-shared"))
def weather_flow_with_steps_of_one(seed: int, fixed: bool) -> Setup:
    """A neural differential equation over a unit of time, in 25 steps of 1 where they should be 1/25."""
    torch.manual_seed(seed)
    data = weather().standardised().standardised_targets()
    return Setup(_Flow(1 / 25 if fixed else 1.0), nn.MSELoss(), sgd(0.02), *data.parts, r2, batch_size=32, epochs=12)


@faulty("saturated-units", also=("vanishing-gradient", "not-learning"), tags=("mlp", "classification", "real-data"))
def digits_nearly_steps(seed: int, fixed: bool) -> Setup:
    """Sigmoids with a slope of 200, "to have them nearly steps": hardly a unit stands where it has a slope at all."""
    torch.manual_seed(seed)
    data, slope = table("digits").standardised(), 1.0 if fixed else 200.0

    class Steep(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return torch.sigmoid(slope * x)

    model = net([64, 16, 16, 10], Steep)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-2), *data.parts, accuracy, batch_size=32, epochs=12)


@faulty("dead-units", also=("not-learning",), tags=("mlp", "norm", "classification", "real-data"))
def clothes_threshold_above_the_normed(seed: int, fixed: bool) -> Setup:
    """After a layer norm, `relu(x - theta)` with theta 4 lets one value in thousands through; 0.2 was meant."""
    torch.manual_seed(seed)
    data = fashion(1500).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2).flatten(1))

    class Sparse(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return F.relu(F.layer_norm(x, x.shape[1:]) - (0.2 if fixed else 4.0))

    return Setup(
        net([196, 64, 32, 10], Sparse), nn.CrossEntropyLoss(), sgd(0.05), *data.parts, accuracy, batch_size=32, epochs=8
    )
