"""Batch norms that cannot be left in the wrong mode."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from latih.tape import call_model

_ARGUMENTS = ("input", "running_mean", "running_var", "weight", "bias", "training", "momentum", "eps")
"""Of F.batch_norm."""


class _Following:
    """In the mode of the model that it belongs to, whatever mode its `forward` has put it in."""

    belongs_to: tuple[nn.Module]

    def forward(self, input: Tensor) -> Tensor:
        """As the batch norm that it was."""
        self.training = self.belongs_to[0].training
        return super().forward(input)  # pyright: ignore[reportAttributeAccessIssue]


class FollowingBatchNorm1d(_Following, nn.BatchNorm1d):
    """A batch norm in the mode of its model."""


class FollowingBatchNorm2d(_Following, nn.BatchNorm2d):
    """A batch norm in the mode of its model."""


class FollowingBatchNorm3d(_Following, nn.BatchNorm3d):
    """A batch norm in the mode of its model."""


_CLASSES: dict[type[nn.Module], type[nn.Module]] = {
    nn.BatchNorm1d: FollowingBatchNorm1d,
    nn.BatchNorm2d: FollowingBatchNorm2d,
    nn.BatchNorm3d: FollowingBatchNorm3d,
}


def follow(norm: nn.Module, model: nn.Module) -> bool:
    """Make `norm`, in place, one that is in training exactly when `model` is; False for other kinds."""
    kind = _CLASSES.get(type(norm))
    if kind is None:
        return False
    norm.__class__ = kind
    # in a tuple: as an attribute of its own the model would become a child of its norm
    vars(norm)["belongs_to"] = (model,)
    return True


class Moded(nn.Module):
    """A network whose calls of F.batch_norm use the batch's statistics in training, and running ones in evaluation.

    Running statistics are those that a call is given, or, where it is given none, buffers of this module.
    """

    def __init__(self, net: nn.Module, features: list[int]) -> None:
        super().__init__()
        self.net = net
        for place, size in enumerate(features):
            self.register_buffer(f"mean_{place}", torch.zeros(size))
            self.register_buffer(f"variance_{place}", torch.ones(size))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What `net` puts out."""
        with _InMode(self):
            return self.net(*args, **kwargs)


def features_of_calls(net: nn.Module, inputs: Any) -> list[int]:
    """Of each call of F.batch_norm in one forward pass, in order."""
    with _InMode(None) as seen:
        call_model(net, inputs)
    return seen.features


class _InMode(TorchFunctionMode):
    def __init__(self, owner: Moded | None) -> None:
        super().__init__()
        self.owner, self.features = owner, []

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = kwargs or {}
        if func is not F.batch_norm:
            return func(*args, **given)
        called = dict(zip(_ARGUMENTS, args, strict=False)) | given
        place = len(self.features)
        self.features.append(called["input"].shape[1])
        if self.owner is not None:
            called["training"] = self.owner.training
            mean = getattr(self.owner, f"mean_{place}", None)
            if called.get("running_mean") is None and mean is not None:
                called |= {"running_mean": mean, "running_var": getattr(self.owner, f"variance_{place}")}
        return func(**called)
