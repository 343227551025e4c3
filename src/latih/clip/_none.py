"""No clipping."""

from ._base import Clip


def none() -> Clip:
    """Leaves every gradient as backpropagation made it; costs nothing and measures nothing.

    Use it when gradients are healthy, which is the normal case with a norm or a suitable initialisation. It hurts
    when a rare batch has a huge gradient: the step it causes can undo much training.

    >>> import torch
    >>> parameter = torch.ones(2, requires_grad=True)
    >>> parameter.grad = torch.tensor([3.0, 4.0])
    >>> none()([parameter]) is None, parameter.grad
    (True, tensor([3., 4.]))
    """
    return Clip("none()", None)
