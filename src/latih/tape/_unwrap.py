"""What users pass: wrapped models, batches of any nesting, outputs of any shape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, nn

from latih._checks import InputError


def unwrap(model: nn.Module) -> nn.Module:
    """The model inside `torch.compile`, `DataParallel` and `DistributedDataParallel`."""
    while True:
        if isinstance(model, nn.DataParallel | nn.parallel.DistributedDataParallel):
            model = model.module
        elif isinstance(inner := model.__dict__.get("_modules", {}).get("_orig_mod"), nn.Module):
            model = inner
        else:
            return model


def split_batch(batch: Any) -> tuple[Any, Any]:
    """(inputs, targets); targets is None where the batch has none.

    >>> split_batch(("x", "y"))
    ('x', 'y')
    """
    if hasattr(batch, "inputs") and hasattr(batch, "targets"):
        return batch.inputs, batch.targets
    if isinstance(batch, tuple | list):
        if len(batch) == 2:
            return batch[0], batch[1]
        if len(batch) == 1:
            return batch[0], None
        raise InputError(
            f"read(batch=...): the batch has {len(batch)} parts and must have one or two; "
            "pass (inputs, targets), where inputs may be a tuple or a dict."
        )
    return batch, None


def call_model(model: nn.Module, inputs: Any) -> Any:
    """`model(**inputs)` for a mapping, `model(*inputs)` for a tuple or list, else `model(inputs)`."""
    if isinstance(inputs, Mapping):
        return model(**inputs)
    return model(*inputs) if isinstance(inputs, tuple | list) else model(inputs)


def tensors(value: Any) -> Iterator[Tensor]:
    """Every tensor in tuples, lists, mappings and plain objects, in order."""
    if isinstance(value, Tensor):
        yield value
    elif isinstance(value, Mapping):
        for item in value.values():
            yield from tensors(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from tensors(item)
    elif hasattr(value, "__dict__") and not isinstance(value, nn.Module | type) and not callable(value):
        for item in vars(value).values():
            if isinstance(item, Tensor | Mapping | tuple | list):
                yield from tensors(item)


def mapped(value: Any, change: Callable[[Tensor], Tensor]) -> Any:
    """`value` with every tensor in tuples, lists and dicts replaced by `change(tensor)`."""
    if isinstance(value, Tensor):
        return change(value)
    if isinstance(value, Mapping):
        return {key: mapped(item, change) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(mapped(item, change) for item in value))
    return type(value)(mapped(item, change) for item in value) if type(value) in (tuple, list) else value


def modules_of(value: Any) -> list[nn.Module]:
    """The modules of a module; none of anything else."""
    return list(value.modules()) if isinstance(value, nn.Module) else []


def own_loss(output: Any) -> Tensor | None:
    """The loss that the model computed itself: `output.loss` or `output["loss"]`, if it is a scalar tensor."""
    loss = output.get("loss") if isinstance(output, Mapping) else getattr(output, "loss", None)
    if isinstance(output, Tensor) or not isinstance(loss, Tensor):
        return None
    return loss if loss.numel() == 1 else None
