"""A network whose every layer hears of the loss, though its `forward` cuts the graph."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

_CUTS = frozenset((Tensor.detach, torch.detach, Tensor.data.__get__))  # pyright: ignore[reportAttributeAccessIssue]


class Attached(nn.Module):
    """A network whose `forward` runs as if it had no `detach()`, `.data` and `no_grad()`.

    Only where gradients are wanted around it: under `no_grad` in evaluation nothing is recorded, as before.
    """

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What `net` puts out."""
        if not torch.is_grad_enabled():
            return self.net(*args, **kwargs)
        with _Uncut():
            return self.net(*args, **kwargs)


class _Uncut(TorchFunctionMode):
    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _CUTS:
            return args[0]
        if getattr(func, "__name__", "") == "_set_grad_enabled":
            return None
        return func(*args, **(kwargs or {}))
