"""Clipping element by element."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latih._checks import positive
from latih._notation import written
from latih._shards import local

from ._base import Clip, Clipped
from ._gradients import gradients_of, norms_of, outcome


def value(limit: float = 1.0) -> Clip:
    """Cuts every element of the gradient to an interval, which tames single outliers.

    g_i ← min(max(g_i, -limit), limit). Keras calls this `clipvalue`, torch `clip_grad_value_`; neither has a default.

    Use it when the size of healthy gradients is known and single elements break out. It hurts the direction of the
    step: (0.9, 100) cut at 1 becomes (0.9, 1), which points elsewhere; `norm` keeps the direction.

    Unlike torch's, it leaves gradients alone when any of them is not finite: an inf cut to the limit would go
    unnoticed.

    Source: Mikolov (2012). Raises `InputError` for a limit that is not above 0.

    >>> parameter = torch.ones(2, requires_grad=True)
    >>> parameter.grad = torch.tensor([0.9, -100.0])
    >>> _ = value(1.0)([parameter])
    >>> parameter.grad
    tensor([ 0.9000, -1.0000])
    """
    positive("value", "limit", limit)

    def cut(parameters: Sequence[Tensor]) -> Clipped:
        gradients = gradients_of(parameters)
        before = norms_of(gradients)
        finite = torch.linalg.vector_norm(before).isfinite()
        bound = torch.where(finite, before.new_full((), limit), before.new_full((), torch.inf))
        for gradient in map(local, gradients):
            here = bound.to(gradient.device, gradient.dtype)
            gradient.clamp_(-here, here)
        return outcome(before, norms_of(gradients))

    return Clip(written(value, limit=limit), cut)
