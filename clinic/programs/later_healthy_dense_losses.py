"""Dense nets under rankings, distances, likelihoods, masks and weights that learn."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, healthy
from .._data import circuit, cut, digits, hires, purchases, table, weather
from .._scores import accuracy, r2
from .later_data_faults import Tastes, by_the_clock, preferred, shares
from .later_dense_faults import adam, net, sgd


@healthy(tags=("mlp", "metric", "contrastive", "real-data"))
def digits_around_their_prototypes(seed: int) -> Setup:
    """Half of a batch gives each class a mean, the other half is told by its distance to them (prototypical nets)."""
    torch.manual_seed(seed)
    data, model = digits(), nn.Sequential(nn.Flatten(), net([64, 64, 16], nn.LeakyReLU))

    def far(points: Tensor, found: Tensor, labels: Tensor) -> Tensor:
        belongs = F.one_hot(labels, 10).float()
        means = belongs.T @ found / belongs.sum(0).clamp(min=1).unsqueeze(1)
        return torch.cdist(points, means).square()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        (support, query), (known, asked) = model(inputs).tensor_split(2), targets.tensor_split(2)
        loss = F.cross_entropy(-far(query, support, known), asked)
        loss.backward()
        optimizer.step()
        return loss.detach()

    def score(output: Tensor, target: Tensor) -> float:
        with torch.no_grad():
            return accuracy(-far(output, model(data.inputs), data.targets), target)

    return Setup(model, F.cross_entropy, adam(1e-3), *data.parts, score, batch_size=96, epochs=12, update=update)


@healthy(tags=("embedding", "recommender", "ranking"))
def tastes_by_pairs(seed: int) -> Setup:
    """Bayesian personalised ranking of goods, with decay; the loss starts at log 2 and stays well above zero."""
    torch.manual_seed(seed)
    loss = lambda output, target: -F.logsigmoid(output).mean()  # noqa: E731
    return Setup(Tastes(8), loss, adam(1e-2, weight_decay=0.1), *purchases().parts, preferred, batch_size=30, epochs=8)


@healthy(tags=("embedding", "recommender", "ranking", "margin"))
def tastes_by_a_margin(seed: int) -> Setup:
    """The same wish for order as a hinge with a margin of one, under Adagrad; satisfied pairs give no gradient."""
    torch.manual_seed(seed)
    loss = lambda output, target: F.relu(1 - output).mean()  # noqa: E731
    return Setup(
        Tastes(5, 0.3),
        loss,
        lambda model: torch.optim.Adagrad(model.parameters(), lr=0.2),
        *purchases().parts,
        preferred,
        batch_size=64,
        epochs=20,
    )


@healthy(tags=("mlp", "multi-head", "masked", "regression"))
def weather_and_its_classes_partly_known(seed: int) -> Setup:
    """A value and a class from two heads; a third of the values and half of the classes are unknown and masked."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(83)
    data = weather().standardised().standardised_targets()

    def pack(y: Tensor) -> Tensor:
        known = torch.rand(len(y), 2, generator=g) > torch.tensor([0.33, 0.5])
        return torch.cat([y, (y > 0.3).float(), known.float()], 1)

    class Heads(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.body = nn.Sequential(net([4, 48, 32], nn.Mish), nn.Mish())
            self.heads = nn.ModuleDict({"value": nn.Linear(32, 1), "wet": nn.Linear(32, 1)})

        def forward(self, x: Tensor) -> Tensor:
            h = self.body(x)
            return torch.cat([head(h) for head in self.heads.values()], 1)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        wet = F.binary_cross_entropy_with_logits(output[:, 1], target[:, 1], reduction="none")
        errors = torch.stack([(output[:, 0] - target[:, 0]).square(), 0.5 * wet], 1)
        return (errors * target[:, 2:]).sum() / target[:, 2:].sum().clamp(min=1)

    parts = data.on_targets(pack).parts
    return Setup(Heads(), loss, adam(5e-3), *parts, lambda out, y: r2(out[:, 0], y[:, 0]), batch_size=40, epochs=14)


@healthy(tags=("mlp", "regression", "weighted"))
def circuit_of_good_and_bad_meters(seed: int) -> Setup:
    """Half of the rows are noisy and weigh a twentieth; validation is against the truth."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(89)
    data = circuit().standardised().standardised_targets()
    weight = torch.where(torch.rand(len(data.targets), 1, generator=g) < 0.5, 1.0, 0.05)
    read = data.targets + (0.05 / weight) * torch.randn(weight.shape, generator=g)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (target[:, 1:] * (output - target[:, :1]).square()).sum() / target[:, 1:].sum()

    model = net([4, 40, 20, 1], nn.Softplus)
    return Setup(model, loss, adam(6e-3), (data.inputs, torch.cat([read, weight], 1)), data.valid, r2, 36, epochs=15)


@healthy(tags=("mlp", "distribution", "divergence"))
def shares_by_their_divergence(seed: int) -> Setup:
    """Shares of four ways to travel by the divergence of log-softmax outputs; the score is the share of it saved."""
    torch.manual_seed(seed)
    data = shares()
    plain = F.kl_div(data.valid_targets.mean(0).log().expand_as(data.valid_targets), data.valid_targets)
    score = lambda output, target: (1 - F.kl_div(output, target) / plain).item()  # noqa: E731
    model = nn.Sequential(net([6, 64, 32, 4], nn.Hardswish), nn.LogSoftmax(1))
    return Setup(model, nn.KLDivLoss(reduction="batchmean"), sgd(0.05), *data.parts, score, batch_size=24, epochs=12)


@healthy(tags=("mlp", "regression", "likelihood", "mixture"))
def two_answers_by_a_mixture(seed: int) -> Setup:
    """A wave turned on its side has two answers; a mixture of three gaussians says both, at a loss below zero."""
    torch.manual_seed(seed)
    g = torch.Generator().manual_seed(97)
    x = 2 * torch.rand(1600, 1, generator=g) - 1
    side = torch.randint(0, 2, (1600, 1), generator=g) * 2.0 - 1
    data = cut(x, side * (0.6 + 0.3 * (3 * x).sin()) + 0.05 * torch.randn(1600, 1, generator=g))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        share, mean, spread = output.chunk(3, 1)
        each = torch.distributions.Normal(mean, F.softplus(spread) + 0.02).log_prob(target)
        return -(share.log_softmax(1) + each).logsumexp(1).mean()

    model = net([1, 40, 40, 9], nn.Tanh)
    return Setup(model, loss, adam(5e-3), *data.parts, lambda out, y: -loss(out, y).item(), batch_size=32, epochs=20)


@healthy(tags=("mlp", "metric", "triplet", "real-data"))
def wine_by_triplets(seed: int) -> Setup:
    """Of each row's neighbours in the batch, the furthest of its kind and the nearest of another, under a margin."""
    torch.manual_seed(seed)
    data, model = table("wine").standardised(), net([13, 32, 4], nn.Tanh)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        found = model(inputs)
        apart, same = (torch.cdist(found, found) + 1e-6), targets[:, None] == targets[None]
        positive, negative = apart.masked_fill(~same, 0).amax(1), apart.masked_fill(same, 1e3).amin(1)
        loss = F.relu(positive - negative + 1).mean()
        loss.backward()
        optimizer.step()
        return loss.detach()

    def score(output: Tensor, target: Tensor) -> float:
        with torch.no_grad():
            nearest = torch.cdist(output, model(data.inputs)).argmin(1)
        return (data.targets[nearest] == target).float().mean().item()

    return Setup(model, F.cross_entropy, adam(2e-3), *data.parts, score, batch_size=24, epochs=15, update=update)


@healthy(tags=("mlp", "regression", "counts", "poisson", "accumulated"))
def hires_as_counts_in_parts(seed: int) -> Setup:
    """Counts by their likelihood, a log rate per hour; batches of 120 in three parts, gradients clipped at 5."""
    torch.manual_seed(seed)
    data, model = hires().on_inputs(by_the_clock), net([7, 64, 64, 1], nn.LeakyReLU)
    nn.init.constant_(model[-1].bias, data.targets.mean().log().item())
    score = lambda output, target: r2(output.exp().sqrt(), target.sqrt())  # noqa: E731
    return Setup(
        model, nn.PoissonNLLLoss(), adam(5e-3), *data.parts, score, batch_size=120, epochs=20, clip=5.0, accumulate=3
    )
