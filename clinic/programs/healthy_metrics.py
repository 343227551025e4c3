"""Healthy programs whose output is an order, a place or a distance, and whose loss compares examples."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import cut, digits, friedman
from .._scores import binary_accuracy


def _nearest(output: Tensor, target: Tensor) -> float:
    """Share of points whose nearest other point is of their class."""
    distance = torch.cdist(output, output) + torch.eye(len(output)) * 1e9
    return (target[distance.argmin(1)] == target).float().mean().item()


@healthy(tags=("mlp", "embedding-space", "metric-learning", "real-data"))
def triplets(seed: int) -> Setup:
    """An embedding in four dimensions by triplets mined in the batch; the output is no score of classes."""
    torch.manual_seed(seed)
    data = digits().columns()

    def hardest(output: Tensor, target: Tensor) -> Tensor:
        distance = (torch.cdist(output, output) ** 2 + 1e-6).sqrt()
        same = target[:, None] == target[None]
        far = (distance * same).amax(1)
        near = distance.masked_fill(same, math.inf).amin(1)
        return F.softplus(far - near).mean()

    return Setup(
        nn.Sequential(nn.Linear(64, 96), nn.ReLU(), nn.Linear(96, 4)),
        hardest,
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        data.valid,
        _nearest,
        batch_size=64,
        epochs=12,
    )


@healthy(tags=("mlp", "siamese", "contrastive", "metric-learning", "real-data"))
def siamese_pairs(seed: int) -> Setup:
    """The same net on both pictures of a pair; near if they show the same digit, at least 1 apart if not."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(83)
    data = digits().columns()

    def pairs(inputs: Tensor, labels: Tensor, count: int) -> tuple[Tensor, Tensor]:
        first = torch.randint(0, len(labels), (count,), generator=g)
        alike = torch.rand(count, generator=g) < 0.5
        order = labels.argsort()
        rank = order.argsort()[first]
        near = order[(rank + torch.randint(-20, 21, (count,), generator=g)).clamp(0, len(labels) - 1)]
        second = torch.where(alike, near, torch.randint(0, len(labels), (count,), generator=g))
        return torch.stack([inputs[first], inputs[second]], 1), (labels[first] == labels[second]).float()

    class _Siamese(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(nn.Linear(64, 80), nn.ReLU(), nn.Linear(80, 8))

        def forward(self, pair: Tensor) -> Tensor:
            one, other = self.body(pair[:, 0]), self.body(pair[:, 1])
            return ((one - other).square().sum(1) + 1e-6).sqrt()

    def contrastive(output: Tensor, target: Tensor) -> Tensor:
        return (target * output.square() + (1 - target) * F.relu(1 - output).square()).mean()

    return Setup(
        _Siamese(),
        contrastive,
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        pairs(*data.train, 3000),
        pairs(*data.valid, 600),
        lambda output, target: binary_accuracy(0.5 - output, target),
        batch_size=48,
        epochs=7,
    )


@healthy(tags=("cnn", "contrastive", "self-supervised", "real-data", "large-loss"))
def two_views_of_a_picture(seed: int) -> Setup:
    """Two noisy views of each picture must find each other among the batch; the loss starts at the log of its size."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(89)
    data = digits()
    model = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(16, 32, 3, 2, 1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 16),
    )

    def view(pictures: Tensor) -> Tensor:
        moved = torch.roll(pictures, tuple(torch.randint(-1, 2, (2,), generator=g).tolist()), (2, 3))
        return moved + 0.2 * torch.randn(pictures.shape, generator=g)

    def among(one: Tensor, other: Tensor) -> Tensor:
        likeness = F.normalize(one, dim=1) @ F.normalize(other, dim=1).T / 0.2
        return F.cross_entropy(likeness, torch.arange(len(one)))

    def found(output: Tensor, target: Tensor) -> float:
        one, other = (F.normalize(part, dim=1) for part in output.chunk(2))
        return ((one @ other.T).argmax(1) == torch.arange(len(one))).float().mean().item()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = among(model(view(inputs)), model(view(inputs)))
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(
        model,
        # Without the loop's two views: every picture against the mean of its class in the batch.
        lambda output, target: among(output, torch.stack([output[target == label].mean(0) for label in target])),
        lambda model: torch.optim.Adam(model.parameters(), lr=2e-3),
        data.train,
        (torch.cat([view(data.valid_inputs[:96]), view(data.valid_inputs[:96])]), data.valid_targets[:96].repeat(2)),
        found,
        batch_size=96,
        epochs=20,
        update=update,
    )


@healthy(tags=("mlp", "survival", "ranking"))
def survival_times(seed: int) -> Setup:
    """Cox's partial likelihood over the batch, half of the times cut off; only the order of the output counts."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(97)
    inputs = torch.randn(2400, 6, generator=g)
    risk = 1.2 * inputs[:, 0] - inputs[:, 1] * (inputs[:, 2] > 0) + 0.8 * inputs[:, 3]
    time = -torch.rand(2400, generator=g).clamp(min=1e-6).log() * torch.exp(-risk)
    end = 2 * torch.rand(2400, generator=g)
    data = cut(inputs, torch.stack([torch.minimum(time, end), (time <= end).float()], 1))

    def partial(output: Tensor, target: Tensor) -> Tensor:
        order = target[:, 0].argsort(descending=True)
        score, seen = output[order, 0], target[order, 1]
        return ((score.logcumsumexp(0) - score) * seen).sum() / seen.sum()

    def concordance(output: Tensor, target: Tensor) -> float:
        earlier = (target[:, :1] < target[:, 0]) & (target[:, 1:] > 0)
        return ((output > output[:, 0]) & earlier).sum().item() / earlier.sum().item()

    return Setup(
        nn.Sequential(nn.Linear(6, 32), nn.Tanh(), nn.Linear(32, 1, bias=False)),
        partial,
        lambda model: torch.optim.Adam(model.parameters(), lr=0.01),
        data.train,
        data.valid,
        concordance,
        batch_size=90,
        epochs=10,
    )


@healthy(tags=("mlp", "classification", "ordinal"))
def ordered_grades(seed: int) -> Setup:
    """Five ordered grades as four questions of the kind `more than k?`, which share one direction."""
    torch.manual_seed(seed)
    data = friedman()
    grades = torch.bucketize(data.targets, edges := data.targets.quantile(torch.tensor([0.1, 0.35, 0.65, 0.9])))
    data = data.standardised()._replace(targets=grades, valid_targets=torch.bucketize(data.valid_targets, edges))

    class _Ordinal(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(
                nn.Linear(10, 40), nn.ReLU(), nn.Linear(40, 40), nn.ReLU(), nn.Linear(40, 1, bias=False)
            )
            self.steps = nn.Parameter(torch.tensor([2.0, 0.7, -0.7, -2.0]))

        def forward(self, inputs: Tensor) -> Tensor:
            return self.body(inputs) + self.steps

    levels = torch.arange(4)
    return Setup(
        _Ordinal(),
        lambda output, target: F.binary_cross_entropy_with_logits(output, (target[:, None] > levels).float()),
        lambda model: torch.optim.Adam(model.parameters(), lr=5e-3),
        data.train,
        data.valid,
        lambda output, target: ((output > 0).sum(1) == target).float().mean().item(),
        epochs=20,
    )
