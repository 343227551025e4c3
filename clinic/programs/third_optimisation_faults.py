"""Dense nets and small convolutional ones whose optimisation is at fault; third series."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import (
    checkers,
    clicks,
    concrete,
    diamonds,
    digits,
    fashion,
    genes,
    loans,
    patches,
    pendulum,
    phase,
    roll,
    table,
)
from .._scores import accuracy, binary_accuracy, r2
from .later_dense_faults import adam, net, sgd
from .third_dense_faults import Borrower, Clicks, Priced, clicked, scaled

faulty = base.faulty


def filters(widths: list[int], classes: int, act: Callable[[], nn.Module] = nn.ReLU, grid: int = 1) -> nn.Sequential:
    """Convolutions of 3 by 3, every second one with a stride of 2, their means in a grid, and classes."""
    parts: list[nn.Module] = []
    for place, (a, b) in enumerate(pairwise(widths)):
        parts += [nn.Conv2d(a, b, 3, stride=1 + place % 2, padding=1), act()]
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(grid), nn.Flatten(), nn.Linear(grid**2 * widths[-1], classes))


@faulty("learning-rate-too-high", also=("diverged", "oscillating-loss"), tags=("cnn", "real-data"), tier="real")
def patches_gamma_of_ten(seed: int, fixed: bool) -> Setup:
    """`StepLR(gamma=10)` where a tenth was meant: at each third of the run the rate grows tenfold."""
    torch.manual_seed(seed)

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.StepLR(optimizer, updates // 3, gamma=0.1 if fixed else 10.0)

    model, loss = filters([3, 12, 16, 24], 2), nn.CrossEntropyLoss()
    return Setup(model, loss, sgd(0.05), *patches().parts, accuracy, batch_size=25, epochs=9, schedule=schedule)


class Lion(torch.optim.Optimizer):
    """Steps by the sign of an interpolated momentum, all of one length; papers ask for a tenth of Adam's rate."""

    def __init__(self, params: object, lr: float) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    kept = self.state[p].setdefault("kept", torch.zeros_like(p))
                    p.sub_(group["lr"] * kept.lerp(p.grad, 0.1).sign())
                    kept.lerp_(p.grad, 0.01)


@faulty("learning-rate-too-high", also=("oscillating-loss", "diverged"), tags=("mlp", "regression"), tier="real")
def phase_lion_at_ten_times_adams_rate(seed: int, fixed: bool) -> Setup:
    """Lion wants a tenth of Adam's rate; somebody multiplied by ten, and every step is 0.03 for every weight."""
    torch.manual_seed(seed)
    data = phase().standardised().standardised_targets()

    def lion(model: nn.Module) -> torch.optim.Optimizer:
        return Lion(model.parameters(), 3e-4 if fixed else 3e-2)

    return Setup(net([4, 64, 64, 1], nn.SiLU), nn.MSELoss(), lion, *data.parts, r2, batch_size=25, epochs=14)


@faulty(
    "learning-rate-too-low",
    also=("underfitting", "frozen-parameters", "not-learning"),
    tags=("mlp", "classification"),
    tier="real",
)
def checkers_rates_by_depth(seed: int, fixed: bool) -> Setup:
    """Each layer learns at a tenth of the rate of the one above, as in fine-tuning; but this net is new."""
    torch.manual_seed(seed)
    model = net([2, 20, 20, 20, 20, 2], nn.ELU)

    def groups(model: nn.Module) -> torch.optim.Optimizer:
        layers = [layer for layer in model if isinstance(layer, nn.Linear)]
        decay = 0.95 if fixed else 0.1
        rates = [1e-2 * decay**above for above in range(len(layers))]
        pairs = zip(reversed(layers), rates, strict=True)
        return torch.optim.AdamW([{"params": layer.parameters(), "lr": rate} for layer, rate in pairs])

    return Setup(model, nn.CrossEntropyLoss(), groups, *checkers().parts, accuracy, batch_size=32, epochs=30)


