"""Nets on vectors through which no good signal passes: initial weights, saturation, dead units, a loud head."""

from __future__ import annotations

import itertools
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion, friedman, houses, moons, spirals, table
from .._scores import accuracy, binary_accuracy, r2

Rule = Callable[[Tensor], Tensor]


def stack(sizes: list[int], activation: type[nn.Module], rule: Rule | None = None) -> nn.Sequential:
    """Linear layers with an activation between; `rule` fills every weight, biases start at 0."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in itertools.pairwise(sizes):
        linear = nn.Linear(n_in, n_out)
        if rule is not None:
            rule(linear.weight)
            nn.init.zeros_(linear.bias)
        layers += [linear, activation()]
    return nn.Sequential(*layers[:-1])


def he(weight: Tensor) -> Tensor:
    """He's normal rule."""
    return nn.init.kaiming_normal_(weight, nonlinearity="relu")


@faulty("bad-initialisation", also=("vanishing-gradient",), tags=("mlp", "classification", "real-data"))
def digits_tiny_weights(seed: int, fixed: bool) -> Setup:
    """Weights start with deviation 0.001 in six layers: the output hardly depends on the input."""
    torch.manual_seed(seed)
    return Setup(
        stack([64, *[64] * 5, 10], nn.ReLU, he if fixed else lambda w: nn.init.normal_(w, std=1e-3)),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=8,
    )


@faulty("bad-initialisation", also=("loss-at-start",), tags=("mlp", "classification", "real-data"))
def fashion_weights_of_deviation_one(seed: int, fixed: bool) -> Setup:
    """`randn` without a scale fills the weights: outputs in the thousands at the start."""
    torch.manual_seed(seed)
    return Setup(
        stack([784, 128, 64, 10], nn.LeakyReLU, he if fixed else nn.init.normal_),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-3),
        *fashion(2000).parts,
        accuracy,
        batch_size=50,
        epochs=8,
    )


@faulty("bad-initialisation", also=("vanishing-gradient", "not-learning"), tags=("mlp", "classification", "real-data"))
def wine_all_zero(seed: int, fixed: bool) -> Setup:
    """All weights start at zero: no unit differs from another, and no gradient passes."""
    torch.manual_seed(seed)
    return Setup(
        stack([13, 20, 20, 3], nn.ReLU, he if fixed else nn.init.zeros_),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        *table("wine").standardised().parts,
        accuracy,
        batch_size=16,
        epochs=15,
    )


@faulty("bad-initialisation", tags=("mlp", "regression"))
def friedman_all_weights_alike(seed: int, fixed: bool) -> Setup:
    """Every weight starts at the same 0.05: the units of a layer stay copies of one another."""
    torch.manual_seed(seed)
    model = stack([10, 48, 48, 1], nn.Tanh, nn.init.xavier_uniform_ if fixed else lambda w: nn.init.constant_(w, 0.05))
    return Setup(
        model,
        lambda output, target: F.mse_loss(output.squeeze(1), target),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *friedman().standardised().standardised_targets().parts,
        r2,
        batch_size=25,
        epochs=20,
    )


@faulty("bad-initialisation", also=("vanishing-gradient",), tags=("mlp", "deep", "classification", "real-data"))
def fashion_sixteen_layers_by_default(seed: int, fixed: bool) -> Setup:
    """Sixteen ReLU layers keep torch's default weights, which lose most of the signal in every layer."""
    torch.manual_seed(seed)
    return Setup(
        stack([784, *[50] * 16, 10], nn.ReLU, he if fixed else None),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.8),
        *fashion(1500).parts,
        accuracy,
        batch_size=25,
        epochs=10,
    )


@faulty("vanishing-gradient", tags=("mlp", "deep", "classification", "real-data"))
def digits_eight_sigmoid_layers(seed: int, fixed: bool) -> Setup:
    """Eight hidden sigmoid layers: a quarter of the gradient is left after each."""
    torch.manual_seed(seed)
    model = stack([64, *[40] * 8, 10], nn.ReLU, he) if fixed else stack([64, *[40] * 8, 10], nn.Sigmoid)
    return Setup(
        model,
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=12,
    )


