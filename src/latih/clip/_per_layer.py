"""Clipping each parameter by its own norm."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latih._checks import positive
from latih._notation import written
from latih._shards import local

from ._base import Clip, Clipped
from ._gradients import gradients_of, norms_of, outcome, shrinking


def per_layer(limit: float = 1.0) -> Clip:
    """Shortens the gradient of each weight and each bias on its own, so one exploding layer does not starve the others.

    g_k ← g_k·min(1, limit/‖g_k‖) for every parameter tensor k. Keras calls this `clipnorm`; torch has no such function.

    Use it when the gradients of layers differ by orders of magnitude. It hurts the direction of the step: layers that
    are cut learn more slowly relative to the others, and one limit has to suit tensors of very different size.

    `Clipped.norm` is the global norm, `removed` the share of it that was cut. Raises `InputError` for a limit that is
    not above 0.

    >>> weight, bias = torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> weight.grad, bias.grad = torch.tensor([30.0, 40.0]), torch.tensor([0.5])
    >>> _ = per_layer(1.0)([weight, bias])
    >>> weight.grad, bias.grad
    (tensor([0.6000, 0.8000]), tensor([0.5000]))
    """
    positive("per_layer", "limit", limit)

    def cut(parameters: Sequence[Tensor]) -> Clipped:
        gradients = gradients_of(parameters)
        norms = norms_of(gradients)
        total = torch.linalg.vector_norm(norms)
        factors = shrinking(limit / norms, total)
        for gradient, factor in zip(map(local, gradients), factors.unbind(), strict=True):
            gradient.mul_(factor.to(gradient.device))
        return outcome(norms, norms * factors)

    return Clip(written(per_layer, limit=limit), cut)