@faulty("learning-rate-too-low", also=("underfitting",), tags=("cnn", "real-data"), tier="real")
def clothes_decayed_within_an_epoch(seed: int, fixed: bool) -> Setup:
    """`PolynomialLR(total_iters=12)`, for twelve epochs, is stepped after each of 47 updates an epoch: soon it is 0."""
    torch.manual_seed(seed)
    data = fashion(1500).on_inputs(lambda pictures: F.avg_pool2d(pictures, 2))

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.PolynomialLR(optimizer, updates if fixed else 12, power=0.9)

    model = filters([1, 12, 24, 32], 10, nn.GELU, grid=4)
    return Setup(
        model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=12, schedule=schedule
    )


@faulty("not-learning", tags=("cnn", "real-data"), tier="real")
def digits_gradient_of_the_pictures_only(seed: int, fixed: bool) -> Setup:
    """`torch.autograd.grad(loss, inputs)` was left from drawing a saliency map; the weights' gradients stay empty."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        inputs = inputs.clone().requires_grad_()
        loss = F.cross_entropy(model(inputs), targets)
        if fixed:
            loss.backward()
        else:
            torch.autograd.grad(loss, inputs)
        optimizer.step()
        return loss.detach()

    model, parts = filters([1, 16, 24, 32], 10), digits().parts
    return Setup(model, F.cross_entropy, adam(5e-3), *parts, accuracy, batch_size=32, epochs=8, update=update)


@faulty("not-learning", tags=("mlp", "embedding", "classification"), tier="real")
def loans_best_weights_put_back(seed: int, fixed: bool) -> Setup:
    """Every 25 updates the best weights so far are put back; "best" is the lowest accuracy, that of the start."""
    torch.manual_seed(seed)
    data = loans().on_inputs(scaled)
    best = {"score": 0.0, "state": {}, "count": 0}

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        if best["count"] % 25 == 0:
            with torch.no_grad():
                now = accuracy(model(data.inputs[:400]), data.targets[:400])
            if not best["state"] or (now > best["score"] if fixed else now < best["score"]):
                best.update(score=now, state={name: value.clone() for name, value in model.state_dict().items()})
            else:
                model.load_state_dict(best["state"])
        best["count"] += 1
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    model = Borrower(width=40)
    nn.init.constant_(model.body[-1].bias, 0.0)
    return Setup(model, F.cross_entropy, adam(3e-3), *data.parts, accuracy, batch_size=32, epochs=12, update=update)


@faulty("oscillating-loss", also=("learning-rate-too-high",), tags=("mlp", "regression"))
def roll_absolute_errors_at_a_steady_rate(seed: int, fixed: bool) -> Setup:
    """Absolute errors push as hard near the answer as far from it, and the rate of 0.09 never falls."""
    torch.manual_seed(seed)
    data = roll().standardised().standardised_targets()

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        return torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, updates)

    optimizer, model = sgd(0.02 if fixed else 0.09, 0.9), net([3, 64, 64, 1], nn.ReLU)
    return Setup(model, nn.L1Loss(), optimizer, *data.parts, r2, 8, epochs=8, schedule=schedule if fixed else None)


@faulty("diverged", also=("wrong-loss", "unscaled-targets", "loss-at-start"), tags=("mlp", "regression"), tier="real")
def diamonds_log_cosh_by_hand(seed: int, fixed: bool) -> Setup:
    """`log(cosh(error))` in hundreds of dollars: above an error of 89 the cosine hyperbolic is infinite."""
    torch.manual_seed(seed)
    data = diamonds().on_targets(lambda y: y / 100)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        error = (output - target).abs()
        return (error + F.softplus(-2 * error) - 0.6931 if fixed else torch.log(torch.cosh(error))).mean()

    return Setup(Priced(), loss, adam(1e-2), *data.parts, r2, batch_size=32, epochs=14)


@faulty("diverged", also=("exploding-gradient",), tags=("mlp", "regression", "angles"), tier="real")
def phase_angle_by_arccosine(seed: int, fixed: bool) -> Setup:
    """The angle between said and true direction by `acos`, whose slope is infinite at the right answer."""
    torch.manual_seed(seed)
    data = phase().standardised().on_targets(lambda y: torch.cat([y.cos(), y.sin()], 1))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        near = F.cosine_similarity(output, target)
        return torch.acos(near.clamp(-0.9999, 0.9999) if fixed else near).mean()

    def score(output: Tensor, target: Tensor) -> float:
        said, true = (torch.atan2(part[:, 1], part[:, 0]) for part in (output, target))
        return r2(said, true)

    return Setup(net([4, 64, 64, 2], nn.ReLU), loss, adam(3e-3), *data.parts, score, batch_size=32, epochs=16)


class _Noise(nn.Module):
    """Adds noise to what it is given, in training."""

    def __init__(self, spread: float) -> None:
        super().__init__()
        self.spread = spread

    def forward(self, x: Tensor) -> Tensor:
        return x + self.spread * torch.randn_like(x) if self.training else x


@faulty("over-regularised", tags=("mlp", "classification", "noise"))
def checkers_noise_as_wide_as_a_field(seed: int, fixed: bool) -> Setup:
    """Noise of 0.5 augments points on a board whose fields are 0.85 wide: which field they lie on is lost."""
    torch.manual_seed(seed)
    model = nn.Sequential(_Noise(0.02 if fixed else 0.5), net([2, 64, 64, 64, 2], nn.SiLU))
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *checkers().parts, accuracy, batch_size=32, epochs=20)


@faulty("over-regularised", also=("underfitting",), tags=("cnn", "real-data"))
def patches_decay_of_one_tenth(seed: int, fixed: bool) -> Setup:
    """The decay for vision transformers under AdamW, 0.1, was given to SGD with momentum: weights fall to nothing."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.SGD(model.parameters(), lr=0.03, momentum=0.9, weight_decay=5e-4 if fixed else 0.1)

    model = filters([3, 12, 16, 24], 2, nn.LeakyReLU)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *patches().parts, accuracy, batch_size=20, epochs=8)


