"""Who moves the weights, and how fast."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from ._facts import largest_group

_PATIENCE = 16
"""Looks in vain after which parameters are looked up again."""


class Versions:
    """Notices updates without an optimizer being named.

    Some optimizer of this process that holds the model's parameters has made a step, or a parameter has been written
    to: torch counts how often, but for what fused optimizers do.
    """

    def __init__(self, model: nn.Module) -> None:
        self._model = model
        self._stepped = False
        self._vain = 0

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Any optimizer has moved its weights."""
        if any(id(one) in self._known for group in optimizer.param_groups for one in group["params"][:1]):
            self._stepped = True

    def look_at_model(self) -> None:
        """Parameters may have come or gone."""
        self._parameters = [one for one in self._model.parameters() if one.requires_grad]
        self._known = frozenset(map(id, self._parameters))
        self._sum = self._count()

    def moved(self) -> bool:
        """Whether the weights have moved since the last time."""
        now = self._count()
        if self._stepped or now != self._sum:
            self._sum, self._vain, self._stepped = now, 0, False
            return True
        self._vain += 1
        if self._vain == _PATIENCE:
            self._vain = 0
            self.look_at_model()
        return False

    def _count(self) -> int:
        return sum([one._version for one in self._parameters])


class Rates:
    """Enters the learning rate of the largest group whenever it has changed."""

    def __init__(self, optimizer: Any, rates: list[tuple[int, float]]) -> None:
        self._optimizer, self._rates = optimizer, rates
        self._last: float | None = None

    def look_at_groups(self) -> None:
        """Groups may have been added."""
        self._group = largest_group(self._optimizer) or {}

    def note(self, update: int) -> None:
        """`update` was made with the rate of now; a rate that lies on another device would have to be waited for."""
        rate = self._group.get("lr")
        if rate is None or (isinstance(rate, Tensor) and rate.device.type != "cpu"):
            return
        if rate != self._last:
            self._last = float(rate)
            self._rates.append((update, self._last))
