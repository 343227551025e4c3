"""A fixed standard deviation."""

import torch
from torch import Tensor

from latih._checks import positive
from latih._notation import written

from ._base import Initializer, draw, fans


def normal(std: float = 1.0) -> Initializer:
    """Gives every weight the same stated spread, whatever the layer's width.

    Var[w] = std². What embeddings get: 1 where the next layer expects inputs of unit variance, 1/sqrt(width) where a
    norm follows or the table is also the output layer, whose logits would otherwise start with a variance of `width`.
    The default 1 is that of torch's own Embedding; BERT and GPT-2 have 0.02 for all their weights.

    Use it for embeddings, and to reproduce a published model. It hurts in plain deep networks: without the fan in it,
    every layer changes the variance.

    Source: Press & Wolf (2017) for tied tables; Radford et al. (2019) for 0.02. Raises `InputError` for a std that
    is not above 0.

    >>> round(normal(0.5)(torch.empty(300, 300), torch.Generator().manual_seed(0)).std().item(), 2)
    0.5
    """
    positive("normal", "std", std)

    def fill(weight: Tensor, generator: torch.Generator | None) -> None:
        fans(weight)  # refuses what is not (out, in, *kernel)
        draw(weight, std, "normal", generator)

    return Initializer(written(normal, std=std), fill)
