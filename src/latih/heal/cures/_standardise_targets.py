"""A last stage that speaks the targets' units, and a loss in their deviations."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.models import Rescale
from latih.tape import read
from latih.train import Scaled

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._ends import ending, without_end
from ._kinds import VALUES, kind_of
from ._wrapping import loss_of, output_of, stages, wrapped

_CENTRED, _DEVIATION = 0.3, (0.6, 1.6)
"""|mean| / deviation, and deviation, of targets that are standardised as good as exactly."""
_BOUNDS = frozenset(("sigmoid", "hardsigmoid", "softmax", "tanh", "hardtanh", "softsign", "relu", "relu6", "softplus"))
"""Functions at the end that mean a scale of their own."""
_MOST_COLUMNS = 64


class InDeviations(nn.Module):
    """A loss of outputs and targets that are divided by the targets' deviation, so that units do not matter."""

    std: Tensor

    def __init__(self, loss: nn.Module | object, std: Tensor) -> None:
        super().__init__()
        self.loss = loss
        self.register_buffer("std", torch.where(std > 0, std, torch.ones_like(std)).float())

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return Scaled(self.loss, self.std)(output, target)  # pyright: ignore[reportArgumentType]

    def extra_repr(self) -> str:
        """The deviations, and the loss where it is a function."""
        inner = "" if isinstance(self.loss, nn.Module) else f"{getattr(self.loss, '__name__', self.loss)}, "
        return f"{inner}std={[round(value, 4) for value in self.std.flatten().tolist()[:4]]}"


def standardise_targets(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Lets the network work in standardised targets, while predictions stay in the user's units.

    A last stage computes prediction = std * z + mean, column by column, and the loss is taken in deviations. So a fresh
    network starts at the mean of the targets with the right scale, gradients have the size that learning rates are
    made for, and every column counts alike. A function behind the last layer that bounds the outputs is removed.

    When: unscaled-targets, loss-at-start. It hurts where the loss means absolute units, or columns of large values are
    meant to count more. Source: LeCun et al. (1998), section 4.5; Bishop (1995), section 8.2.
    """
    targets = case.targets
    if case.task != "values" or not targets.is_floating_point():
        return
    if any(isinstance(stage, Rescale) for stage in stages(training.model, "outputs")):
        return
    mean, std = _statistics(targets)
    if _standard(mean, std) or not _compares_values(training, case):
        return
    output, batch = output_of(training.model, case.batch[0]), case.batch[1]
    if output is None or output.numel() != batch.numel():
        return
    if mean.dim() and output.shape[-1] != len(mean):
        return
    end = ending(training.model, case.batch[0])
    removed = end is not None and end.name in _BOUNDS
    if removed and end is not None:
        model, loss, plan = without_end(training, end)
    else:
        (model, loss), plan = copied(training), training.optimizer
    model, plan = wrapped(model, plan, outputs=Rescale(mean, std))
    scaled = InDeviations(loss, std)
    if loss_of(model, scaled, case.batch) is None:
        return
    text = f"targets of mean {_few(mean)} and deviation {_few(std)} are standardised inside the model"
    if removed and end is not None:
        text += f"; the {end.name} behind the last layer is removed"
    code = (
        "mean, std = y_train.mean(0), y_train.std(0)\n"
        "loss = loss_fn(model(x), (y - mean) / std)\n"
        "prediction = model(x) * std + mean"
    )
    edit = Edit("standardise_targets", text, code)
    yield training.edited(edit, model=model, loss=scaled, optimizer=plan)


def _statistics(targets: Tensor) -> tuple[Tensor, Tensor]:
    """Per column where targets are vectors, else over everything."""
    values = targets.detach().double().cpu()
    values = torch.where(values.isfinite(), values, torch.nan)
    if values.dim() == 2 and 1 < values.shape[1] <= _MOST_COLUMNS:
        mean = values.nanmean(0)
        return mean, (values - mean).square().nanmean(0).sqrt()
    mean = values.nanmean()
    return mean, (values - mean).square().nanmean().sqrt()


def _standard(mean: Tensor, std: Tensor) -> bool:
    if not bool((mean.isfinite() & std.isfinite()).all()) or not bool((std > 0).any()):
        return True
    low, high = _DEVIATION
    return bool((mean.abs() <= _CENTRED * std).all()) and bool(((std >= low) & (std <= high)).all())


def _compares_values(training: Training, case: Case) -> bool:
    with suppress(InputError):
        return kind_of(read(training.model, case.batch, training.loss).loss_ops) in VALUES
    return False


def _few(values: Tensor) -> str:
    numbers = [f"{value:.3g}" for value in values.flatten().tolist()]
    return ", ".join(numbers[:4]) + (", ..." if len(numbers) > 4 else "")


CURE = Cure("standardise_targets", standardise_targets)
