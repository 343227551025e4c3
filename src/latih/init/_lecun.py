"""LeCun's rule, for SELU."""

from latih._notation import written

from ._base import Distribution, Initializer, scaled


def lecun(distribution: Distribution = "normal") -> Initializer:
    """Gives every unit an input of variance 1, the condition under which SELU networks normalise themselves.

    Var[w] = 1 / fan_in. `distribution` is "normal", "uniform" or "truncated" (cut at two standard deviations, variance
    kept; what Keras calls `lecun_normal`). torch has no function of that name; `kaiming_normal_(nonlinearity="linear")`
    is the same rule, while torch's default for Linear and Conv is a third of this variance.

    Use it for SELU; for layers without an activation when only the forward pass matters. It hurts under ReLU, which
    halves the signal's square in every layer.

    Source: LeCun et al. (1998), section 4.6; Klambauer et al. (2017), section "Initialization".

    >>> import torch
    >>> round(lecun()(torch.empty(1000, 500), torch.Generator().manual_seed(0)).var().item() * 500, 2)
    1.0
    """
    return scaled(written(lecun, distribution=distribution), lambda fan_in, _: 1.0 / fan_in, distribution)
