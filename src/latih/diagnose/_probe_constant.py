"""The best that an output can do which is the same for every example, for any loss."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from latih.tape import mapped, tensors

from ._check_batch import Batch

_ROUNDS, _ITERATIONS = 3, 12
_STILL_FALLING = 0.02
"""Share by which the last round may still lower the loss; above, it has no minimum, or none that is near."""
_MOST = 2**16
"""Values of a constant output."""


def best_constant(loss: Callable[[Any, Any], Tensor], output: Any, batch: Batch) -> float | None:
    """Smallest loss over outputs that do not depend on the example, found by a few rounds of L-BFGS.

    `output`: the model's, which says what an output looks like. The search starts from its mean over the examples.
    None where the loss knows no such minimum (it falls without end), or cannot be told examples apart.
    """
    found = [one for one in tensors(output) if one.dim()]
    size = batch.size
    if size is None or not found or any(len(one) != size or not one.is_floating_point() for one in found):
        return None
    if sum(one[0].numel() for one in found) > _MOST:
        return None
    free = [one.detach().mean(0, keepdim=True).clone().requires_grad_() for one in found]
    places = {id(one): place for place, one in enumerate(found)}

    def total() -> Tensor:
        shown = mapped(output, lambda one: free[places[id(one)]].expand_as(one) if id(one) in places else one)
        return loss(shown, batch.fresh()[1])

    try:
        with torch.enable_grad(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what the loss has to say it says of the model's own output
            return _lowest(total, free)
    except Exception:  # outside of its domain a loss may raise whatever it likes
        return None


def _lowest(total: Callable[[], Tensor], free: list[Tensor]) -> float | None:
    search = torch.optim.LBFGS(free, max_iter=_ITERATIONS, line_search_fn="strong_wolfe")
    levels = [float(total().detach())]

    def closure() -> Tensor:
        search.zero_grad()
        value = total()
        value.backward()
        return value

    for _ in range(_ROUNDS):
        search.step(closure)
        levels.append(float(total().detach()))
        if not all(map(math.isfinite, levels)):
            return None
    level = max(abs(levels[-1]), 1e-6)
    # what going on as far again would still bring: nothing at a minimum, as much again on a slope without end
    ahead = sum(float((one.detach() * one.grad).abs().sum()) for one in free if one.grad is not None)
    settled = levels[-2] - levels[-1] <= _STILL_FALLING * level and ahead <= 0.5 * level
    return min(levels) if settled else None
