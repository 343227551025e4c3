"""The contract: an optimizer is a spec that becomes a torch optimizer once it is given a model or parameters."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import at_least, positive

from ._fast import fast_path
from ._groups import bare_group, decay_groups
from ._text import changed


@dataclass(frozen=True)
class OptimizerSpec:
    """`spec(model)` makes the torch optimizer: weight decay by role, on torch's fastest path for the device."""

    text: str
    """Its notation, e.g. "nag(lr=0.01)"."""
    make: type[torch.optim.Optimizer]
    lr: float
    weight_decay: float = 0.0
    options: dict[str, Any] = field(default_factory=dict)
    groups: Callable[[nn.Module, float], list[dict[str, Any]]] = decay_groups
    """Parts a model's parameters by role; `muon` has its own parting."""

    def __post_init__(self) -> None:
        positive(self.name, "lr", self.lr)
        at_least(self.name, "weight_decay", self.weight_decay, 0.0)
        if self.weight_decay:
            positive(self.name, "weight_decay", self.weight_decay)

    @property
    def name(self) -> str:
        return self.text.split("(")[0]

    def with_(self, *, lr: float | None = None, weight_decay: float | None = None) -> OptimizerSpec:
        """The same method with another rate or decay."""
        given = {"lr": lr, "weight_decay": weight_decay}
        changes: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
        return replace(self, text=changed(self.text, **changes), **changes)

    def __call__(self, target: nn.Module | Iterable[Tensor] | Iterable[dict[str, Any]]) -> torch.optim.Optimizer:
        """Build for a model (norms, biases and embeddings are then not decayed), for parameters, or for groups."""
        if isinstance(target, nn.Module):
            groups = self.groups(target, self.weight_decay)
        else:
            groups = bare_group(self.name, target, self.weight_decay)
        parameters = [parameter for group in groups for parameter in group["params"]]
        fast = fast_path(self.make, parameters, self.options)
        return self.make(groups, lr=self.lr, **self.options, **fast)  # pyright: ignore
