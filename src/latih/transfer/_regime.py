"""What holds while a phase runs: what is frozen, and what the batch norms that are trained do with their statistics."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from torch import nn

from latih import norm
from latih._reuse import Norms

from ._freeze import freeze
from .phases import Phase

FEW = 32
"""Below this batch size a batch norm's own statistics are too noisy to fine-tune on."""


@contextmanager
def regime(
    model: nn.Module, phase: Phase, blocks: Sequence[str], head: str, norms: Norms, batch_size: int
) -> Iterator[str]:
    """Freeze what `phase` does not train and settle the batch norms; yields the line that says so, undoes both."""
    trained = math.ceil(phase.share * len(blocks) - 1e-9)
    with ExitStack() as stack:
        if trained == 0:
            stack.enter_context(freeze(model, but=head))
        elif trained < len(blocks):
            stack.enter_context(freeze(model, upto=blocks[-trained - 1]))
        what = "the output layer" if trained == 0 else "all layers" if trained == len(blocks) else "the upper layers"
        learning = sum(one.numel() for one in model.parameters() if one.requires_grad)
        everything = sum(one.numel() for one in model.parameters())
        line = f"{what}, {learning:,} of {everything:,} weights"
        free = _free_norms(model) if trained else []
        if free and (norms == "pinned" or (norms == "auto" and batch_size < FEW)):
            norm.pinned(model, free)
            stack.callback(norm.unpinned, model, free)
            line += "; batch norms keep their statistics" + (f" (batch {batch_size})" if norms == "auto" else "")
        elif free:
            line += "; batch norms follow the new data"
        yield line


def _free_norms(model: nn.Module) -> list[str]:
    tracking = {name: one for name, one in model.named_modules() if getattr(one, "running_mean", None) is not None}
    return [name for name, one in tracking.items() if not norm.is_pinned(one)]
