"""Missing values do not reach weights."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.tape import read

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._losses import Around
from ._statistics import feature_axis, statistics
from ._wrapping import stages, wrapped


class Impute(nn.Module):
    """NaN becomes the training mean of its feature; infinity the largest value seen, minus infinity the smallest."""

    mean: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, mean: Tensor, low: Tensor, high: Tensor) -> None:
        super().__init__()
        for name, values in (("mean", mean), ("low", low), ("high", high)):
            self.register_buffer(name, torch.where(values.isfinite(), values, torch.zeros_like(values)).float())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) -> the same shape, all finite."""
        filled = torch.where(x.isnan(), self.mean.to(x.dtype), x)
        return torch.where(
            filled.isfinite(), filled, torch.where(filled > 0, self.high.to(x.dtype), self.low.to(x.dtype))
        )


class OnKnownTargets(Around):
    """A loss over the examples whose targets are all finite; of a batch without any it is 0."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        known = target.isfinite().reshape(len(target), -1).all(1)
        if not bool(known.any()):
            return output.nan_to_num().sum() * 0.0
        return self.loss(output[known], target[known])


class OnKnownValues(Around):
    """Targets that are not finite are taken as hit: they add nothing to the loss and its gradient."""

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar."""
        return self.loss(output, torch.where(target.isfinite(), target, output.detach().reshape(target.shape)))


def clean_data(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Fills missing inputs with their feature's training mean, and leaves examples without a finite target out.

    One NaN makes the loss NaN, its gradient NaN, and with one update every weight. Inputs are filled by a first stage
    of the model, so new data may miss values too; infinite ones, as of a logarithm of 0, become the feature's largest
    or smallest finite value. Where most examples lack some of several targets, the missing ones
    alone are left out.

    When: the finding non-finite-data. It hurts where being missing says something: then give the network a flag.
    Source: Little & Rubin (2002), section 4.2.
    """
    where = str(finding.evidence.get("where", "inputs and targets"))
    model, loss = copied(training)
    plan, texts, code = training.optimizer, [], []
    lacking = _lacking(case.inputs) or _lacking(case.batch[0])
    if (lacking or "inputs" in where) and case.inputs.is_floating_point() and not _filled(model):
        axis = _axis(training, case)
        mean = statistics(case.inputs, axis).mean
        model, plan = wrapped(model, plan, first=Impute(mean, *_ends(case.inputs, axis, mean)))
        texts.append(f"inputs that are not finite ({_share(case.inputs):.2%}) become their feature's mean, or its end")
        code.append("known = torch.where(x_train.isfinite(), x_train, torch.nan)")
        code.append("x = torch.where(x.isfinite(), x, known.nanmean(0))")
    lacking = _lacking(case.targets) or _lacking(case.batch[1])
    if (lacking or "targets" in where) and case.targets.is_floating_point() and not _masked(loss):
        by_row = _complete(case.targets) >= 0.5
        loss = OnKnownTargets(loss) if by_row else OnKnownValues(loss)
        texts.append(f"targets that are not finite ({_share(case.targets):.2%}) are left out of the loss")
        code.append(
            "known = y.isfinite()" + (".reshape(len(y), -1).all(1)" if case.targets.dim() > 1 and by_row else "")
        )
        code.append("loss = loss_fn(model(x)[known], y[known])")
    if texts:
        edit = Edit("clean_data", "; ".join(texts), "\n".join(code))
        yield training.edited(edit, model=model, loss=loss, optimizer=plan)


def _axis(training: Training, case: Case) -> int | None:
    if case.inputs.dim() == 2:
        return 1
    with suppress(InputError):
        return feature_axis(read(training.model, case.batch), case.inputs)
    return None


def _ends(inputs: Tensor, axis: int | None, mean: Tensor) -> tuple[Tensor, Tensor]:
    """Smallest and largest finite value of each feature, in the shape of the mean."""
    values = inputs.detach().double().cpu()
    known, rows = values.isfinite(), (1, -1) if axis is None else (inputs.shape[axis], -1)

    def flat(kept: Tensor) -> Tensor:
        return (kept if axis is None else kept.movedim(axis, 0)).reshape(rows)

    low = flat(values.where(known, torch.inf)).amin(1)
    high = flat(values.where(known, -torch.inf)).amax(1)
    return low.reshape(mean.shape), high.reshape(mean.shape)


def _lacking(values: Tensor) -> bool:
    return values.is_floating_point() and not bool(values.isfinite().all())


def _share(values: Tensor) -> float:
    return float((~values.isfinite()).double().mean())


def _complete(targets: Tensor) -> float:
    return float(targets.isfinite().reshape(len(targets), -1).all(1).double().mean())


def _filled(model: nn.Module) -> bool:
    return any(isinstance(stage, Impute) for stage in stages(model, "inputs"))


def _masked(loss: object) -> bool:
    inside = loss.modules() if isinstance(loss, nn.Module) else ()
    return any(isinstance(one, OnKnownTargets | OnKnownValues) for one in inside)


CURE = Cure("clean_data", clean_data)
