"""What an optimizer does to which parameters, as a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import torch

_HEADER = ("group", "role", "tensors", "parameters", "lr", "weight decay")


def table(groups: torch.optim.Optimizer | Iterable[Mapping[str, Any]]) -> str:
    """One line a parameter group: its name, the roles in it, tensors, parameters, lr and weight decay.

    Takes an optimizer or its groups; what a group does not say is shown as "-".

    >>> from torch import nn
    >>> from latih.optim import adamw
    >>> model = nn.Sequential(nn.Linear(30, 40), nn.BatchNorm1d(40), nn.Linear(40, 2))
    >>> print(table(adamw()(model)))
    group    role        tensors  parameters  lr     weight decay
    decayed  weight            2       1,280  0.001  0.01
    spared   bias, norm        4         122  0.001  0
    total                      6       1,402
    """
    found = list(groups.param_groups if isinstance(groups, torch.optim.Optimizer) else groups)
    rows = [_row(group) for group in found]
    counts = [(len(group["params"]), sum(one.numel() for one in group["params"])) for group in found]
    total = ("total", "", str(sum(tensors for tensors, _ in counts)), f"{sum(many for _, many in counts):,}", "", "")
    lines = [_HEADER, *rows, total]
    widths = [max(len(line[column]) for line in lines) for column in range(len(_HEADER))]
    return "\n".join(_aligned(line, widths) for line in lines)


def _row(group: Mapping[str, Any]) -> tuple[str, ...]:
    parameters = group["params"]
    return (
        str(group.get("name", "-")),
        str(group.get("role", "-")),
        str(len(parameters)),
        f"{sum(one.numel() for one in parameters):,}",
        _number(group.get("lr")),
        _number(group.get("weight_decay")),
    )


def _number(value: Any) -> str:
    return "-" if value is None else f"{float(value):.4g}"


def _aligned(line: tuple[str, ...], widths: list[int]) -> str:
    sides = (">" if name in ("tensors", "parameters") else "<" for name in _HEADER)
    cells = (f"{text:{side}{width}}" for text, side, width in zip(line, sides, widths, strict=True))
    return "  ".join(cells).rstrip()
