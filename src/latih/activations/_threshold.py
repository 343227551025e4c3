"""A rectifier with another edge."""

import math
from functools import partial

from torch import nn

from latih._checks import within
from latih._notation import written

from ._base import Activation


def threshold(threshold: float = 0.0, value: float = 0.0) -> Activation:
    """Replaces every signal that does not exceed a threshold by a constant, and its gradient by 0.

    f(z) = z where z > threshold, else `value`. With the defaults 0 and 0 it is `relu`; torch's `Threshold` has no
    defaults, Keras has `ThresholdedReLU(theta=1.0)`.

    Use it for sparse codes. It hurts in deep networks: units die as under `relu`, the sooner the higher the
    threshold, and the jump at the edge gives the loss a step that no gradient shows. He's rule is exact at threshold
    0 only.

    Source: Konda et al. (2015). Raises `InputError` for a threshold or value beyond ±1e6.

    >>> import torch
    >>> threshold(1.0, -1.0)()(torch.tensor([0.5, 2.0]))
    tensor([-1.,  2.])
    """
    within("threshold", "threshold", threshold, -1e6, 1e6)
    within("threshold", "value", value, -1e6, 1e6)
    text = _text(threshold=threshold, value=value)
    return Activation(text, partial(nn.Threshold, threshold, value), init="he()", saturates=(threshold, math.inf))


# inside the method its own name means the argument
_text = partial(written, threshold)
