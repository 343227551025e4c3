"""Nets on vectors with a loss that measures the wrong thing, or measures it over the wrong shape."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion, friedman, moons, spirals, table
from .._scores import accuracy, balanced_accuracy, probability_accuracy, r2


@faulty("wrong-loss", also=("learning-rate-too-high",), tags=("mlp", "classification", "real-data"))
def fashion_loss_summed_over_the_batch(seed: int, fixed: bool) -> Setup:
    """The loss is the sum over the batch, with a learning rate that is meant for the mean."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Flatten(), nn.Linear(784, 100), nn.ReLU(), nn.Linear(100, 50), nn.ReLU(), nn.Linear(50, 10)
    )
    loss = nn.CrossEntropyLoss(reduction="mean" if fixed else "sum")
    return Setup(
        model,
        loss,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.9),
        *fashion(2000).parts,
        accuracy,
        batch_size=64,
        epochs=8,
    )


@faulty("wrong-loss", also=("diverged",), tags=("mlp", "classification", "real-data"))
def digits_log_likelihood_without_its_minus(seed: int, fixed: bool) -> Setup:
    """A hand-written log-likelihood is minimised: the minus sign is missing."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        likelihood = output.log_softmax(1).gather(1, target.unsqueeze(1)).mean()
        return -likelihood if fixed else likelihood

    model = nn.Sequential(nn.Flatten(), nn.Linear(64, 40), nn.SiLU(), nn.Linear(40, 10))
    return Setup(
        model, loss, lambda m: torch.optim.Adam(m.parameters(), lr=3e-3), *digits().parts, accuracy, 32, epochs=8
    )


@faulty("wrong-loss", tags=("mlp", "regression"))
def friedman_r2_minimised(seed: int, fixed: bool) -> Setup:
    """R2, which should grow, is handed to the optimizer as a loss."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        unexplained = (output - target).square().mean() / target.var()
        return unexplained if fixed else 1 - unexplained

    model = nn.Sequential(nn.Linear(10, 50), nn.ReLU(), nn.Linear(50, 50), nn.ReLU(), nn.Linear(50, 1), nn.Flatten(0))
    return Setup(
        model,
        loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        *friedman().standardised().standardised_targets().parts,
        r2,
        batch_size=50,
        epochs=20,
    )


def nearest_class(output: Tensor, target: Tensor) -> float:
    """Accuracy of one unit rounded to a class, or of one unit a class."""
    guess = output.round().squeeze(1) if output.shape[1] == 1 else output.argmax(1)
    return (guess == target).float().mean().item()


@faulty("wrong-loss", tier="real", tags=("mlp", "classification", "real-data"))
def fashion_squared_error_on_class_indices(seed: int, fixed: bool) -> Setup:
    """Ten kinds of clothing are regressed as the number 0 to 9, as if a shirt lay between a sandal and a sneaker."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Linear(64, 64), nn.ReLU())
    model.append(nn.Linear(64, 10 if fixed else 1))

    def squares(output: Tensor, target: Tensor) -> Tensor:
        return (output.squeeze(1) - target.float()).square().mean()

    return Setup(
        model,
        F.cross_entropy if fixed else squares,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-3),
        *fashion(2000).parts,
        nearest_class,
        batch_size=32,
        epochs=8,
    )


@faulty("wrong-loss", also=("learning-rate-too-low", "vanishing-gradient"), tags=("mlp", "classification"))
def spirals_loss_divided_twice(seed: int, fixed: bool) -> Setup:
    """The mean loss of a batch is divided by the batch size, and then by the number of batches."""
    torch.manual_seed(seed)
    data = spirals()
    model = nn.Sequential(nn.Linear(2, 64), nn.Tanh(), nn.Linear(64, 64), nn.Tanh(), nn.Linear(64, 2))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        mean = F.cross_entropy(output, target)
        return mean if fixed else mean / len(output) / (len(data.inputs) / 30)

    return Setup(
        model,
        loss,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.2, momentum=0.9),
        *data.parts,
        accuracy,
        batch_size=30,
        epochs=40,
    )


@faulty("wrong-loss", also=("class-imbalance",), tags=("mlp", "classification", "binary", "real-data"))
def digits_absolute_error_on_a_rare_class(seed: int, fixed: bool) -> Setup:
    """Is it an eight? Absolute error is least where every answer is no."""
    torch.manual_seed(seed)
    data = digits().columns().on_targets(lambda digit: (digit == 8).float())
    model = nn.Sequential(nn.Linear(64, 20), nn.Sigmoid(), nn.Linear(20, 1), nn.Sigmoid(), nn.Flatten(0))

    def recall(output: Tensor, target: Tensor) -> float:
        return balanced_accuracy(torch.stack([1 - output, output], 1), target)

    return Setup(
        model,
        F.binary_cross_entropy if fixed else F.l1_loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        *data.parts,
        recall,
        batch_size=32,
        epochs=12,
    )


@faulty("wrong-loss", tags=("mlp", "regression"))
def friedman_cosine_of_the_batch(seed: int, fixed: bool) -> Setup:
    """One minus the cosine between outputs and targets: the shape is learnt, the scale never is."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return F.mse_loss(output, target) if fixed else 1 - F.cosine_similarity(output, target, dim=0)

    model = nn.Sequential(nn.Linear(10, 32), nn.Softplus(), nn.Linear(32, 32), nn.Softplus(), nn.Linear(32, 1))
    return Setup(
        model.append(nn.Flatten(0)),
        loss,
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        *friedman().standardised().standardised_targets().parts,
        r2,
        batch_size=64,
        epochs=30,
    )


