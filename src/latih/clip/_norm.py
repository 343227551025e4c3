"""Clipping by the global norm."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latih._checks import positive
from latih._notation import written

from ._base import Clip, Clipped
from ._gradients import gradients_of, norms_of, outcome, scale_, shrinking


def norm(limit: float = 1.0) -> Clip:
    """Shortens the whole gradient to a maximal length and keeps its direction, which stops exploding steps.

    g ← g·min(1, limit/‖g‖), with ‖g‖ the L2 norm over all parameters together. Keras calls this `global_clipnorm`
    (its `clipnorm` is `per_layer`). torch's `clip_grad_norm_` divides by ‖g‖ + 1e-6, so it cuts a trace more. No
    framework has a default limit; 1 is common for transformers. Look at `Clipped.norm` over a healthy stretch and set
    the limit somewhat above it.

    Use it as the default clip. It hurts when the limit is so low that every step is cut: the learning rate then no
    longer means what it says (Adam, which rescales by itself, hardly notices), and one layer that explodes starves
    all others.

    Source: Pascanu et al. (2013), algorithm 1. Raises `InputError` for a limit that is not above 0.

    >>> parameter = torch.ones(2, requires_grad=True)
    >>> parameter.grad = torch.tensor([3.0, 4.0])
    >>> norm(1.0)([parameter])
    Clipped(norm=tensor(5.), removed=tensor(0.8000), where=tensor(0))
    >>> parameter.grad
    tensor([0.6000, 0.8000])
    """
    positive("norm", "limit", limit)

    def cut(parameters: Sequence[Tensor]) -> Clipped:
        gradients = gradients_of(parameters)
        norms = norms_of(gradients)
        total = torch.linalg.vector_norm(norms)
        factor = shrinking(limit / total, total)
        scale_(gradients, factor)
        return outcome(norms, norms * factor)

    return Clip(written(norm, limit=limit), cut)
