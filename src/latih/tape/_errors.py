"""The sentences for a model, batch or loss that cannot be read."""

from __future__ import annotations

from typing import Any

from torch import nn
from torch.nn.parameter import is_lazy

from latih._checks import InputError

from ._unwrap import tensors


def check_model(model: nn.Module) -> None:
    """Refuse a model without parameters, or with a parameter that no gradient can change."""
    call, count = f"read(model={type(model).__name__})", 0
    for name, parameter in model.named_parameters():
        count += 1
        if is_lazy(parameter):
            raise InputError(f"{call}: {name} has no shape yet; run the model once on a batch first.")
        if not (parameter.is_floating_point() or parameter.is_complex()):
            raise InputError(
                f"{call}: {name} has dtype {str(parameter.dtype)[6:]}, which cannot be trained; convert it to a "
                "floating dtype or register it as a buffer."
            )
        if parameter.numel() == 0:
            shape = tuple(parameter.shape)
            layer = name.rpartition(".")[0]
            where = f"layer {layer!r}" if layer else "the model"
            raise InputError(f"{call}: {where} has zero width ({name} has shape {shape}); give it at least one unit.")
    if not count:
        raise InputError(
            f"{call}: the model has no parameters, so there is nothing to train; add a layer with weights."
        )


def model_failed(model: nn.Module, inputs: Any, error: Exception) -> InputError:
    """The model cannot process the batch."""
    ours = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    theirs = {tensor.device for tensor in tensors(inputs) if tensor.dim() > 0}
    if ours and theirs and not theirs & ours:
        return InputError(
            f"read(batch=...): the batch is on {_listed(theirs)} and the model on {_listed(ours)}; "
            f"move one to the other, with .to({str(next(iter(ours)))!r}) for one."
        )
    path, module = _innermost(model, error)
    where = f"layer {path!r} ({type(module).__name__})" if path else type(module).__name__
    return InputError(
        f"read(batch=...): {where} fails on the batch: {_message(error)}; pass a batch that the model accepts."
    )


def loss_failed(output: Any, targets: Any, error: Exception) -> InputError:
    """The loss cannot process output and targets."""
    shapes = [
        ", ".join(str(tuple(t.shape)) for t in tensors(side)) or type(side).__name__ for side in (output, targets)
    ]
    return InputError(
        f"read(loss=...): the loss fails on an output of shape {shapes[0]} with targets of shape {shapes[1]}: "
        f"{_message(error)}; pass a loss that takes (output, targets)."
    )


def _innermost(model: nn.Module, error: Exception) -> tuple[str, nn.Module]:
    """The last of the model's modules that the traceback runs through."""
    paths = {id(module): path for path, module in model.named_modules()}
    found: tuple[str, nn.Module] = "", model
    trace = error.__traceback__
    while trace is not None:
        module = trace.tb_frame.f_locals.get("self")
        if isinstance(module, nn.Module) and id(module) in paths:
            found = paths[id(module)], module
        trace = trace.tb_next
    return found


def _message(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0].rstrip(".;") if lines else "") or type(error).__name__


def _listed(devices: set[Any]) -> str:
    return ", ".join(sorted(map(str, devices)))
