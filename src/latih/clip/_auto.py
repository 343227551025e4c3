"""Clipping by the global norm with a limit read off the gradients seen so far."""

from collections.abc import Sequence

import torch
from torch import Tensor

from latih._checks import InputError, at_least, positive, within
from latih._notation import written

from ._base import Clip, Clipped
from ._gradients import gradients_of, norms_of, outcome, scale_, shrinking


def auto(percentile: float = 90.0, history: int = 1000, factor: float = 1.0) -> Clip:
    """Shortens only gradients that are long compared with those before, so no limit has to be guessed.

    g ← g·min(1, c/‖g‖) with c = factor · (the `percentile`-th percentile of the last `history` norms, this one
    included, interpolated linearly). The norms are those before clipping, so a network whose gradients really grow
    takes the limit with it; norms of 0 or not finite do not enter. The first step is never cut (at factor 1 or more).

    About 100 - `percentile` of a hundred steps are cut. The paper found 10 best, which cuts nine steps of ten and so
    nearly fixes the length of the step; it keeps every norm since the start. 90 cuts outliers only, and `factor` 2 or 3
    only those far out. No framework has this clip.

    Use it when the size of gradients is unknown or changes over training. It hurts in the first dozens of steps, when
    the history says little: an outlier among them is hardly cut. It costs more than `norm`: it sorts the history.

    The history lives on the gradients' device; nothing waits for it. It is part of the training's state: see `state`
    and `load` of `Clip`, and give every training a clip of its own.

    Source: Seetharaman et al. (2020), algorithm 1. Raises `InputError` for a percentile outside [0, 100], a history
    that is not an integer of at least 1, and a factor that is not above 0.

    >>> clip, parameter = auto(50), torch.ones(1, requires_grad=True)
    >>> for length in (1.0, 2.0, 30.0):
    ...     parameter.grad = torch.tensor([length])
    ...     _ = clip([parameter])
    >>> parameter.grad
    tensor([2.])
    """
    within("auto", "percentile", percentile, 0.0, 100.0)
    at_least("auto", "history", history, 1)
    if not isinstance(history, int):
        raise InputError(f"auto(history={history!r}): history must be an integer.")
    positive("auto", "factor", factor)

    memory = {"norms": torch.full((history,), torch.nan), "count": torch.zeros((), dtype=torch.int64)}

    def cut(parameters: Sequence[Tensor]) -> Clipped:
        gradients = gradients_of(parameters)
        norms = norms_of(gradients)
        total = torch.linalg.vector_norm(norms)
        limit = factor * torch.nanquantile(_remember(memory, total), percentile / 100.0)
        shrunk = shrinking(limit / total, total)
        scale_(gradients, shrunk)
        return outcome(norms, norms * shrunk)

    return Clip(written(auto, percentile=percentile, history=history, factor=factor), cut, memory)


def _remember(memory: dict[str, Tensor], total: Tensor) -> Tensor:
    """Write `total` over the oldest norm, and return all of them, (history,); nan stands where there is none yet."""
    norms = memory["norms"].to(total.device, total.dtype, non_blocking=True)
    count = memory["count"].to(total.device, non_blocking=True)
    counts = total.isfinite() & (total > 0.0)
    # a comparison instead of an index, which would have to be read back
    oldest = torch.arange(len(norms), device=total.device) == count % len(norms)
    memory["norms"] = torch.where(oldest & counts, total, norms)
    memory["count"] = count + counts
    return memory["norms"]
