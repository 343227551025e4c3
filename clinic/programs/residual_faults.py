"""Nets with skip connections, on tables and images, and what goes wrong in them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, digits, fashion, friedman, houses, parity, spirals
from .._scores import accuracy, r2


class Block(nn.Module):
    """Two linear layers and a skip; `forget` returns the input alone, `scale` multiplies the sum."""

    def __init__(self, width: int, *, norm: bool = True, forget: bool = False, scale: float = 1.0):
        super().__init__()
        self.norm = nn.LayerNorm(width) if norm else nn.Identity()
        self.inner, self.outer = nn.Linear(width, width), nn.Linear(width, width)
        self.forget, self.scale = forget, scale

    def forward(self, x: Tensor) -> Tensor:
        out = self.outer(F.relu(self.inner(self.norm(x))))
        return x if self.forget else (x + out) * self.scale


class Residual(nn.Module):
    """Enter, blocks, leave."""

    def __init__(self, sizes: tuple[int, int, int], blocks: int, *, last_norm: bool = True, **facts: Any):
        super().__init__()
        n_in, width, n_out = sizes
        self.enter = nn.Linear(n_in, width)
        self.blocks = nn.Sequential(*(Block(width, **facts) for _ in range(blocks)))
        self.norm = nn.LayerNorm(width) if last_norm else nn.Identity()
        self.leave = nn.Linear(width, n_out)

    def forward(self, x: Tensor) -> Tensor:
        return self.leave(self.norm(self.blocks(self.enter(x.flatten(1)))))


def classify(model: nn.Module, data: Split, optimizer: Any, **facts: Any) -> Setup:
    """Cross-entropy and accuracy."""
    return Setup(model, F.cross_entropy, optimizer, *data.parts, accuracy, **facts)


def fit(model: nn.Module, data: Split, optimizer: Any, **facts: Any) -> Setup:
    """Squared error and R2."""
    return Setup(model, lambda output, target: F.mse_loss(output[:, 0], target), optimizer, *data.parts, r2, **facts)


def adam(lr: float) -> Any:
    """AdamW over all parameters of a model."""
    return lambda model: torch.optim.AdamW(model.parameters(), lr=lr)


@faulty("unreached-parameters", also=("missing-nonlinearity",), tags=("residual", "mlp", "classification"))
def spirals_blocks_return_their_input(seed: int, fixed: bool) -> Setup:
    """Every block computes its branch and returns `x`."""
    torch.manual_seed(seed)
    model = Residual((2, 32, 2), 3, forget=not fixed, last_norm=False)
    return classify(model, spirals(), adam(5e-3), batch_size=30, epochs=15)


@faulty("exploding-gradient", also=("bad-initialisation",), tags=("residual", "deep", "regression", "table"))
def houses_sums_grow_without_norm(seed: int, fixed: bool) -> Setup:
    """Each of sixteen blocks doubles its sum and no norm holds it: the signal grows by tens of thousands."""
    torch.manual_seed(seed)
    model = Residual((6, 32, 1), 16) if fixed else Residual((6, 32, 1), 16, norm=False, scale=2.0, last_norm=False)
    data = houses().standardised().standardised_targets().first(800)
    return fit(model, data, adam(2e-3), batch_size=25, epochs=6)


@faulty("vanishing-gradient", tags=("residual", "deep", "classification", "real-data"))
def digits_sums_halved(seed: int, fixed: bool) -> Setup:
    """The mean of skip and branch is taken instead of their sum, sixteen times, without norm."""
    torch.manual_seed(seed)
    model = Residual((64, 32, 10), 16) if fixed else Residual((64, 32, 10), 16, norm=False, scale=0.5, last_norm=False)
    return classify(
        model,
        digits().first(1000),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        batch_size=25,
        epochs=8,
    )


@faulty("bad-initialisation", also=("loss-at-start",), tags=("residual", "deep", "classification", "real-data"))
def fashion_branches_too_loud(seed: int, fixed: bool) -> Setup:
    """Branches without norm start with deviation 0.5, where a small fraction keeps the sum in bounds."""
    torch.manual_seed(seed)
    model = Residual((784, 40, 10), 6, norm=False, last_norm=False)
    for name, parameter in model.named_parameters():
        if name.startswith("blocks") and name.endswith("weight"):
            nn.init.normal_(parameter, std=0.08 if fixed else 0.5)
    return classify(model, fashion(1500), adam(1e-3), batch_size=30, epochs=6)


@faulty("frozen-parameters", tier="real", tags=("residual", "classification", "real-data"))
def fashion_stages_frozen_for_warming_up(seed: int, fixed: bool) -> Setup:
    """All but the head are frozen for the first epoch, and nobody thaws them afterwards."""
    torch.manual_seed(seed)
    model = Residual((784, 12, 10), 3)
    if not fixed:
        model.enter.requires_grad_(False)
        model.blocks.requires_grad_(False)
    return classify(model, fashion(1500), adam(3e-3), batch_size=30, epochs=6)


class ListedBlocks(nn.Module):
    """Blocks by stage, in a dictionary."""

    def __init__(self, registered: bool, width: int = 16):
        super().__init__()
        stages = {str(stage): nn.Sequential(Block(width), Block(width)) for stage in range(2)}
        self.enter, self.leave = nn.Linear(4, width), nn.Linear(width, 2)
        self.stages = nn.ModuleDict(stages) if registered else stages

    def forward(self, x: Tensor) -> Tensor:
        x = self.enter(x)
        for name in ("0", "1"):
            x = self.stages[name](x)
        return self.leave(x)


@faulty("unoptimised-parameters", tags=("residual", "mlp", "classification"))
def parity_stages_in_a_dictionary(seed: int, fixed: bool) -> Setup:
    """The stages are kept in a plain dictionary, so the optimizer never hears of them."""
    torch.manual_seed(seed)
    return classify(ListedBlocks(fixed), parity(), adam(5e-3), batch_size=32, epochs=10)


@faulty("missing-nonlinearity", tags=("residual", "mlp", "regression"))
def friedman_linear_branches(seed: int, fixed: bool) -> Setup:
    """The branches hold two linear layers with nothing between: sums of linear maps are linear."""
    torch.manual_seed(seed)

    class Sum(nn.Module):
        def __init__(self):
            super().__init__()
            bend = nn.SiLU() if fixed else nn.Identity()
            self.branches = nn.ModuleList(nn.Sequential(nn.Linear(32, 64), bend, nn.Linear(64, 32)) for _ in range(2))
            self.enter, self.leave = nn.Linear(10, 32), nn.Linear(32, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.enter(x)
            for branch in self.branches:
                x = x + branch(x)
            return self.leave(x)

    data = friedman().standardised().standardised_targets()
    return fit(Sum(), data, adam(3e-3), batch_size=32, epochs=20)


class ConvBlock(nn.Module):
    """Convolution, norm, activation, convolution, norm, skip."""

    def __init__(self, width: int, momentum: float = 0.1):
        super().__init__()
        self.first, self.second = (nn.Conv2d(width, width, 3, padding=1, bias=False) for _ in range(2))
        self.norm1, self.norm2 = (nn.BatchNorm2d(width, momentum=momentum) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        out = self.norm2(self.second(F.relu(self.norm1(self.first(x)))))
        return F.relu(x + out)


def small_resnet(width: int = 8, blocks: int = 2, momentum: float = 0.1) -> nn.Sequential:
    """A residual net for small images."""
    return nn.Sequential(
        nn.Conv2d(1, width, 3, padding=1),
        *(ConvBlock(width, momentum) for _ in range(blocks)),
        nn.AdaptiveAvgPool2d(2),
        nn.Flatten(),
        nn.Linear(4 * width, 10),
    )


@faulty(
    "norm-batch-too-small",
    tags=("residual", "cnn", "classification", "images", "batch-norm", "accumulation", "real-data"),
)
def digits_resnet_tiny_microbatches(seed: int, fixed: bool) -> Setup:
    """A net that ends in batch norm over single values sees microbatches of two, gathered into a batch of 32."""
    torch.manual_seed(seed)
    model = small_resnet(8, 1)
    model[-1] = nn.Sequential(nn.Linear(32, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Linear(24, 10))
    return classify(model, digits().first(960), adam(5e-3), batch_size=32, epochs=3, accumulate=1 if fixed else 16)


@faulty("norm-wrong-mode", tags=("residual", "cnn", "classification", "images", "batch-norm", "real-data"))
def digits_resnet_norms_frozen(seed: int, fixed: bool) -> Setup:
    """A habit from detection nets: all batch norms are put in eval mode at the start of every step, on raw pixels."""
    torch.manual_seed(seed)
    data = digits().on_inputs(lambda images: images * 6 + 4.9)
    model = nn.Sequential(nn.BatchNorm2d(1), small_resnet(8, 3))

    def update(net: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        if not fixed:
            for layer in net.modules():
                if isinstance(layer, nn.BatchNorm2d):
                    layer.eval()
        loss = F.cross_entropy(net(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def schedule(optimizer: torch.optim.Optimizer, steps: int) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / (steps + 1))

    return classify(
        model,
        data,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        batch_size=32,
        epochs=5,
        update=update,
        schedule=schedule,
    )


@faulty("selu-preconditions", tags=("residual", "deep", "classification", "real-data"))
def digits_selu_with_skips(seed: int, fixed: bool) -> Setup:
    """SELU in sixteen blocks with skips: the sums grow where a plain stack would normalise itself."""
    torch.manual_seed(seed)

    class Selu(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(64, 40), *(nn.Linear(40, 40) for _ in range(16))])
            self.leave = nn.Linear(40, 10)
            for layer in self.layers:
                assert isinstance(layer, nn.Linear)
                nn.init.normal_(layer.weight, std=layer.in_features**-0.5)
                nn.init.zeros_(layer.bias)

        def forward(self, x: Tensor) -> Tensor:
            x = F.selu(self.layers[0](x.flatten(1)))
            for layer in self.layers[1:]:
                x = F.selu(layer(x)) if fixed else x + F.selu(layer(x))
            return self.leave(x)

    return classify(
        Selu(), digits(), lambda m: torch.optim.SGD(m.parameters(), lr=5e-3, momentum=0.9), batch_size=32, epochs=10
    )


@faulty("learning-rate-too-high", also=("diverged", "oscillating-loss"), tags=("residual", "regression", "table"))
def houses_residual_sgd_at_a_half(seed: int, fixed: bool) -> Setup:
    """SGD at 0.5 with momentum on a residual net without norm."""
    torch.manual_seed(seed)
    lr = 0.01 if fixed else 0.5
    return fit(
        Residual((6, 32, 1), 3, norm=False, last_norm=False),
        houses().standardised().standardised_targets(),
        lambda m: torch.optim.SGD(m.parameters(), lr=lr, momentum=0.9),
        batch_size=32,
        epochs=8,
    )


@faulty("missing-zero-grad", tags=("residual", "cnn", "classification", "images", "real-data"))
def digits_resnet_never_cleared(seed: int, fixed: bool) -> Setup:
    """A residual net whose loop never clears gradients."""
    torch.manual_seed(seed)
    return classify(
        small_resnet(8, 1),
        digits(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.03, momentum=0.9),
        batch_size=32,
        epochs=5,
        zero_grad=fixed,
    )


@faulty("shape-broadcast", tags=("residual", "regression", "table"))
def houses_residual_column_minus_row(seed: int, fixed: bool) -> Setup:
    """Absolute error of (n, 1) outputs against (n,) prices: the net learns the median of all."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return torch.mean(torch.abs((output.squeeze(-1) if fixed else output) - target))

    data = houses().standardised().standardised_targets()
    return Setup(Residual((6, 32, 1), 2), loss, adam(3e-3), *data.parts, r2, batch_size=32, epochs=8)
