"""A first stage that standardises the inputs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.models import Standardize
from latih.tape import Tape, read

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._statistics import Statistics, feature_axis, statistics
from ._wrapping import loss_of, parts_of, wrapped

_CENTRED, _DEVIATION = 0.3, (0.6, 1.6)
"""|mean| / deviation, and deviation, of features that are standardised as good as exactly."""
_HEAVY = 20.0
"""Fourth moment of a standardised feature (3 for a normal one, 9 for an exponential one)."""
_FEW = 10
"""Different values up to which a feature is a set of names: its rare ones are no heavy tail."""


class SignedLog(nn.Module):
    """sign(x) log(1 + |x| / scale): near 0 as it was, far out a logarithm, so that no single value rules a sum."""

    scale: Tensor

    def __init__(self, scale: Tensor) -> None:
        super().__init__()
        self.register_buffer("scale", torch.where(scale > 0, scale, torch.ones_like(scale)).float())

    def forward(self, x: Tensor) -> Tensor:
        """(batch, *shape) of any number type -> the same shape."""
        x = x.to(self.scale.dtype)
        return x.sign() * torch.log1p(x.abs() / self.scale)


def standardise_inputs(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Standardises inputs inside the model: mean 0 and deviation 1, per feature of a vector and channel of an image.

    The first layer's curvature is that of E[x xᵀ], so offsets and unlike scales make its steps slow or unstable, and
    initialisations assume inputs of about 1. Statistics are of the training sample; constant features become 0, and
    nearly constant ones are not blown up beyond ten deviations. Where tails are heavy, a second variant takes a signed
    logarithm first. Tokens stay as they are.

    When: unscaled-inputs, constant-inputs, saturated-units. It hurts where zeros mean something (sparse counts), and
    below weights that were trained on other scales. Source: LeCun et al. (1998), section 4.3.
    """
    tape = _tape(training, case)
    if tape is None or not _are_numbers(case.inputs, tape):
        return
    seen = _seen(training, case.inputs)
    if seen is None:
        return
    axis = feature_axis(tape, seen)
    found = statistics(seen, axis)
    if _standard(found):
        return
    each = "all values" if axis is None else f"{found.mean.numel()} features" if seen.dim() == 2 else "each channel"
    before = f"of mean {float(found.mean.mean()):.3g} and deviation {float(found.std.mean()):.3g}"
    text = f"inputs {before} (on average) are standardised, {each}"
    yield from _with(training, case, Standardize(found.mean, found.std), text, _code(found, seen))
    if _heavy(seen, found):
        scale = _middle(seen, axis)
        logs = SignedLog(scale)
        later = statistics(logs(seen.cpu()), axis)
        stage = nn.Sequential(logs, Standardize(later.mean, later.std))
        code = (
            "scale = x_train.abs().median(0).values.clamp_min(1e-6)\n"
            "logs, logs_train = (z.sign() * torch.log1p(z.abs() / scale) for z in (x, x_train))\n"
            "x = (logs - logs_train.mean(0)) / logs_train.std(0).clamp_min(1e-6)"
        )
        yield from _with(training, case, stage, f"inputs {before}: signed logarithm, then standardised, {each}", code)


def _with(training: Training, case: Case, stage: nn.Module, text: str, code: str) -> Iterator[Training]:
    model, loss = copied(training)
    model, plan = wrapped(model, training.optimizer, inputs=stage)
    if loss_of(model, loss, case.batch) is not None:
        edit = Edit("standardise_inputs", text, code)
        yield training.edited(edit, model=model, loss=loss, optimizer=plan)


def _tape(training: Training, case: Case) -> Tape | None:
    with suppress(InputError):
        return read(training.model, case.batch)
    return None


def _are_numbers(inputs: Tensor, tape: Tape) -> bool:
    """Amounts, or pixels; not tokens, whatever their type is."""
    if any(layer.kind == "embedding" and not layer.inputs for layer in tape.layers):
        return False
    pictures = inputs.dim() == 4 or (inputs.dtype == torch.uint8 and inputs.dim() > 1)
    return len(inputs) > 1 and (inputs.is_floating_point() or pictures) and not inputs.is_complex()


def _seen(training: Training, inputs: Tensor) -> Tensor | None:
    """The sample as it leaves the stages that stand in front already."""
    parts = parts_of(training.model)
    if "inputs" not in parts:
        return inputs
    stage = parts["inputs"]
    like = next((one for one in [*stage.buffers(), *stage.parameters()]), inputs)
    was = [one.training for one in stage.modules()]
    try:
        with torch.no_grad():
            return stage.eval()(inputs.to(like.device)).cpu()
    except (RuntimeError, TypeError, ValueError):
        return None
    finally:
        for one, mode in zip(stage.modules(), was, strict=True):
            one.training = mode


def _standard(found: Statistics) -> bool:
    varying = found.std > 0
    if not bool(varying.any()):
        return True
    mean, std = found.mean[varying], found.std[varying]
    low, high = _DEVIATION
    return bool((mean.abs() <= _CENTRED * std).all()) and bool(((std >= low) & (std <= high)).all())


def _heavy(inputs: Tensor, found: Statistics) -> bool:
    if inputs.dim() != 2 or not inputs.is_floating_point():
        return False
    values = inputs.double().cpu()
    values = torch.where(values.isfinite(), values, torch.nan)
    centred = values - values.nanmean(0)
    fourth = centred.pow(4).nanmean(0) / centred.square().nanmean(0).square().clamp_min(1e-300)
    many = torch.tensor([len(column.unique()) > _FEW for column in values.unbind(1)])
    return bool(((fourth > _HEAVY) & many).any())


def _middle(inputs: Tensor, axis: int | None) -> Tensor:
    values = inputs.double().abs().cpu()
    middle = torch.where(values.isfinite() & (values > 0), values, torch.nan).nanmedian(0).values
    return middle.nan_to_num(1.0)


def _code(found: Statistics, inputs: Tensor) -> str:
    if found.axis is None:
        return "x = (x - x_train.mean()) / x_train.std()"
    if inputs.dim() == 2:
        return "x = (x - x_train.mean(0)) / x_train.std(0).clamp_min(1e-6)"
    kept = found.axis % inputs.dim()
    axes = tuple(axis for axis in range(inputs.dim()) if axis != kept)
    cast = "" if inputs.is_floating_point() else ".float()"
    return (
        f"x_train, x = x_train{cast}, x{cast}\nx = (x - x_train.mean({axes}, True)) / x_train.std({axes}, keepdim=True)"
    )


CURE = Cure("standardise_inputs", standardise_inputs)
