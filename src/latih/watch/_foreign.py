"""What takes part in a model without being its own, and what makes its answers depend on their company."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor, nn

from latih.tape import ancestors, tensors

from ._fresh import is_fresh
from ._reach import Leaf
from ._record import Layer, Parameter
from ._rerun import unnoticed


def unregistered(outputs: Iterable[Tensor], inputs: Any, known: set[int]) -> list[Parameter]:
    """Leaves that require a gradient, lead to `outputs`, and are neither among `known` (ids) nor behind the inputs.

    Layers in a plain list or dictionary are such leaves: no optimizer that was given `model.parameters()` has them.
    """
    if any(one.requires_grad for one in tensors(inputs)):
        return []
    nodes = ancestors([one.grad_fn for one in outputs if one.grad_fn is not None])
    leaves = [node.variable for node in nodes if type(node) is Leaf]
    found = {id(one): one for one in leaves if id(one) not in known and isinstance(one, nn.Parameter)}
    return [
        Parameter(
            name=f"unregistered {place}",
            shape=tuple(one.shape),
            trainable=True,
            reached=True,
            optimised=False,
            fresh=is_fresh(one),
        )
        for place, one in enumerate(reversed(list(found.values())))
    ]


def depends_on_batch(model: nn.Module, inputs: Any, layers: list[Layer]) -> bool | None:
    """Whether in evaluation mode an answer changes with the other examples of its batch.

    Asked only where the tape shows a batch norm that no module with running statistics explains; else None.
    """
    normed = sum("batch_norm" in layer.between for layer in layers)
    tracked = [one for one in model.modules() if getattr(one, "running_mean", None) is not None]
    if not normed or len(tracked) or not isinstance(inputs, Tensor) or len(inputs) < 4:
        return None
    return _changes_with_company(model, inputs)


def mixes_examples(model: nn.Module, inputs: Any, layers: list[Layer]) -> bool | None:
    """The same of a model without any batch norm, and with one answer an example: (n,) or (n, outputs).

    Sequences of answers are not asked: their first axis may be time.
    """
    normed = any("batch_norm" in layer.between for layer in layers)
    if normed or not isinstance(inputs, Tensor) or len(inputs) < 4 or any(map(_averages, model.modules())):
        return None
    return _changes_with_company(model, inputs, most=2)


def _averages(module: nn.Module) -> bool:
    return "BatchNorm" in type(module).__name__


def _changes_with_company(model: nn.Module, inputs: Tensor, most: int | None = None) -> bool | None:
    """Answers of each half of a batch, alone and together with the other half; of at most so many axes."""
    half = len(inputs) // 2
    with unnoticed(model), torch.no_grad():
        model.eval()
        together, first, second = (
            next(iter(tensors(model(part))), None) for part in (inputs, inputs[:half], inputs[half:])
        )
    if together is None or first is None or second is None or not together.is_floating_point():
        return None
    alone = torch.cat([first, second]) if most is not None else first
    if most is not None and (together.dim() > most or len(together) != len(inputs) or len(alone) != len(together)):
        return None
    other = together[: len(alone)]
    return bool((alone - other).abs().max() > 1e-3 * other.abs().max())
