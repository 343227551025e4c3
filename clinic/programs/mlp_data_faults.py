"""Nets on tables whose data are at fault: missing values, labels, order."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, digits, friedman, houses, moons, table
from .._scores import accuracy, balanced_accuracy, r2


def perceptron(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between; images are flattened."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of outputs (n, 1) against targets (n,)."""
    return F.mse_loss(output.squeeze(1), target)


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "regression", "table"))
def houses_with_missing_cells(seed: int, fixed: bool) -> Setup:
    """A few cells of the table are empty, and NaN to the net; the fix puts the column's mean."""
    torch.manual_seed(seed)
    data = houses().standardised().standardised_targets()
    holes = torch.rand(data.inputs.shape, generator=torch.Generator().manual_seed(2)) < 0.004
    data = data._replace(inputs=data.inputs.masked_fill(holes, 0.0 if fixed else float("nan")))
    return Setup(
        perceptron(6, 32, 32, 1, activation=nn.GELU),
        squared_error,
        lambda m: torch.optim.AdamW(m.parameters(), lr=3e-3),
        *data.parts,
        r2,
        batch_size=32,
        epochs=15,
    )


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "classification", "real-data"))
def digits_logarithm_of_empty_pixels(seed: int, fixed: bool) -> Setup:
    """Pixels are put on a log scale without adding one: empty ones become minus infinity."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: torch.log(pixels + 1) - 1.1 if fixed else torch.log(pixels))
    return Setup(
        perceptron(64, 32, 10),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=12,
    )


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "regression", "real-data"))
def diabetes_one_target_missing(seed: int, fixed: bool) -> Setup:
    """One of 331 targets is NaN; the first batch that holds it ends the training."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised().standardised_targets()
    if fixed:
        data = data._replace(inputs=data.inputs[:-1], targets=data.targets[:-1])
    else:
        data = data._replace(targets=torch.cat([data.targets[:-1], torch.tensor([float("nan")])]))
    return Setup(
        perceptron(10, 20, 1, activation=nn.ELU),
        squared_error,
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        *data.parts,
        r2,
        batch_size=16,
        epochs=12,
    )


@faulty("label-range", tags=("mlp", "classification", "binary"))
def moons_labels_minus_one_and_one(seed: int, fixed: bool) -> Setup:
    """Labels -1 and 1, as support vector machines want them, in a log loss that wants 0 and 1."""
    torch.manual_seed(seed)
    data = moons().on_targets(lambda label: label.float().unsqueeze(1))
    model = perceptron(2, 30, 30, 1)
    valid = data.valid
    if not fixed:
        data = data.on_targets(lambda label: 2 * label - 1)
    return Setup(
        model,
        nn.BCEWithLogitsLoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        data.train,
        valid,
        calibrated,
        batch_size=25,
        epochs=15,
    )


def calibrated(output: Tensor, target: Tensor) -> float:
    """Minus the log loss, what a user of the probabilities feels."""
    return max(-10.0, -F.binary_cross_entropy_with_logits(output, target).item())