class Funnel(nn.Module):
    """A deep tanh net written as a loop."""

    def __init__(self, depth: int, std: float | None):
        super().__init__()
        self.enter = nn.Linear(2, 40)
        self.hidden = nn.ModuleList(nn.Linear(40, 40) for _ in range(depth))
        self.leave = nn.Linear(40, 1)
        for layer in self.hidden:
            assert isinstance(layer, nn.Linear)
            if std is None:
                nn.init.xavier_normal_(layer.weight)
            else:
                nn.init.normal_(layer.weight, std=std)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.tanh(self.enter(x))
        for layer in self.hidden:
            x = torch.tanh(layer(x))
        return self.leave(x).flatten()


@faulty("vanishing-gradient", also=("bad-initialisation",), tags=("mlp", "deep", "classification", "binary"))
def moons_deep_small_tanh(seed: int, fixed: bool) -> Setup:
    """Twelve tanh layers with weights of deviation 0.05, a third of what keeps the gradient."""
    torch.manual_seed(seed)
    return Setup(
        Funnel(12, None if fixed else 0.05),
        nn.BCEWithLogitsLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        *moons().on_targets(Tensor.float).parts,
        binary_accuracy,
        batch_size=25,
        epochs=20,
    )


@faulty("exploding-gradient", also=("bad-initialisation", "diverged"), tags=("mlp", "deep", "regression"))
def houses_gradients_grow(seed: int, fixed: bool) -> Setup:
    """Fifteen ReLU layers, each with one and a half times He's deviation."""
    torch.manual_seed(seed)

    def louder(weight: Tensor) -> Tensor:
        return nn.init.normal_(weight, std=1.5 * (2 / weight.shape[1]) ** 0.5)

    model = stack([6, *[32] * 15, 1], nn.ReLU, he if fixed else louder)
    return Setup(
        model,
        lambda output, target: F.smooth_l1_loss(output.squeeze(1), target),
        lambda m: torch.optim.SGD(m.parameters(), lr=2e-3, momentum=0.9),
        *houses().standardised().standardised_targets().parts,
        r2,
        batch_size=32,
        epochs=25,
    )


@faulty("exploding-gradient", also=("bad-initialisation",), tags=("mlp", "deep", "classification", "real-data"))
def digits_orthogonal_with_gain_two(seed: int, fixed: bool) -> Setup:
    """Ten ELU layers start orthogonal with gain 2 instead of 1.2: first gradients are thousands of times too large."""
    torch.manual_seed(seed)
    gain = 1.2 if fixed else 2.0
    return Setup(
        stack([64, *[50] * 10, 10], nn.ELU, lambda w: nn.init.orthogonal_(w, gain)),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=10,
    )


@faulty("saturated-units", also=("bad-initialisation",), tags=("mlp", "classification", "real-data"))
def fashion_saturated_tanh(seed: int, fixed: bool) -> Setup:
    """Tanh units with weights of deviation 1 on 784 pixels sit at -1 or 1 from the start."""
    torch.manual_seed(seed)
    rule = nn.init.xavier_normal_ if fixed else lambda w: nn.init.normal_(w, std=1.0)
    return Setup(
        stack([784, 60, 60, 60, 10], nn.Tanh, rule),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.5),
        *fashion(2000).parts,
        accuracy,
        batch_size=40,
        epochs=8,
    )


@faulty("saturated-units", also=("unscaled-inputs",), tags=("mlp", "regression", "table"))
def houses_sigmoids_saturated_by_the_area(seed: int, fixed: bool) -> Setup:
    """Sigmoid units read the raw area and income: they are 0 or 1 for every house."""
    torch.manual_seed(seed)
    data = houses().standardised_targets()
    return Setup(
        stack([6, 50, 1], nn.Sigmoid),
        lambda output, target: F.mse_loss(output[:, 0], target),
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        *(data.standardised() if fixed else data).parts,
        r2,
        batch_size=32,
        epochs=20,
    )