@faulty("shape-broadcast", tier="real", tags=("mlp", "regression"))
def friedman_column_minus_row(seed: int, fixed: bool) -> Setup:
    """The output is (n, 1), the target (n,): the difference is (n, n) and every output learns the mean."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Linear(10, 64), nn.ReLU(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 1))
    data = friedman().standardised().standardised_targets()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return ((output.squeeze(1) if fixed else output) - target).pow(2).mean()

    return Setup(model, loss, lambda m: torch.optim.Adam(m.parameters(), lr=2e-3), *data.parts, r2, 32, epochs=20)


class Bounded(nn.Module):
    """Predicts a middle and a spread."""

    def __init__(self, columns: int):
        super().__init__()
        self.body = nn.Sequential(nn.Linear(columns, 32), nn.Mish(), nn.Linear(32, 32), nn.Mish())
        self.middle, self.spread = nn.Linear(32, 1), nn.Linear(32, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.body(x)
        return torch.cat([self.middle(x), F.softplus(self.spread(x)) + 0.05], dim=1)


@faulty("shape-broadcast", tags=("mlp", "regression", "likelihood"))
def friedman_gaussian_likelihood_broadcast(seed: int, fixed: bool) -> Setup:
    """A hand-written gaussian likelihood slices the middle as (n, 1) and compares it with (n,) targets."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        middle, spread = (output[:, 0], output[:, 1]) if fixed else (output[:, :1], output[:, 1:])
        return (torch.log(spread) + 0.5 * ((target - middle) / spread) ** 2).mean()

    def explained(output: Tensor, target: Tensor) -> float:
        return r2(output[:, 0], target)

    data = friedman().standardised().standardised_targets()
    return Setup(
        Bounded(10), loss, lambda m: torch.optim.Adam(m.parameters(), lr=3e-3), *data.parts, explained, 25, epochs=20
    )


@faulty("shape-broadcast", also=("wrong-loss",), tags=("mlp", "classification", "binary"))
def moons_log_loss_broadcast(seed: int, fixed: bool) -> Setup:
    """A hand-written log loss multiplies (n,) labels with (n, 1) probabilities."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        p = output.clamp(1e-6, 1 - 1e-6).view(target.shape) if fixed else output.clamp(1e-6, 1 - 1e-6)
        return -(target * p.log() + (1 - target) * (1 - p).log()).mean()

    model = nn.Sequential(nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
    data = moons().on_targets(Tensor.float)
    return Setup(
        model,
        loss,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        *data.parts,
        probability_accuracy,
        batch_size=20,
        epochs=15,
    )


@faulty("shape-broadcast", tier="real", tags=("mlp", "regression", "real-data"))
def diabetes_column_targets(seed: int, fixed: bool) -> Setup:
    """The net squeezes its output to (n,), but the targets kept their column (n, 1); the Huber loss spreads both."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised().standardised_targets()
    if not fixed:
        data = data.on_targets(lambda value: value.reshape(-1, 1))
    model = nn.Sequential(nn.Linear(10, 24), nn.Tanh(), nn.Linear(24, 1), nn.Flatten(0))

    def huber(output: Tensor, target: Tensor) -> Tensor:
        error = (output - target).abs()
        return torch.where(error < 1, 0.5 * error**2, error - 0.5).mean()

    return Setup(
        model,
        huber,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.03, momentum=0.9),
        *data.parts,
        r2,
        batch_size=16,
        epochs=15,
    )
