"""How a run was made longer than it was planned, as text: "hold after 5, restart after 8"."""

from __future__ import annotations

import itertools
import re
from typing import NamedTuple

from latih._checks import InputError

POLICIES = ("stretch", "hold", "restart")
"""The policies of `Schedule.extended`."""
_ONE = re.compile(rf"({'|'.join(POLICIES)}) after (\d+)")


class Extension(NamedTuple):
    """One time that a run was made longer."""

    policy: str
    epochs: int
    """The length that had been planned before."""


def read(text: str, epochs: int) -> list[Extension]:
    """The extensions of a run of `epochs` epochs in all, the first one first; raises `InputError` for what is none.

    >>> read("hold after 5, restart after 8", epochs=10)
    [Extension(policy='hold', epochs=5), Extension(policy='restart', epochs=8)]
    """
    found = [_ONE.fullmatch(part.strip()) for part in text.split(",")] if text else []
    extensions = [Extension(one[1], int(one[2])) for one in found if one]
    lengths = [0, *(one.epochs for one in extensions), epochs]
    if len(extensions) < len(found) or any(one >= other for one, other in itertools.pairwise(lengths)):
        raise InputError(
            f"recipe(extended={text!r}): extended must be a policy ({', '.join(POLICIES)}) and the epochs that were "
            f"planned before, below epochs={epochs}; write 'hold after 5', or leave it to --extend."
        )
    return extensions


def written(extensions: list[Extension]) -> str:
    """The text that `read` reads."""
    return ", ".join(f"{one.policy} after {one.epochs}" for one in extensions)
