"""The batch that a check looks at: in parts, cut short, and with its inputs made the same for everyone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from latih.tape import mapped, tensors


@dataclass(frozen=True)
class Batch:
    """Inputs and targets as the user passed them, of any nesting."""

    inputs: Any
    targets: Any

    @property
    def size(self) -> int | None:
        """Examples, where every tensor has the same number of them in front; None where that cannot be told."""
        lengths = {len(one) for one in tensors((self.inputs, self.targets)) if one.dim()}
        return lengths.pop() if len(lengths) == 1 else None

    def first(self, count: int) -> Batch:
        """The first `count` examples; the whole batch where examples cannot be told apart."""
        if self.size is None or self.size <= count:
            return self
        return Batch(*(mapped(side, lambda one: one[:count] if one.dim() else one) for side in self.parts))

    def blind(self) -> Batch:
        """The same targets with inputs that say nothing: their mean; the first example of those that are counts."""
        return Batch(mapped(self.inputs, _alike), self.targets)

    def fresh(self) -> tuple[Any, Any]:
        """Copies that a model may write to."""
        return mapped(self.inputs, _clone), mapped(self.targets, _clone)

    @property
    def parts(self) -> tuple[Any, Any]:
        """(inputs, targets)."""
        return self.inputs, self.targets


def _clone(tensor: Tensor) -> Tensor:
    return tensor.detach().clone()


def _alike(tensor: Tensor) -> Tensor:
    if not tensor.dim() or not len(tensor):
        return tensor
    one = tensor.detach().mean(0, keepdim=True) if tensor.is_floating_point() else tensor[:1]
    return one.expand_as(tensor).contiguous() if tensor.layout == torch.strided else tensor
