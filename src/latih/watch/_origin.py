"""Where the first value that is not finite came from: the batch is run once more and every op is looked at."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from latih.tape import ancestors, tensors

from ._lost_loss import in_loss, steep_op
from ._record import Origin
from ._replay import FirstLost, Places, is_lost
from ._rerun import unnoticed

_SMALL = 2**14
"""Values that are added up at every step without being felt."""


class Suspect:
    """Holds on to the last batch, so that it can be run again when something is lost."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.origin: Origin | None = None
        self.batch: tuple[tuple, dict] | None = None
        """Of the forward pass that began last."""
        self.autocast: tuple[str, torch.dtype] | None = None
        """Device and precision of the last sampled forward pass under autocast."""
        self._probe: Tensor | None = None

    def search(self, step: int, loss: Tensor, outputs: list[Tensor]) -> None:
        """The `loss` is not finite: name the layer and the op; only the first time is looked into."""
        if self.origin is None:
            found = self._in_weights(step) or self._in_inputs(step) or self._forward(step) or self._in_buffers(step)
            self.origin = found or in_loss(step, loss, outputs)

    def search_backward(self, step: int, loss_ops: list[str]) -> None:
        """The loss was finite, its gradient is not; the weights have not been moved yet."""
        if self.origin is None:
            self.origin = self._in_weights(step) or self._backward(step) or steep_op(step, loss_ops)

    def gradient_is_lost(self) -> bool:
        """Looks at one small gradient near the inputs: what is lost further up arrives there."""
        grad = None if self._probe is None else self._probe.grad
        if grad is None or grad.layout != torch.strided or not grad.is_contiguous():
            return False
        flat = grad if grad.dim() == 1 else grad.view(-1)
        # the quickest way to hear of a NaN; what is too large to be squared is looked at again
        return not math.isfinite(flat.dot(flat).item()) and is_lost(grad)

    def choose_probe(self, parameters: Iterable[Tensor]) -> None:
        """The smaller of the first two parameters that learn: in most networks the first bias."""
        learning = [one for one in parameters if one.requires_grad and not is_lazy(one)]
        small = [one for one in learning if one.device.type == "cpu" and one.numel() <= _SMALL]
        self._probe = min(small[:2], key=Tensor.numel, default=None)

    def in_sampled(self, step: int, names: list[str]) -> None:
        """A sample has found that parameters or gradients are not finite; it is too late to say why."""
        if self.origin is None and names:
            self.origin = self._in_weights(step) or Origin(
                step=step, layer=names[0], op="gradient", backward=True, what=_many(names, "have a gradient that is")
            )

    def _in_weights(self, step: int) -> Origin | None:
        lost = [name for name, one in self.model.named_parameters() if is_lost(one)]
        if not lost:
            return None
        what = _many(lost, "were") + " before this step, so it was lost in the update before, or given"
        return Origin(step=step, layer=lost[0], op="update", backward=True, what=what)

    def _in_buffers(self, step: int) -> Origin | None:
        # last: the forward pass itself has spoilt running statistics by now
        lost = [name for name, one in self.model.named_buffers() if one.is_floating_point() and one.isnan().any()]
        if not lost:
            return None
        return Origin(step=step, layer=lost[0], op="buffer", backward=False, what="a buffer of the model holds NaN")

    def _in_inputs(self, step: int) -> Origin | None:
        found = [one for one in tensors(self.batch) if one.is_floating_point()]
        # minus infinity is what masks are made of
        lost = sum(int((one.isnan() | one.isposinf()).sum()) for one in found)
        if not lost:
            return None
        return Origin(
            step=step, layer="", op="input", backward=False, what=f"{lost} values of the batch are not finite"
        )

    def _forward(self, step: int) -> Origin | None:
        if self.batch is None:
            return None
        with (
            unnoticed(self.model),
            torch.no_grad(),
            self._precision(),
            Places(self.model) as places,
            FirstLost(places.path) as mode,
        ):
            _attempt(self.model, self.batch)
        if mode.found is None:
            return None
        layer, op, what = mode.found
        return Origin(step=step, layer=layer, op=op, backward=False, what=what)

    def _backward(self, step: int) -> Origin | None:
        """Differentiate the outputs, whatever the loss was: an infinite slope shows with any gradient."""
        if self.batch is None:
            return None
        lost: list[Any] = []
        with unnoticed(self.model), torch.enable_grad(), self._precision(), Places(self.model) as places:
            output = _attempt(self.model, self.batch)
            ends = [one for one in tensors(output) if one.requires_grad]
            for node in ancestors([one.grad_fn for one in ends]):
                node.register_hook(lambda ours, theirs, node=node: _note(node, ours, theirs, lost))
            learning = [one for one in self.model.parameters() if one.requires_grad]
            if ends:
                torch.autograd.grad(ends, learning, [torch.ones_like(one) for one in ends], allow_unused=True)
        if not lost:
            return None
        what = "the gradient that it was given was finite, and the one that it gave back was not"
        return Origin(step=step, layer=places.of(lost[0]), op=lost[0].name(), backward=True, what=what)

    def _precision(self) -> Any:
        return nullcontext() if self.autocast is None else torch.autocast(self.autocast[0], self.autocast[1])


def _attempt(model: nn.Module, batch: tuple[tuple, dict]) -> Any:
    try:
        return model(*batch[0], **batch[1])
    except Exception:  # what went before is what matters
        return None


def _note(node: Any, ours: tuple, theirs: tuple, lost: list[Any]) -> None:
    made, given = ([one for one in side if one is not None] for side in (ours, theirs))
    if not lost and any(map(is_lost, made)) and not any(map(is_lost, given)):
        lost.append(node)


def _many(names: list[str], what: str) -> str:
    return f"{len(names)} parameter{'s' if len(names) > 1 else ''} {what} not finite"
