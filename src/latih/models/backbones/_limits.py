"""How large a network may be, found out before memory is taken for it."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn

from latih._checks import InputError

MOST_WEIGHTS = 2_000_000_000
"""A backbone with more weights is refused."""
MOST_FEATURES = 100_000
LONGEST_SIDE = 4096
"""Of a picture, in pixels."""
LONGEST_TEXT = 2**20
"""In tokens."""
MOST_LAYERS = 1000
"""Counts that a config may ask for of layers, blocks, stages, experts and the like."""


def sketched(name: str, make: Callable[[], nn.Module]) -> nn.Module:
    """The network that `make` builds, as shapes without memory.

    Raises `InputError` where it has more than 2 billion weights, or cannot be built that way.
    """
    try:
        with torch.device("meta"):
            net = make()
    except InputError:
        raise
    except Exception as error:  # a library's own code, which raises anything
        raise InputError(
            f"backbone {name!r}: this network cannot be built as shapes on the meta device, so its size stays unknown "
            f"({type(error).__name__}: {brief(error)}); choose another."
        ) from None
    refuse_huge(name, net)
    return net


def refuse_huge(name: str, net: nn.Module) -> None:
    """Raise `InputError` for a network of more than 2 billion weights."""
    count = sum(parameter.numel() for parameter in net.parameters())
    if count > MOST_WEIGHTS:
        raise InputError(
            f"backbone {name!r}: {count:,} weights are more than the {MOST_WEIGHTS:,} that are trained here; "
            "choose a smaller one."
        )


def brief(error: Exception) -> str:
    """The first line of what another library says, without its full stop."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return (lines[0] if lines else "no reason given").rstrip(".")[:300]
