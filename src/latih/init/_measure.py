"""Rescale weights while one batch runs through them, each before its output goes on."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from latih.tape import call_model, mapped, recording, split_batch, tensors, untouched

_PRODUCTS = frozenset(("linear", "matmul", "mm", "bmm", "addmm", "baddbmm", "einsum", "__matmul__", "__rmatmul__"))
Adjust = Callable[[nn.Parameter, Callable[[], Tensor]], Tensor]
"""Called with a weight and the product that it enters; may rescale the weight; returns the product as it then is."""


class _Products(TorchFunctionMode):
    def __init__(self, weights: list[nn.Parameter], adjust: Adjust) -> None:
        super().__init__()
        self.weights = {id(weight): weight for weight in weights}
        self.adjust = adjust

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name in _PRODUCTS or name.startswith("conv"):
            for given in (*args, *kwargs.values()):
                for one in given if isinstance(given, tuple | list) else (given,):
                    weight = self._weight(one)
                    if weight is not None:
                        return self.adjust(weight, lambda: func(*args, **kwargs))
        return func(*args, **kwargs)

    def _weight(self, value: Any) -> nn.Parameter | None:
        if not isinstance(value, Tensor):
            return None
        return self.weights.get(id(value._base if value._is_view() else value))


def adjusted(model: nn.Module, batch: Any, weights: list[nn.Parameter], adjust: Adjust) -> None:
    """One forward pass in training mode in which `adjust` sees each of `weights` at its uses; then all is put back.

    The weights too: what is to stay must be remembered by `adjust`. A product hidden in a compiled or custom function
    is not seen.
    """
    inputs, _ = split_batch(batch)
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers(), *tensors(inputs)]}
    with untouched(list(model.modules()), devices), recording(), torch.no_grad(), _Products(weights, adjust):
        model.train()
        call_model(model, mapped(inputs, torch.clone))


def spread(signal: Tensor) -> float:
    """The variance over all entries, in double precision."""
    return signal.detach().double().var(correction=0).item()
