"""How often a run is saved, as text: "epoch", "50 steps", "10 minutes"."""

from __future__ import annotations

import math
import re
from typing import NamedTuple

from latih._checks import InputError

_AMOUNT = re.compile(r"(\d+(?:\.\d+)?) *(steps?|minutes?)")


class Every(NamedTuple):
    """When a checkpoint is due besides the end of an epoch; None where that does not decide."""

    steps: int | None = None
    """Updates, counted from the beginning of the run."""
    seconds: float | None = None
    """Time since the last checkpoint."""


def every(text: str) -> Every:
    """Read `text`; raises `InputError` for anything but "epoch", whole steps and minutes above 0.

    >>> every("50 steps"), every("0.5 minutes")
    (Every(steps=50, seconds=None), Every(steps=None, seconds=30.0))
    """
    if text == "epoch":
        return Every()
    found = _AMOUNT.fullmatch(text.strip()) if isinstance(text, str) else None
    amount = float(found[1]) if found else 0.0
    if found and amount > 0 and math.isfinite(amount):
        if found[2].startswith("minute"):
            return Every(seconds=60.0 * amount)
        if amount.is_integer():
            return Every(steps=int(amount))
    raise InputError(
        f"recipe(save_every={text!r}): save_every must be 'epoch', or whole steps or minutes above 0; write "
        "'50 steps' or '10 minutes'."
    )