@faulty("dead-units", tags=("mlp", "classification", "real-data"))
def digits_bias_of_minus_ten(seed: int, fixed: bool) -> Setup:
    """The hidden biases start at -10, "for sparsity": no rectified unit ever fires."""
    torch.manual_seed(seed)
    model = stack([64, 100, 50, 10], nn.ReLU, he)
    for layer in list(model)[1:-1]:
        if isinstance(layer, nn.Linear):
            nn.init.constant_(layer.bias, 0.0 if fixed else -10.0)
    return Setup(
        model,
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-3),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=8,
    )


@faulty("dead-units", also=("learning-rate-too-high",), tags=("mlp", "classification", "real-data", "schedule"))
def fashion_killed_in_the_first_steps(seed: int, fixed: bool) -> Setup:
    """A warm-up turned upside down: the first steps are forty times too long and leave every ReLU at zero."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, steps: int) -> torch.optim.lr_scheduler.LambdaLR:
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: min(1.0, (step + 1) / 20) if fixed else max(1.0, 40.0 - 2 * step)
        )

    return Setup(
        stack([784, 64, 64, 64, 10], nn.ReLU),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *fashion(2000).parts,
        accuracy,
        batch_size=50,
        epochs=8,
        schedule=schedule,
    )


@faulty("dead-units", also=("bad-initialisation",), tags=("mlp", "classification"))
def spirals_negative_weights(seed: int, fixed: bool) -> Setup:
    """Inputs were moved to 0..1 and weights drawn from below zero only, so most rectified units are silent."""
    torch.manual_seed(seed)
    rule = he if fixed else lambda w: nn.init.uniform_(w, -0.5, 0.0)
    return Setup(
        stack([2, 48, 48, 2], nn.ReLU, rule),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        *spirals().on_inputs(lambda point: point if fixed else (point + 2) / 4).parts,
        accuracy,
        batch_size=30,
        epochs=30,
    )


@faulty("loss-at-start", also=("bad-initialisation",), tags=("mlp", "classification", "real-data"))
def digits_loud_head(seed: int, fixed: bool) -> Setup:
    """The last layer is scaled up a hundredfold: the first gradients ruin the layers below."""
    torch.manual_seed(seed)
    model = stack([64, 64, 64, 10], nn.GELU)
    if not fixed:
        with torch.no_grad():
            list(model.parameters())[-2].mul_(100)
    return Setup(
        model,
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=8,
    )


@faulty("loss-at-start", tags=("mlp", "classification", "binary", "real-data"))
def tumours_head_sure_of_itself(seed: int, fixed: bool) -> Setup:
    """The bias of the head starts at 30, as if nobody were ill."""
    torch.manual_seed(seed)
    model = stack([30, 24, 1], nn.Tanh)
    nn.init.constant_(list(model.parameters())[-1], 0.5 if fixed else 30.0)
    return Setup(
        model,
        nn.BCEWithLogitsLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *table("breast_cancer").standardised().on_targets(lambda label: label.float().unsqueeze(1)).parts,
        binary_accuracy,
        batch_size=32,
        epochs=12,
    )


@faulty("loss-at-start", also=("unscaled-targets",), tags=("mlp", "regression"))
def friedman_far_from_the_mean(seed: int, fixed: bool) -> Setup:
    """Targets have a good spread but sit at 200, where the output starts at 0."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    if not fixed:
        data = data.on_targets(lambda value: value + 200)
    return Setup(
        stack([10, 64, 64, 1], nn.SiLU),
        lambda output, target: F.mse_loss(output.squeeze(1), target),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *data.parts,
        r2,
        batch_size=32,
        epochs=20,
    )
