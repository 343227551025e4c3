"""A model that is divided among processes cannot be run once more by one of them."""

from __future__ import annotations

from collections.abc import Iterable

from torch import Tensor

from ._origin import Suspect


class Unsuspecting(Suspect):
    """Never looks for where a value that is not finite came from: that takes a forward pass of all processes."""

    def search(self, step: int, loss: Tensor, outputs: list[Tensor]) -> None:
        """Leave it unknown."""

    def search_backward(self, step: int, loss_ops: list[str]) -> None:
        """Leave it unknown."""

    def in_sampled(self, step: int, names: list[str]) -> None:
        """Leave it unknown."""

    def choose_probe(self, parameters: Iterable[Tensor]) -> None:
        """None: a gradient that is divided is not asked for its values."""
