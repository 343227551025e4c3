"""The contract: a model is a spec that becomes a network once the shape of its inputs and outputs is known."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import nn


@dataclass(frozen=True)
class ModelSpec:
    """`spec((1, 28, 28), 10)` builds the network for inputs of that shape (without the batch) and 10 outputs."""

    method: Callable[..., ModelSpec]
    """The function of this family that made it."""
    build: Callable[[tuple[int, ...], int], nn.Module]
    options: dict[str, Any]
    """The arguments it was built with."""

    def with_(self, **changes: Any) -> ModelSpec:
        """The same kind of network with other arguments; those that are None stay as they are."""
        wanted = {name: value for name, value in changes.items() if value is not None}
        return self.method(**self.options | wanted) if wanted else self

    def __call__(self, shape: tuple[int, ...], outputs: int) -> nn.Module:
        return self.build(shape, outputs)
