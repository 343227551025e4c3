"""The loss of every update, however many backward passes it is made of."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from latih._shards import local

_MOST_PENDING = 1000


class Ledger:
    """Adds up the losses of one update; knows by one parameter's gradient when an accumulation begins anew.

    What was differentiated and then thrown away by `zero_grad` moved no weight and does not count: a discriminator's
    gradient from the generator's loss, a step that a `GradScaler` left out. Of an optimizer that evaluates a closure
    several times (LBFGS), the first evaluation counts: it is the one at the weights before the update.
    """

    def __init__(self) -> None:
        self.losses: list[float | None] = []
        self.stale = False
        """The update that is being gathered found the gradient of the one before."""
        self.gathering = False
        """A loss of this update has been seen."""
        self.stepping = False
        """Inside the optimizer's step."""
        self.closed = False
        """The closure is evaluated again: what follows in this step does not count."""
        self._sum = 0.0
        self._device_sum: Tensor | None = None
        self._waiting: list[float | Tensor] = []
        self._probe: Tensor | None = None
        self._version = -1

    def begins(self, reached: Tensor) -> bool:
        """A loss that reaches the parameter `reached` is about to be differentiated: is it the update's first?"""
        fresh = self._is_fresh(reached)
        if self.gathering and not fresh:
            return False
        if self.gathering and self.stepping:
            self.closed = True
            return False
        self.forget()
        self.gathering, self.stale, self._probe = True, not fresh, reached
        return True

    def thrown_away(self) -> bool:
        """Whether what was gathered has been set to zero since."""
        return self.gathering and not self.stepping and self._probe is not None and self._is_fresh(self._probe)

    def add(self, loss: Tensor) -> float | None:
        """Count a loss; its value where reading it waits for nobody."""
        if loss.numel() != 1:
            return None
        if loss.device.type != "cpu":
            value = loss.detach().reshape(())
            self._device_sum = value if self._device_sum is None else self._device_sum + value
            return None
        value = loss.item()
        self._sum += value
        return value

    def differentiated(self) -> None:
        """A backward pass is over, or an optimizer's step: remember the gradient's state."""
        grad = None if self._probe is None else self._probe.grad
        self._version = -1 if grad is None else grad._version

    def updated(self) -> bool:
        """The weights have moved: enter the update's loss. False where no loss was seen."""
        seen = self.gathering
        if seen:
            self._waiting.append(self._sum if self._device_sum is None else self._device_sum + self._sum)
        self.forget()
        self.differentiated()
        if len(self._waiting) >= _MOST_PENDING:
            self.flush()
        return seen

    def forget(self) -> None:
        """Begin anew."""
        self.gathering = self.closed = self.stale = False
        self._sum, self._device_sum = 0.0, None

    def flush(self) -> list[float | None]:
        """Fetch what is still on the device, all at once; returns all losses so far."""
        if self._waiting:
            waiting, self._waiting = self._waiting, []
            device = [one for one in waiting if isinstance(one, Tensor)]
            fetched = iter(torch.stack(device).tolist() if device else ())
            values = [next(fetched) if isinstance(one, Tensor) else one for one in waiting]
            self.losses += [value if math.isfinite(value) else None for value in values]
        return self.losses

    def _is_fresh(self, reached: Tensor) -> bool:
        """Whether the gradient that this backward pass adds to is empty."""
        probe = self._probe if self._probe is not None and (self.gathering or self._probe is reached) else reached
        grad = probe.grad
        if grad is None:
            return True
        if probe is self._probe and grad._version == self._version:
            return False
        # somebody wrote to it: set to zero in place, or clipped; on other devices looking would mean waiting
        if grad.device.type != "cpu":
            return not self.gathering
        values = grad.coalesce().values() if grad.is_sparse else local(grad)
        return not bool(values.any())
