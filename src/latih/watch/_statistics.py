"""Numbers about tensors, left on their device until all of a sample are fetched at once."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from ._capture import BOUNDED, FLAT

_LARGEST = 2**18
"""Values a statistic looks at; larger tensors are represented by their first examples."""
_ROWS = 64
"""Examples of which the effective rank is taken."""


def wide(values: Tensor) -> Tensor:
    """Precise enough to add up; float64 stays."""
    values = values.detach()
    return values if values.dtype == torch.float64 else values.float()


def fewer(values: Tensor) -> Tensor:
    """The first examples of `values` (batch, ...), as many as are enough."""
    if values.dim() == 0:
        return values.reshape(1, 1)
    per_row = max(values[0].numel() if len(values) else 1, 1)
    return values[: max(min(len(values), _LARGEST // per_row), 1)]


def by_unit(values: Tensor, channels_first: bool) -> Tensor:
    """(examples and positions, units): a unit is a channel of a convolution, else the last dimension."""
    if values.dim() < 2:
        return values.reshape(-1, 1)
    moved = values.movedim(1, -1) if channels_first and values.dim() > 2 else values
    return moved.reshape(-1, moved.shape[-1])


def of_output(output: Tensor) -> dict[str, Tensor]:
    """What a weight puts out."""
    std, mean = torch.std_mean(wide(fewer(output)), correction=0)
    return {"out_mean": mean, "out_std": std}


def of_signal(values: Tensor) -> tuple[dict[str, Tensor], Tensor]:
    """What an activation puts out, and the products of its examples, of which `effective_rank` is taken later."""
    values = wide(fewer(values))
    std, mean = torch.std_mean(values, correction=0)
    rows = values.reshape(len(values), -1)[:_ROWS]
    centred = rows - rows.mean(0)
    over_all = std if len(rows) == len(values) else rows.std(correction=0)
    numbers = {
        "mean": mean,
        "std": std,
        "zeros": (values == 0).sum() / max(values.numel(), 1),
    }
    if len(rows) > 1:  # of a single example nothing is known
        numbers["alive_spread"] = centred.square().mean().sqrt() / over_all.clamp_min(1e-30)
    return numbers, centred @ centred.T


def unit_spread(values: Tensor, channels_first: bool) -> dict[str, Tensor]:
    """How much the units of one layer differ from each other; nothing is said of a single unit."""
    units = by_unit(wide(fewer(values)), channels_first)
    if units.shape[1] < 2:
        return {}
    apart = (units - units.mean(1, keepdim=True)).square().mean().sqrt()
    return {"unit_spread": apart / units.std(correction=0).clamp_min(1e-30)}


def flat_part(name: str, before: Tensor, channels_first: bool) -> tuple[Tensor | None, Tensor | None]:
    """Which units left the flat part of the function at least once, and the share of values on it.

    None where the function has no flat part; the share only where it is bounded on both sides.
    """
    if name not in FLAT:
        return None, None
    low, high = FLAT[name]
    units = by_unit(wide(fewer(before)), channels_first)
    steep = units > low if high == math.inf else (units > low) & (units < high)
    return steep.any(0), 1 - steep.sum() / max(steep.numel(), 1) if name in BOUNDED else None


def of_gradient(gradient: Tensor) -> dict[str, Tensor]:
    """The gradient with respect to what a weight puts out."""
    values = wide(gradient)
    std, mean = torch.std_mean(values, correction=0)
    return {"grad_mean": mean, "grad_std": std, "grad_norm": values.norm()}


def effective_rank(products: Tensor, features: int) -> float | None:
    """exp(entropy of the singular values σ / Σσ) of the centred examples, over the most that it can be.

    `products` (n, n) is X Xᵀ, whose eigenvalues are σ². None where all examples are alike. Roy and Vetterli (2007).

    >>> effective_rank(torch.diag(torch.tensor([1.0, 1.0, 0.0])), 5)
    1.0
    """
    total = float(products.diagonal().double().sum())
    if not 0 < total < math.inf:
        return None
    squares = torch.linalg.eigvalsh(products.double())
    squares = squares[squares > 1e-12 * total]  # rounding's own spectrum
    shares = squares.sqrt() / squares.sqrt().sum()
    entropy = float(-(shares * shares.log()).sum())
    return min(math.exp(entropy) / max(min(len(products) - 1, features), 1), 1.0)
