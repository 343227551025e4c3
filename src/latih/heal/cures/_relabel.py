"""Labels that the loss knows."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from torch import Tensor, nn

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._kinds import seen
from ._losses import Around
from ._match_loss import match_loss

_TRUTH = ("bce_with_logits", "binary_cross_entropy", "unknown")


class Relabelled(Around):
    """Targets from `low` to `high` become 0 to 1 before the loss."""

    def __init__(self, loss: object, low: float, high: float) -> None:
        super().__init__(loss)  # pyright: ignore[reportArgumentType]
        self.low, self.high = low, high

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return self.loss(output, (target.to(output.dtype) - self.low) / (self.high - self.low))

    def extra_repr(self) -> str:
        """The loss inside, and the range."""
        span = f"low={self.low:g}, high={self.high:g}"
        return ", ".join(part for part in (super().extra_repr(), span) if part)


def relabel(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Brings targets of a binary loss to the range 0 to 1, and gives every class an output.

    With a target t outside of [0, 1] the loss -t log p - (1 - t) log(1 - p) has no floor: labels of -1 and +1, of 1 and
    2, or bytes become (t - low) / (high - low). Classes beyond the last output get one. Labels counted from one do no
    harm beyond an output that is never right, and labels that were lost cannot be found again.

    When: the finding label-range. It hurts where low and high of the sample are not those of the data.
    Source: Bishop (2006), section 4.3.2: cross-entropy is the likelihood of targets 0 and 1.
    """
    now = seen(training, case)
    targets = case.targets
    inside = training.loss.modules() if isinstance(training.loss, nn.Module) else ()
    if now is None or any(isinstance(one, Relabelled) for one in inside):
        return
    if now.kind not in _TRUTH:
        for made in match_loss(training, case, finding):
            yield replace(made, edits=(*made.edits[:-1], replace(made.edits[-1], cure="relabel")))
        return
    known = targets[targets.isfinite()].double()
    low, high = float(known.min()), float(known.max())
    if not low < high or (low >= 0 and high <= 1):
        return
    model, loss = copied(training)
    text = f"targets from {low:g} to {high:g} become 0 to 1 before the loss"
    code = f"loss = loss_fn(model(x), (y.float() - {low:g}) / {high - low:g})"
    yield training.edited(Edit("relabel", text, code), model=model, loss=Relabelled(loss, low, high))


CURE = Cure("relabel", relabel, corrects=True)
