"""The base of optimizers whose gradients are taken at one point and whose result is another."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from latih._checks import InputError

from ._method import Method

_STASH = "training_point"


class Switching(Method):
    """While training, the parameters hold the point where the gradient is taken; after `eval()`, the result.

    Write `update` and `result`. A loop calls `optimizer.eval()` before it evaluates, exports or saves weights for use,
    and `optimizer.train()` before it goes on; each may be called twice. `train()` brings back the very bits that
    `eval()` put away, so evaluating never changes training; meanwhile one more copy of the parameters is kept.
    `state_dict()` may be taken in either state and holds which it is; save the model's weights at the same moment.
    """

    def result(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        """The weights to evaluate, as a new tensor, from the point in `param`."""
        raise NotImplementedError

    @torch.no_grad()
    def eval(self) -> None:
        """Put the result into the parameters."""
        for group in self.param_groups:
            for param in group["params"]:
                state = self.state.get(param)
                if state and _STASH not in state:  # before its first update a parameter is its own result
                    state[_STASH] = param.clone()
                    param.copy_(self.result(param, state, group))

    @torch.no_grad()
    def train(self) -> None:
        """Put the point where the gradient is taken back into the parameters."""
        for group in self.param_groups:
            for param in group["params"]:
                state = self.state.get(param)
                if state and _STASH in state:
                    param.copy_(state.pop(_STASH))

    @torch.no_grad()
    def step(self, closure: Any = None) -> Any:
        """Update every parameter that has a gradient; refuse to while the parameters hold the result."""
        if any(_STASH in state for state in self.state.values()):
            raise InputError(
                f"{type(self).__name__}.step(): the parameters hold the result to evaluate; "
                "call optimizer.train() before the next batch."
            )
        return super().step(closure)
