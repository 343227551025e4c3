"""One look at a batch before training, so that a misfit of model, data and loss is one sentence, not a traceback."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.data import Examples, peek_targets

from ._step import LossFunction


@torch.no_grad()
def probe(
    model: nn.Module, train: Examples, valid: Examples | None, loss: LossFunction, size: int, device: torch.device
) -> tuple[int, bool]:
    """Run one small batch through model and loss in evaluation mode, which leaves no trace.

    Returns the number of outputs, and whether the usual metrics fit (one output vector an example). Raises
    `InputError` when the model fails on the batch, returns no tensor, when outputs and targets do not fit each
    other, or when the loss is not one number.
    """
    if not any(parameter.requires_grad for parameter in model.parameters()):
        raise InputError("train(model): the model has no parameter that may be trained; unfreeze or add a layer.")
    batch = next(iter(train.batches(torch.arange(min(size, len(train))), size)))
    inputs, targets = batch.inputs.to(device), batch.targets.to(device)
    output = output_of(model, inputs)
    outputs = output.shape[1] if output.dim() > 1 else 1
    _check_targets(output, targets, train, valid)
    try:
        value = loss(output, targets)
    except Exception as error:
        raise InputError(
            f"the loss fails on outputs {tuple(output.shape)} and targets {tuple(targets.shape)} of {targets.dtype}: "
            f"{_first_line(error)}; fit the model's outputs or choose another loss."
        ) from error
    if not isinstance(value, Tensor) or value.numel() != 1:
        raise InputError("the loss must be one number for a batch; reduce it with .mean().")
    return outputs, output.dim() == 2 and (targets.dim() == 1 or targets.is_floating_point())


@torch.no_grad()
def output_of(model: nn.Module, inputs: Tensor) -> Tensor:
    """The model's output for one batch, in evaluation mode; lazy layers get their shape from it."""
    was_training = model.training
    model.eval()
    try:
        output = model(inputs)
    except Exception as error:
        raise InputError(
            f"the model fails on a batch of shape {tuple(inputs.shape)} and type {inputs.dtype}: {_first_line(error)}; "
            f"fit its first layer to the data."
        ) from error
    finally:
        model.train(was_training)
    if not isinstance(output, Tensor):
        raise InputError(f"the model must return a tensor, not {type(output).__name__}; return its main output.")
    return output


def _check_targets(output: Tensor, targets: Tensor, train: Examples, valid: Examples | None) -> None:
    if targets.is_floating_point():
        if output.shape != targets.shape:
            raise InputError(
                f"the model's outputs have shape {tuple(output.shape)} and the targets {tuple(targets.shape)}, which "
                f"would be broadcast against each other; give the targets shape {tuple(output.shape)}."
            )
        return
    if output.dim() < 2:
        return
    for name, part in (("training", train), ("validation", valid)):
        labels = targets if part is None else peek_targets(part)
        if labels.dim() == 1 and (int(labels.min()) < 0 or int(labels.max()) >= output.shape[1]):
            raise InputError(
                f"{name} labels run from {int(labels.min())} to {int(labels.max())} and the model has "
                f"{output.shape[1]} outputs; labels must lie in 0..{output.shape[1] - 1}: relabel, or widen the head."
            )


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
