"""The sentences for what cannot be checked."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.optim import OptimizerSpec
from latih.tape import read, split_batch


def check_arguments(model: Any, batch: Any, loss: Any, optimizer: Any) -> None:
    """Refuse what is no model, no loss or no optimizer."""
    if not isinstance(model, nn.Module):
        raise InputError(f"check(model={type(model).__name__}): the model must be a torch.nn.Module.")
    if next(model.parameters(), None) is None:
        raise InputError(
            f"check(model={type(model).__name__}): the model has no parameters, so nothing can be learned; "
            "add a layer with weights."
        )
    if not callable(loss):
        raise InputError(
            f"check(loss={loss!r}): the loss must be a function of (output, target); "
            "pass torch.nn.functional.cross_entropy for one."
        )
    if optimizer is not None and not isinstance(optimizer, str | OptimizerSpec | torch.optim.Optimizer):
        raise InputError(
            f"check(optimizer={type(optimizer).__name__}): optimizer must be a torch optimizer or notation such as "
            "'adam(lr=0.001)'."
        )
    if isinstance(batch, tuple | list) and len(batch) > 2:
        raise InputError(
            f"check(batch=...): the batch has {len(batch)} parts and must have two; pass (inputs, targets), where "
            "inputs may be a tuple or a dict."
        )
    if split_batch(batch)[1] is None:
        raise InputError("check(batch=...): the batch has no targets; pass (inputs, targets).")


def check_loss(total: Any) -> None:
    """Refuse a loss that is no scalar."""
    if not isinstance(total, Tensor) or total.numel() != 1:
        what = f"a tensor of shape {tuple(total.shape)}" if isinstance(total, Tensor) else type(total).__name__
        raise InputError(
            f"check(loss=...): the loss must be a scalar tensor and is {what}; reduce it, with .mean() for one."
        )


def failed(model: nn.Module, batch: Any, loss: Callable[[Any, Any], Tensor], error: Exception) -> InputError:
    """Who failed on the batch, the model (and which layer) or the loss."""
    try:
        read(model, batch, loss)
    except InputError as told:
        return InputError(str(told).replace("read(", "check(", 1))
    except Exception as other:
        error = other
    line = next(iter(str(error).splitlines()), "") or type(error).__name__
    return InputError(f"check(batch=...): one forward and backward pass fails: {line}; pass a batch that trains.")
