"""Cutting gradients that are too large, so that one bad batch does not undo a thousand good ones.

A clip cures exploding gradients, above all in recurrent and very deep networks; it does nothing for vanishing ones.
`norm` and `auto` keep the direction of the step, the others change it. Only `auto` remembers anything from step to
step: save `clip.state()` in a checkpoint and give it back to `clip.load()`.

All of them work in place between `backward` and `step` and return `Clipped(norm, removed, where)` as tensors on the
gradients' device: nothing waits for the device until the caller reads them. Where the global norm is not finite (a
gradient holds inf or nan, or its square overflows), every gradient is left exactly as it is and `removed` is nan, so
that the caller can see it and skip the step; scaling by such a norm would turn all gradients into 0 or nan.

| name | when to use | paper |
|---|---|---|
| `norm` | the default: recurrent and very deep networks, transformers | Pascanu et al., 2013 |
| `value` | single outliers among gradients of known size | Mikolov, 2012 |
| `per_layer` | layers whose gradients differ by orders of magnitude | |
| `adaptive` | networks without norm, large batches and rates | Brock et al., 2021 |
| `auto` | when no limit is known: it is read off the gradients seen so far | Seetharaman et al., 2020 |
| `none` | healthy networks | |
"""

from ._adaptive import adaptive
from ._auto import auto
from ._base import Clip, Clipped
from ._none import none
from ._norm import norm
from ._per_layer import per_layer
from ._value import value

__all__ = ["Clip", "Clipped", "adaptive", "auto", "none", "norm", "per_layer", "value"]
