"""What the schedule-free methods share: an average that takes the place of the falling rate."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from latih._checks import InputError

from ._arguments import below_one
from ._switch import Switching


class ScheduleFree(Switching):
    """x averages z, the gradient is taken at y = (1 − β)·z + β·x between them; the parameters hold y, then x.

    Only y and z are kept: x = (y − (1 − β)·z)/β.
    """

    def result(self, param: Tensor, state: dict[str, Any], group: dict[str, Any]) -> Tensor:
        """The average x."""
        beta = state["beta"]
        return (param - (1 - beta) * state["z"]) / beta

    def advance(self, param: Tensor, change: Tensor, state: dict[str, Any], lr: float, beta: float) -> None:
        """Move z by −lr·`change`, x towards it by its share, and the parameters to the y between them."""
        if not beta > 0:
            raise InputError(
                f"{type(self).__name__}(momentum={beta!r}): the momentum must stay above 0, or the average is lost; "
                "take a schedule that leaves it alone, such as warmup(500)."
            )
        z, was = state["z"], state.setdefault("beta", beta)
        state["weights"] = state.get("weights", 0.0) + lr**2
        share = lr**2 / state["weights"] if state["weights"] else 0.0
        keep = beta * (1 - share)
        # the new y in terms of the old y and z; `was` differs from beta only where a schedule moves the momentum
        part = keep / was
        param.mul_(part).add_(z, alpha=1 - keep - part * (1 - was)).add_(change, alpha=-lr * (1 - keep))
        z.add_(change, alpha=-lr)
        state["beta"] = beta


def between(call: str, name: str, value: float) -> None:
    """Refuse a β outside (0, 1)."""
    below_one(call, name, value)
    if value == 0:
        raise InputError(f"{call}({name}=0): {name} must be above 0, or the average is lost; 0.9 is the usual start.")