@faulty("label-range", tier="real", tags=("mlp", "classification", "binary", "real-data"))
def tumours_labels_zero_and_255(seed: int, fixed: bool) -> Setup:
    """Labels were read from a mask and are 0 or 255."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(lambda label: label.float().unsqueeze(1))
    train = data.train if fixed else (data.inputs, 255 * data.targets)
    return Setup(
        perceptron(30, 20, 1, activation=nn.SiLU),
        F.binary_cross_entropy_with_logits,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        train,
        data.valid,
        calibrated,
        batch_size=20,
        epochs=10,
    )


@faulty("label-range", also=("labels-unrelated",), tier="real", tags=("mlp", "classification", "real-data"))
def iris_classes_from_one(seed: int, fixed: bool) -> Setup:
    """The training file counts classes from 1, the validation file from 0; a fourth output hides the error."""
    torch.manual_seed(seed)
    data = table("iris").standardised()
    train = data.train if fixed else (data.inputs, data.targets + 1)
    return Setup(
        perceptron(4, 16, 16, 3 if fixed else 4, activation=nn.Tanh),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        train,
        data.valid,
        accuracy,
        batch_size=8,
        epochs=15,
    )


@faulty("label-range", tags=("mlp", "classification", "real-data"))
def digits_unknown_classes_ignored(seed: int, fixed: bool) -> Setup:
    """Labels missing from a lookup became -100, which `cross_entropy` skips without a word: three digits are lost."""
    torch.manual_seed(seed)
    data = digits()
    lookup = torch.arange(10) if fixed else torch.tensor([0, 1, 2, 3, -100, 5, 6, -100, 8, -100])
    return Setup(
        perceptron(64, 50, 50, 10, activation=nn.Hardswish),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        (data.inputs, lookup[data.targets]),
        data.valid,
        accuracy,
        batch_size=32,
        epochs=8,
    )


def rare(data: Split, label: int, keep: int) -> Split:
    """The training part with only `keep` examples of `label`; target 1 for it, 0 for the rest."""
    mine = (data.targets == label).nonzero().flatten()[:keep]
    rest = (data.targets != label).nonzero().flatten()
    chosen = torch.cat([mine, rest])
    return data._replace(inputs=data.inputs[chosen], targets=data.targets[chosen]).on_targets(
        lambda digit: (digit == label).long()
    )


@faulty("class-imbalance", tags=("mlp", "classification", "binary", "real-data"))
def digits_one_nine_in_sixty(seed: int, fixed: bool) -> Setup:
    """Twenty nines among twelve hundred other digits: saying no is right nearly always."""
    torch.manual_seed(seed)
    weight = torch.tensor([1.0, 60.0]) if fixed else None
    return Setup(
        perceptron(64, 24, 2, activation=nn.Sigmoid),
        lambda output, target: F.cross_entropy(output, target, weight=weight),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *rare(digits(), 9, 20).parts,
        balanced_accuracy,
        batch_size=64,
        epochs=12,
    )


@faulty("class-imbalance", tags=("mlp", "classification", "table"))
def friedman_rare_extremes(seed: int, fixed: bool) -> Setup:
    """The class is the highest twentieth of a value: in plain cross-entropy half of those are missed."""
    torch.manual_seed(seed)
    data = friedman(2000, 2.0).standardised()
    limit = data.targets.quantile(0.96)
    data = data.on_targets(lambda value: (value > limit).long())
    weight = torch.tensor([1.0, 24.0]) if fixed else None
    return Setup(
        perceptron(10, 16, 2),
        nn.CrossEntropyLoss(weight=weight),
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        *data.parts,
        balanced_accuracy,
        batch_size=50,
        epochs=15,
    )


@faulty("labels-unrelated", tier="real", tags=("mlp", "classification", "real-data"))
def digits_labels_sorted_alone(seed: int, fixed: bool) -> Setup:
    """Rows were sorted by a column and labels were not: nothing but chance connects them."""
    torch.manual_seed(seed)
    data = digits()
    if not fixed:
        data = data._replace(inputs=data.inputs[data.inputs[:, 0, 3, 3].argsort(stable=True)])
    return Setup(
        perceptron(64, 64, 10, activation=nn.ELU),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=8,
    )


@faulty("labels-unrelated", tags=("mlp", "regression", "table"))
def friedman_targets_one_row_off(seed: int, fixed: bool) -> Setup:
    """A header row was cut from the targets only: every row carries the target of the next."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    if not fixed:
        data = data._replace(targets=data.targets.roll(-1))
    return Setup(
        perceptron(10, 32, 16, 1, activation=nn.Softplus),
        squared_error,
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        *data.parts,
        r2,
        batch_size=32,
        epochs=15,
    )


def in_order(data: Split) -> Split:
    """The training part sorted by its targets."""
    order = data.targets.argsort(stable=True)
    return data._replace(inputs=data.inputs[order], targets=data.targets[order])


@faulty("unshuffled-data", tags=("mlp", "classification", "real-data"))
def digits_sorted_by_class(seed: int, fixed: bool) -> Setup:
    """The file is sorted by digit and the loader does not shuffle: the net forgets each digit for the next."""
    torch.manual_seed(seed)
    return Setup(
        perceptron(64, 64, 10),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *in_order(digits()).parts,
        accuracy,
        batch_size=32,
        epochs=6,
        shuffle=fixed,
    )


@faulty("unshuffled-data", tags=("mlp", "regression", "table"))
def houses_sorted_by_price(seed: int, fixed: bool) -> Setup:
    """The table is sorted by price and read in order: each epoch ends on mansions."""
    torch.manual_seed(seed)
    return Setup(
        perceptron(6, 32, 32, 1, activation=nn.SiLU),
        squared_error,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        *in_order(houses().standardised().standardised_targets()).parts,
        r2,
        batch_size=25,
        epochs=15,
        shuffle=fixed,
    )
