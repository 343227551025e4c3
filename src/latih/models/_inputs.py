"""The first stage of every saved model: raw inputs become standardised ones inside the network.

The statistics come from the training part only and are buffers, so they travel with the weights.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor, nn


class Standardize(nn.Module):
    """(x - mean) / std, per channel of an image or per feature of a vector; a constant feature becomes 0."""

    mean: Tensor
    scale: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("scale", torch.where(std > 0, 1.0 / std.clamp_min(1e-30), torch.zeros_like(std)).float())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) of any number type -> the same shape in the statistics' precision."""
        return (x.to(self.mean.dtype) - self.mean) * self.scale


class Featurize(nn.Module):
    """A table's row becomes a vector: numbers imputed and standardised, missing ones flagged, categories embedded.

    The row holds the numeric columns first, NaN where missing, then one code per categorical column (0 = unseen or
    missing). A missing number is replaced by the training mean and flagged by an input of 1; only columns in which
    the training part misses cells get a flag.
    """

    mean: Tensor
    scale: Tensor
    flagged: Tensor

    def __init__(self, mean: Tensor, std: Tensor, flagged: Tensor, categories: Sequence[int]) -> None:
        super().__init__()
        self.standardize = Standardize(mean, std)
        self.register_buffer("flagged", flagged.long())
        self.embeddings = nn.ModuleList(nn.Embedding(size + 1, embedding_width(size)) for size in categories)
        self.numeric = len(mean)

    @property
    def width(self) -> int:
        """Number of features that come out."""
        return self.numeric + len(self.flagged) + sum(table.embedding_dim for table in self.embeddings)  # pyright: ignore

    def forward(self, row: Tensor) -> Tensor:
        """(batch, columns) float32 -> (batch, width) float32."""
        numbers = row[:, : self.numeric]
        missing = torch.isnan(numbers)
        parts = [self.standardize(torch.where(missing, self.standardize.mean, numbers))]
        parts.append(missing[:, self.flagged].to(row.dtype))
        codes = row[:, self.numeric :].long()
        parts.extend(table(codes[:, column]) for column, table in enumerate(self.embeddings))
        return torch.cat(parts, dim=1)


class Rescale(nn.Module):
    """The last stage of a regression: standardised outputs become the user's units, y = z * std + mean."""

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.float())
        self.register_buffer("std", torch.where(std > 0, std, torch.ones_like(std)).float())

    def forward(self, z: Tensor) -> Tensor:
        """(batch, outputs) -> (batch, outputs) in the units of the targets."""
        return z * self.std + self.mean


def embedding_width(categories: int) -> int:
    """The usual size of an entity embedding: about 1.6 times the 0.56th power of the vocabulary, at most 600."""
    return min(600, round(1.6 * (categories + 1) ** 0.56))


def moments(chunks: Iterable[Tensor], keep: int) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation over everything but dimension `keep`, in float64, ignoring NaN.

    `chunks` are batches (n, *shape); dimension 1 (channel or feature) is kept, with its size `keep`. Two passes are
    not needed: counts, means and squared deviations of the chunks are merged exactly (Chan et al., 1979).
    """
    count = torch.zeros(keep, dtype=torch.float64)
    mean, deviation = torch.zeros_like(count), torch.zeros_like(count)
    for chunk in chunks:
        values = chunk.to("cpu", torch.float64).transpose(0, 1).reshape(keep, -1)
        present = (~values.isnan()).sum(1)
        chunk_mean = values.nanmean(1).nan_to_num()
        chunk_deviation = (values - chunk_mean[:, None]).square().nansum(1)
        total = (count + present).clamp_min(1)
        shift = chunk_mean - mean
        mean = torch.where(present > 0, mean + shift * present / total, mean)
        deviation = deviation + chunk_deviation + torch.where(present > 0, shift.square() * count * present / total, 0)
        count = count + present
    return mean, (deviation / count.clamp_min(1)).sqrt()