@faulty("overfitting", tags=("mlp", "classification", "wide"))
def genes_three_hundred_people(seed: int, fixed: bool) -> Setup:
    """150 columns, 300 rows, a wide net and sixty epochs; few units, dropout, decay and an early end serve better."""
    torch.manual_seed(seed)
    wide, narrow = net([150, 256, 256, 2], nn.ReLU), net([150, 8, 2], nn.Tanh)
    model = nn.Sequential(nn.Dropout(0.5), narrow) if fixed else wide
    score = lambda output, target: -F.cross_entropy(output, target).item()  # noqa: E731
    optimizer = adam(3e-3, weight_decay=0.3) if fixed else adam(3e-3)
    epochs = 15 if fixed else 60
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *genes().parts, score, batch_size=16, epochs=epochs)


@faulty("unsuited-optimizer", also=("diverged", "oscillating-loss"), tags=("mlp", "regression"), tier="real")
def concrete_lbfgs_on_small_batches(seed: int, fixed: bool) -> Setup:
    """L-BFGS compares gradients of different batches of 16, and takes their noise for curvature."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        def closure() -> float:
            optimizer.zero_grad()
            loss = F.mse_loss(model(inputs), targets)
            loss.backward()
            return loss.item()

        return torch.as_tensor(optimizer.step(closure)).detach()

    lbfgs = lambda model: torch.optim.LBFGS(model.parameters(), lr=0.5, max_iter=4)  # noqa: E731
    optimizer, model = adam(5e-3) if fixed else lbfgs, net([4, 40, 40, 1], nn.Tanh)
    return Setup(model, F.mse_loss, optimizer, *data.parts, r2, batch_size=16, epochs=8, update=update)


@faulty(
    "unsuited-optimizer",
    also=("learning-rate-too-low", "underfitting", "not-learning"),
    tags=("embedding", "recommender"),
)
def clicks_adam_with_an_epsilon_of_one(seed: int, fixed: bool) -> Setup:
    """`Adam(eps=1.0)`, taken from somebody's large vision net: beside it the gradients of rare rows are nothing."""
    torch.manual_seed(seed)
    optimizer = adam(1e-2, weight_decay=0.3, eps=1e-8 if fixed else 1.0)
    return Setup(Clicks(4, 0.1), clicked, optimizer, *clicks().parts, binary_accuracy, batch_size=40, epochs=10)


