"""What a loss is, and what it compares: read from a batch of the training as it is now."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor

from latih._checks import InputError
from latih.tape import Tape, read

from .._base import Case, Training
from ._ends import Ending, ending
from ._wrapping import output_of

VALUES = frozenset(("mse", "mae", "huber", "smooth_l1"))
_FUSED = ("mse", "smooth_l1", "huber", "binary_cross_entropy", "nll")


@dataclass(frozen=True)
class Seen:
    """Output, targets and loss of one batch."""

    output: Tensor
    targets: Tensor
    """Of the same batch, as the loader gives them."""
    everything: Tensor
    """Targets of the whole sample."""
    tape: Tape
    kind: str
    """As in the record of a watched run: cross_entropy, nll, bce_with_logits, mse, ...; "unknown"."""
    end: Ending | None
    """The function behind the last layer."""

    @property
    def end_name(self) -> str:
        """Its name; "none" without one."""
        return self.end.name if self.end is not None else "none"


def seen(training: Training, case: Case) -> Seen | None:
    """None where the model puts out no tensor, or the loss cannot be read."""
    inputs, targets = case.batch
    output = output_of(training.model, inputs)
    if output is None or not isinstance(targets, Tensor):
        return None
    with suppress(InputError):
        tape = read(training.model, case.batch, training.loss)
        return Seen(output, targets, case.targets, tape, kind_of(tape.loss_ops), ending(training.model, inputs))
    return None


def kind_of(ops: list[str]) -> str:
    """The loss that `Tape.loss_ops` is.

    >>> kind_of(["log_softmax", "nll", "mean"]), kind_of(["sub", "pow", "mean"])
    ('cross_entropy', 'mse')
    """
    if "nll" in ops:
        return "cross_entropy" if "log_softmax" in ops[: ops.index("nll")] else "nll"
    if "binary_cross_entropy_with_logits" in ops:
        return "bce_with_logits"
    fused = next((name for name in _FUSED if name in ops), None)
    inner = tuple(name for name in ops if name not in ("mean", "sum", "mul", "div"))
    return fused or {("sub", "pow"): "mse", ("sub", "abs"): "mae", ("abs",): "mae"}.get(inner, "unknown")


def whole(values: Tensor) -> bool:
    """All are whole numbers from 0 on."""
    return (
        bool(values.numel())
        and (not values.is_floating_point() or bool((values == values.round()).all()))
        and bool((values >= 0).all())
    )


def is_truth(values: Tensor) -> bool:
    """All lie between 0 and 1, and most at one of the ends."""
    numbers = values.double()
    inside = bool(values.numel()) and bool(((numbers >= 0) & (numbers <= 1)).all())
    return inside and float(((numbers == 0) | (numbers == 1)).double().mean()) > 0.5


def is_one_hot(values: Tensor) -> bool:
    """Each row has one 1 among zeros."""
    if values.dim() != 2 or values.shape[1] < 2 or not is_truth(values):
        return False
    numbers = values.double()
    return bool(torch.all(numbers.sum(1) == 1)) and bool(((numbers == 0) | (numbers == 1)).all())
