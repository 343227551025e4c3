"""Nets on tables whose columns or targets have the wrong scale."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import friedman, houses, table
from .._scores import accuracy, binary_accuracy, r2
from .mlp_data_faults import perceptron, squared_error


@faulty("unscaled-inputs", tags=("mlp", "classification", "real-data"))
def wine_raw_columns(seed: int, fixed: bool) -> Setup:
    """Raw measurements of wine: proline near 750 beside a hue near 1."""
    torch.manual_seed(seed)
    data = table("wine")
    return Setup(
        perceptron(13, 24, 12, 3),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        *(data.standardised() if fixed else data).parts,
        accuracy,
        batch_size=16,
        epochs=20,
    )


@faulty("unscaled-inputs", tags=("mlp", "classification", "binary", "real-data"))
def tumours_raw_columns(seed: int, fixed: bool) -> Setup:
    """Raw measurements of cells, areas of thousands beside hundredths, in a tanh net that saturates."""
    torch.manual_seed(seed)
    data = table("breast_cancer").on_targets(lambda label: label.float().unsqueeze(1))
    return Setup(
        perceptron(30, 40, 20, 1, activation=nn.Tanh),
        nn.BCEWithLogitsLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05),
        *(data.standardised() if fixed else data).parts,
        binary_accuracy,
        batch_size=32,
        epochs=25,
    )


@faulty("unscaled-inputs", tags=("mlp", "regression", "table"))
def houses_raw_columns(seed: int, fixed: bool) -> Setup:
    """Columns of a house table as they come, incomes of 50,000 beside 3 rooms; only the price is scaled."""
    torch.manual_seed(seed)
    data = houses().standardised_targets()
    return Setup(
        perceptron(6, 32, 32, 1),
        squared_error,
        lambda m: torch.optim.Adam(m.parameters(), lr=2e-3),
        *(data.standardised() if fixed else data).parts,
        r2,
        batch_size=32,
        epochs=20,
    )


@faulty("unscaled-inputs", tags=("mlp", "regression", "table"))
def friedman_columns_far_from_zero(seed: int, fixed: bool) -> Setup:
    """Every column varies by one around 2000, as years do: the spread looks right, the offset is not."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    if not fixed:
        data = data.on_inputs(lambda column: column + 2000)
    return Setup(
        perceptron(10, 64, 32, 1, activation=nn.LeakyReLU),
        squared_error,
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *data.parts,
        r2,
        batch_size=50,
        epochs=25,
    )


@faulty("unscaled-targets", also=("learning-rate-too-low", "underfitting"), tags=("mlp", "regression", "table"))
def houses_prices_in_currency(seed: int, fixed: bool) -> Setup:
    """Prices of hundreds of thousands with Adam at 1e-3: the output would take years to get there."""
    torch.manual_seed(seed)
    data = houses().standardised()
    return Setup(
        perceptron(6, 64, 64, 1),
        squared_error,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-3),
        *(data.standardised_targets() if fixed else data).parts,
        r2,
        batch_size=32,
        epochs=20,
    )


@faulty("unscaled-targets", also=("diverged", "learning-rate-too-high"), tags=("mlp", "regression", "real-data"))
def diabetes_raw_progression(seed: int, fixed: bool) -> Setup:
    """Targets of 25 to 346 with SGD: the first steps throw the net away."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised()
    return Setup(
        perceptron(10, 32, 16, 1, activation=nn.SiLU),
        squared_error,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.02, momentum=0.9),
        *(data.standardised_targets() if fixed else data).parts,
        r2,
        batch_size=20,
        epochs=12,
    )


@faulty("unscaled-targets", tags=("mlp", "regression"))
def friedman_tiny_targets(seed: int, fixed: bool) -> Setup:
    """Targets in units so large that they are about 1e-5: what the net has at the start is already below any slope."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    if not fixed:
        data = data.on_targets(lambda value: value * 1e-5)
    return Setup(
        perceptron(10, 48, 48, 1, activation=nn.Tanh),
        squared_error,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *data.parts,
        r2,
        batch_size=32,
        epochs=30,
    )


@faulty("unscaled-targets", tags=("mlp", "regression", "multi-output"))
def friedman_two_targets_of_unlike_size(seed: int, fixed: bool) -> Setup:
    """Two targets share a loss, one a thousand times larger: the small one is never heard."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    scale = 1.0 if fixed else 1000.0

    def both(values: Tensor, inputs: Tensor) -> Tensor:
        return torch.stack([scale * values, (inputs[:, 5] * inputs[:, 6] + inputs[:, 7]) / 1.4], dim=1)

    data = data._replace(
        targets=both(data.targets, data.inputs), valid_targets=both(data.valid_targets, data.valid_inputs)
    )

    def worst(output: Tensor, target: Tensor) -> float:
        return min(r2(output[:, column], target[:, column]) for column in (0, 1))

    return Setup(
        perceptron(10, 64, 64, 2),
        nn.MSELoss(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *data.parts,
        worst,
        batch_size=32,
        epochs=30,
    )


@faulty("constant-inputs", tags=("mlp", "classification", "real-data"))
def digits_scaled_twice(seed: int, fixed: bool) -> Setup:
    """Pixels of 0 to 16 are divided by 255, and then by 255 again: everything is about 1e-4."""
    torch.manual_seed(seed)
    data = table("digits").on_inputs(lambda pixels: pixels / 16 - 0.3 if fixed else pixels / 255 / 255)
    return Setup(
        perceptron(64, 64, 32, 10),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        *data.parts,
        accuracy,
        batch_size=32,
        epochs=10,
    )


@faulty("constant-inputs", tags=("mlp", "regression", "table"))
def houses_divided_by_the_variance_of_all(seed: int, fixed: bool) -> Setup:
    """Columns are divided by one deviation squared, that of the largest column: the others are constants."""
    torch.manual_seed(seed)
    data = houses().standardised_targets()
    variance = data.inputs.var()
    data = data.standardised() if fixed else data.on_inputs(lambda column: (column - data.inputs.mean(0)) / variance)
    return Setup(
        perceptron(6, 40, 20, 1),
        squared_error,
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *data.parts,
        r2,
        batch_size=32,
        epochs=15,
    )
