"""The rectifier with a ceiling."""

from torch import nn

from ._base import Activation


def relu6() -> Activation:
    """Bounds the rectified signal by 6, so that few bits suffice to store it.

    f(z) = min(max(0, z), 6).

    Use it in networks that will be quantised or run in half precision. It hurts in deep networks without a norm:
    signals that have grown beyond 6 pass no gradient, and units die below 0 as under `relu`. With He's rule inputs
    are near variance 1 and hardly ever reach the ceiling, so the rule is relu's.

    Source: Krizhevsky (2010), "Convolutional deep belief networks on CIFAR-10"; Howard et al. (2017).

    >>> import torch
    >>> relu6()()(torch.tensor([-1.0, 3.0, 9.0]))
    tensor([0., 3., 6.])
    """
    return Activation("relu6()", nn.ReLU6, init="he()", saturates=(0.0, 6.0))
