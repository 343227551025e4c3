"""The pretrained values of everything below the output layer, complete or not at all."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

from torch import Tensor, nn

from latih._checks import InputError

from .._weights import load_weights


def pretrained_below(
    name: str, net: nn.Module, head: str, source: str | PathLike[str] | Mapping[str, Any]
) -> dict[str, Tensor]:
    """Load `source` into `net` and return the state of all but its `head`, whose weights may have any shape.

    Raises `InputError` where a weight below the head is missing or has another shape.
    """
    report = load_weights(net, source, partial=True)
    lacking = [
        *below(dict.fromkeys(report.missing), head),
        *below({key: key for key, _, _ in report.reshaped}, head),
    ]
    if lacking:
        shown = ", ".join(lacking[:3]) + (", ..." if len(lacking) > 3 else "")
        where = f"{str(source)!r} lacks" if isinstance(source, str | PathLike) else "its weights lack"
        raise InputError(
            f"backbone {name!r}: {where} {len(lacking)} of the network's weights, or has them in another shape "
            f"({shown}); a reused network needs all below its output layer {head!r}."
        )
    return below(net.state_dict(), head)


def below(state: Mapping[str, Any], head: str) -> dict[str, Any]:
    """The entries of a state dict that do not belong to the module at the path `head`."""
    return {key: value for key, value in state.items() if not key.startswith(f"{head}.")}
