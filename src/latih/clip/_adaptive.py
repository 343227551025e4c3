"""Adaptive gradient clipping."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latih._checks import InputError, positive
from latih._notation import written
from latih._shards import by_rows, local

from ._base import Clip, Clipped
from ._gradients import gradients_of, norms_of, outcome, precision, shrinking


def adaptive(limit: float = 0.01, floor: float = 1e-3, head: bool = False) -> Clip:
    """Limits each unit's gradient relative to its weights, so that large batches and rates work without any norm.

    g_u ← g_u·min(1, limit·max(‖w_u‖, floor)/‖g_u‖) for every output unit u: one row of a weight (out, in, *kernel),
    that is its first dimension. Without `floor` a weight that starts at 0 would never move. `limit` 0.01 suits
    batches of thousands; smaller batches stand 0.02 to 0.16.

    Parameters of one dimension (biases, a norm's scale and shift) are left alone: they start at or near 0 or 1 and
    would hardly move; the authors' code does clip them, as one unit each. So is the head, as the paper advises: the
    last weight of more than one dimension in the list, which is taken to be in the model's order. Pass `head=True` to
    clip that too, for instance where the caller has left the head out already. For a transposed convolution, whose
    weight is (in, out, *kernel), a unit is an input channel.

    Use it for deep networks without norm layers. It hurts with a limit that is too low: all units then move by the same
    relative step, whatever the gradient says. It costs more than `norm`: two norms for every weight.

    Source: Brock et al. (2021), equation 3. Raises `InputError` for a limit or floor that is not above 0 and for a
    `head` that is no bool.

    >>> weight = torch.ones(2, 4, requires_grad=True)
    >>> weight.grad = torch.tensor([[1.0] * 4, [0.001] * 4])
    >>> _ = adaptive(0.01, head=True)([weight])
    >>> weight.grad[:, 0]
    tensor([0.0100, 0.0010])
    """
    positive("adaptive", "limit", limit)
    positive("adaptive", "floor", floor, "without it a weight that starts at 0 never moves")
    if not isinstance(head, bool):
        raise InputError(f"adaptive(head={head!r}): head must be True or False.")

    def cut(parameters: Sequence[Tensor]) -> Clipped:
        gradients = gradients_of(parameters)
        before = norms_of(gradients)
        total = torch.linalg.vector_norm(before)
        for weight in _clipped(parameters, head):
            assert weight.grad is not None
            gradient = weight.grad
            if by_rows(weight):  # whole units
                gradient, weight = local(gradient), local(weight)
            allowed = limit * _unit_norms(weight).clamp_(min=floor)
            factor = shrinking(allowed / _unit_norms(gradient), total.to(gradient.device))
            gradient.mul_(factor.view(-1, *[1] * (gradient.dim() - 1)))
        return outcome(before, norms_of(gradients))

    return Clip(written(adaptive, limit=limit, floor=floor, head=head), cut)


def _clipped(parameters: Sequence[Tensor], head: bool) -> list[Tensor]:
    weights = [parameter for parameter in parameters if parameter.dim() > 1]
    return weights if head else weights[:-1]


def _unit_norms(tensor: Tensor) -> Tensor:
    """The L2 norm of each slice along the first dimension, (units,)."""
    return torch.linalg.vector_norm(tensor.flatten(1), dim=1, dtype=precision([tensor]))
