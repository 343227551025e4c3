"""The base of optimizers written here: it owns the loop over groups, the closure and `no_grad`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.optim.optimizer import ParamsT

from latih._checks import InputError


class Method(torch.optim.Optimizer):
    """An optimizer that is its update rule: write `update`, which changes `param` and `state` and never `grad`."""

    def __init__(self, params: ParamsT, defaults: dict[str, Any]) -> None:
        super().__init__(params, defaults)

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], group: dict[str, Any]) -> None:
        """One update of `param`; `state` is empty at the first, `group` holds the rate and the settings."""
        raise NotImplementedError

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Update every parameter that has a gradient; return the closure's loss, if there is a closure."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            for param in group["params"]:
                if param.grad is not None:
                    self.update(param, self._dense(param.grad), self.state[param], group)
        return loss

    def _dense(self, grad: Tensor) -> Tensor:
        if grad.is_sparse:
            raise InputError(
                f"{type(self).__name__}: gradients must be dense; build the embedding with sparse=False, or use sgd()."
            )
        return grad