@faulty("missing-zero-grad", also=("learning-rate-too-high", "diverged"), tags=("mlp", "regression"), tier="real")
def pendulum_zero_grad_without_a_call(seed: int, fixed: bool) -> Setup:
    """`optimizer.zero_grad` stands in the loop without its parentheses, a line that does nothing."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad() if fixed else optimizer.zero_grad
        loss = F.smooth_l1_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    model, parts = net([2, 48, 48, 2], nn.Tanh), pendulum().parts
    return Setup(model, F.smooth_l1_loss, sgd(0.08), *parts, r2, batch_size=32, epochs=15, update=update)


@faulty("missing-zero-grad", also=("oscillating-loss", "learning-rate-too-high"), tags=("cnn", "real-data"))
def patches_cleared_with_the_log(seed: int, fixed: bool) -> Setup:
    """`zero_grad` slipped into the block that prints every 20th loss; between, gradients pile up."""
    torch.manual_seed(seed)
    done = [0]

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        if fixed or done[0] % 20 == 0:
            optimizer.zero_grad()
        done[0] += 1
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    model, parts = filters([3, 12, 16, 24], 2, nn.SiLU), patches().parts
    return Setup(model, F.cross_entropy, sgd(0.05), *parts, accuracy, batch_size=25, epochs=9, update=update)


@faulty("unoptimised-parameters", also=("underfitting",), tags=("mlp", "regression", "weight-norm"), tier="real")
def concrete_weight_norm_after_the_optimizer(seed: int, fixed: bool) -> Setup:
    """Weight norm replaces each weight by two new parameters, after the optimizer has taken the old ones."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()

    model = net([4, 32, 32, 1], nn.ELU)
    taken = list(model.parameters())
    for layer in model:
        if isinstance(layer, nn.Linear):
            nn.utils.parametrizations.weight_norm(layer)

    def radam(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.RAdam(model.parameters() if fixed else taken, lr=5e-3)

    return Setup(model, nn.MSELoss(), radam, *data.parts, r2, batch_size=32, epochs=14)


@faulty("bad-initialisation", also=("exploding-gradient", "diverged", "loss-at-start"), tags=("cnn", "real-data"))
def patches_fan_in_without_the_kernel(seed: int, fixed: bool) -> Setup:
    """He's rule by hand divides by the channels alone and forgets the kernel's nine places, in eight layers."""
    torch.manual_seed(seed)
    model = filters([3, *[16] * 8], 2)
    for layer in model:
        if isinstance(layer, nn.Conv2d):
            fan = layer.weight.shape[1] * (layer.weight[0, 0].numel() if fixed else 1)
            nn.init.normal_(layer.weight, std=(2 / fan) ** 0.5)
            nn.init.zeros_(layer.bias)
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.02), *patches().parts, accuracy, batch_size=25, epochs=8)


@faulty("constant-inputs", tags=("cnn", "real-data"), tier="real")
def digits_ink_above_127(seed: int, fixed: bool) -> Setup:
    """Pictures are made black and white at 127, but these pixels end at 16: every picture is black."""
    torch.manual_seed(seed)
    bound = 8 if fixed else 127
    data = table("digits").on_inputs(lambda pixels: (pixels >= bound).float().view(-1, 1, 8, 8))
    model = filters([1, 16, 24, 32], 10, nn.Mish)
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=10)
