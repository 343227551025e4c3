"""Healthy programs with a loop of their own: two players, several losses, moving targets, physics, an adversary."""

from __future__ import annotations

import copy
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.optim import Optimizer

from .._base import Setup, healthy
from .._data import cut, digits, table
from .._scores import accuracy, r2


def _relu_net(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for before, after in pairwise(widths):
        layers += [nn.Linear(before, after), nn.ReLU()]
    return nn.Sequential(*layers[:-1])


@healthy(tags=("gan", "two-players", "mlp"))
def two_players_on_a_ring(seed: int) -> Setup:
    """A generator and a critic play for eight clouds on a ring; neither loss goes down, and both sides learn."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(101)
    angle = torch.randint(0, 8, (2400,), generator=g) * torch.pi / 4
    clouds = 1.5 * torch.stack([angle.cos(), angle.sin()], 1) + 0.1 * torch.randn(2400, 2, generator=g)
    data = cut(torch.randn(2400, 4, generator=g), clouds)
    critic = nn.Sequential(nn.Linear(2, 64), nn.LeakyReLU(0.2), nn.Linear(64, 64), nn.LeakyReLU(0.2), nn.Linear(64, 1))
    judged = torch.optim.Adam(critic.parameters(), lr=3e-3, betas=(0.5, 0.99))

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        made = model(inputs)
        judged.zero_grad()
        (F.softplus(-critic(targets)).mean() + F.softplus(critic(made.detach())).mean()).backward()
        judged.step()
        optimizer.zero_grad()
        loss = F.softplus(-critic(made)).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def energy(output: Tensor, target: Tensor) -> Tensor:
        between, made, real = (
            torch.cdist(a, b).mean() for a, b in ((output, target), (output, output), (target, target))
        )
        return 2 * between - made - real

    collapsed = energy(torch.zeros(2, 2), data.valid_targets)
    return Setup(
        _relu_net(4, 64, 64, 2),
        energy,
        lambda model: torch.optim.Adam(model.parameters(), lr=1e-3, betas=(0.5, 0.99)),
        data.train,
        data.valid,
        lambda output, target: (1 - energy(output, target) / collapsed).item(),
        batch_size=64,
        epochs=30,
        update=update,
    )


@healthy(tags=("actor-critic", "policy-gradient", "noisy-loss"))
def actor_and_critic(seed: int) -> Setup:
    """A policy over eight actions learns from sampled rewards and a value head; its loss is noise around nothing."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(103)
    states = torch.randn(2400, 6, generator=g)
    data = cut(states, torch.tanh(states @ torch.randn(6, 8, generator=g)))

    class _Agent(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body, self.policy, self.value = _relu_net(6, 48, 48), nn.Linear(48, 8), nn.Linear(48, 1)

        def forward(self, states: Tensor) -> Tensor:
            return self.policy(F.relu(self.body(states)))

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        assert isinstance(model, _Agent)
        hidden = F.relu(model.body(inputs))
        choice, value = torch.distributions.Categorical(logits=model.policy(hidden)), model.value(hidden).squeeze(1)
        action = choice.sample()
        reward = targets.gather(1, action[:, None]).squeeze(1) + 0.5 * torch.randn(len(inputs))
        actor = -(choice.log_prob(action) * (reward - value.detach())).mean() - 0.01 * choice.entropy().mean()
        loss = actor + 0.5 * F.mse_loss(value, reward)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        return loss.detach()

    def reached(output: Tensor, target: Tensor) -> float:
        """Reward of the likeliest actions, as a share of the best that can be had."""
        return (target.gather(1, output.argmax(1, keepdim=True)).mean() / target.amax(1).mean()).item()

    return Setup(
        _Agent(),
        lambda output, target: -(output.softmax(1) * target).sum(1).mean(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        reached,
        batch_size=64,
        epochs=25,
        update=update,
    )


@healthy(tags=("multi-task", "heads", "real-data"))
def four_heads_with_learnt_weights(seed: int) -> Setup:
    """One body, four heads in a dict, whose losses are weighed by variances that are learnt beside them."""
    torch.manual_seed(seed)
    data = digits().columns()
    facts = {"digit": lambda y: y, "odd": lambda y: y % 2, "large": lambda y: (y > 4).long(), "third": lambda y: y % 3}

    class _Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU())
            sizes = {"digit": 10, "odd": 2, "large": 2, "third": 3}
            self.heads = nn.ModuleDict({name: nn.Linear(64, size) for name, size in sizes.items()})
            self.doubt = nn.Parameter(torch.zeros(4))

        def every(self, inputs: Tensor) -> dict[str, Tensor]:
            hidden = self.body(inputs)
            return {name: head(hidden) for name, head in self.heads.items()}

        def forward(self, inputs: Tensor) -> Tensor:
            return self.every(inputs)["digit"]

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        assert isinstance(model, _Heads)
        outputs = model.every(inputs)
        losses = torch.stack([F.cross_entropy(outputs[name], fact(targets)) for name, fact in facts.items()])
        loss = ((-model.doubt).exp() * losses + model.doubt / 2).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(
        _Heads(),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=8,
        update=update,
    )


@healthy(tags=("mlp", "physics", "second-derivative", "tanh"))
def oscillator_by_its_equation(seed: int) -> Setup:
    """A net that must fulfil u'' = -9u with u(0) = 1, u'(0) = 0; there are no targets, the score knows the cosine."""
    torch.manual_seed(seed)
    times = torch.linspace(0, 2, 960).unsqueeze(1)
    model = nn.Sequential(nn.Linear(1, 32), nn.Tanh(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 1))

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        time = torch.cat([torch.zeros(1, 1), inputs]).requires_grad_()
        place = model(time)
        (speed,) = torch.autograd.grad(place.sum(), time, create_graph=True)
        (force,) = torch.autograd.grad(speed.sum(), time, create_graph=True)
        start = (place[0] - 1).square() + speed[0].square()
        loss = ((force + 9 * place) / 9).square().mean() + start.sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(
        model,
        nn.MSELoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        (times, torch.cos(3 * times)),
        (times, torch.cos(3 * times)),
        r2,
        batch_size=96,
        epochs=100,
        update=update,
        schedule=lambda o, updates: torch.optim.lr_scheduler.CosineAnnealingLR(o, updates),
    )


@healthy(tags=("mlp", "classification", "second-order", "real-data"))
def quasi_newton(seed: int) -> Setup:
    """L-BFGS with a line search on the whole table at once: a few dozen long steps."""
    torch.manual_seed(seed)
    data = table("wine").standardised()

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        def closure() -> float:
            optimizer.zero_grad()
            penalty = sum(weight.square().sum() for weight in model.parameters())
            loss = F.cross_entropy(model(inputs), targets) + 1e-3 * penalty
            loss.backward()
            return loss.item()

        return torch.as_tensor(optimizer.step(closure))

    return Setup(
        nn.Sequential(nn.Linear(13, 12), nn.Tanh(), nn.Linear(12, 3)),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.LBFGS(model.parameters(), max_iter=3, line_search_fn="strong_wolfe"),
        data.train,
        data.valid,
        accuracy,
        batch_size=1000,
        epochs=60,
        update=update,
    )


@healthy(tags=("mlp", "classification", "adversarial", "real-data"))
def trained_against_an_adversary(seed: int) -> Setup:
    """Every batch is pushed against the net before the step; the loss stays far above that of untouched pictures."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16)

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        pushed = inputs.clone().requires_grad_()
        (slope,) = torch.autograd.grad(F.cross_entropy(model(pushed), targets), pushed)
        optimizer.zero_grad()
        loss = F.cross_entropy(model((inputs + 0.12 * slope.sign()).clamp(0, 1)), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(
        _relu_net(64, 128, 64, 10),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=10,
        update=update,
    )


@healthy(tags=("mlp", "classification", "mixup", "real-data"))
def mixed_pictures(seed: int) -> Setup:
    """Pictures and labels are mixed in pairs, so that the training loss can never come near zero."""
    torch.manual_seed(seed)
    data = digits().columns()

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        share, other = torch.rand(len(inputs), 1) * 0.5 + 0.5, torch.randperm(len(inputs))
        output = model(share * inputs + (1 - share) * inputs[other])
        wanted = share * F.one_hot(targets, 10) + (1 - share) * F.one_hot(targets[other], 10)
        optimizer.zero_grad()
        loss = F.cross_entropy(output, wanted)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(
        nn.Sequential(nn.Linear(64, 96), nn.BatchNorm1d(96), nn.SiLU(), nn.Linear(96, 10)),
        nn.CrossEntropyLoss(),
        lambda model: torch.optim.AdamW(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        accuracy,
        epochs=8,
        update=update,
    )


@healthy(tags=("mlp", "regression", "moving-target", "noisy-loss"))
def value_of_a_walk(seed: int) -> Setup:
    """Values by temporal differences against a slowly following copy: the targets move, the loss is restless."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(107)
    places = 2 * torch.rand(3000, 1, generator=g) - 1
    data = cut(places, torch.sin(3 * places))
    model = _relu_net(1, 48, 48, 1)
    follower = copy.deepcopy(model)

    def update(model: nn.Module, optimizer: Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        step = (inputs + 0.1 * torch.randn_like(inputs)).clamp(-1, 1)
        # The reward for which sin(3x) is the value at a discount of 0.7, had the step not been random.
        reward = torch.sin(3 * inputs) - 0.7 * torch.sin(3 * step)
        with torch.no_grad():
            wanted = reward + 0.7 * follower(step)
        optimizer.zero_grad()
        loss = F.smooth_l1_loss(model(inputs), wanted)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for slow, fast in zip(follower.parameters(), model.parameters(), strict=True):
                slow.lerp_(fast, 0.05)
        return loss.detach()

    return Setup(
        model,
        nn.SmoothL1Loss(),
        lambda model: torch.optim.Adam(model.parameters(), lr=3e-3),
        data.train,
        data.valid,
        r2,
        batch_size=64,
        epochs=12,
        update=update,
    )
