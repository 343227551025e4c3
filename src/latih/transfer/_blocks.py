"""Which blocks a network is made of, for rates that fall and unfreezing that rises from block to block."""

from __future__ import annotations

from torch import nn

from latih._held import own_class

_LARGEST = 0.25
"""A module with more than this share of the weights is opened, so that no block is most of the network."""


def blocks_below(model: nn.Module, head: str) -> list[str]:
    """The paths of the reused blocks in order of definition, without the output layer at the path `head`.

    Modules are opened from the top until each holds at most a quarter of the weights below the head, or cannot be
    opened further. Modules without a weight matrix, such as norms, are no blocks of their own.

    >>> body = nn.Sequential(*(nn.Linear(8, 8) for _ in range(5)))
    >>> blocks_below(nn.Sequential(body, nn.ReLU(), nn.Linear(8, 2)), "2")
    ['0.0', '0.1', '0.2', '0.3', '0.4']
    """
    output = model.get_submodule(head)
    total = sum(one.numel() for one in model.parameters()) - sum(one.numel() for one in output.parameters())
    return _opened("", model, output, _LARGEST * total)


def _opened(path: str, module: nn.Module, output: nn.Module, most: float) -> list[str]:
    found: list[str] = []
    for name, child in module.named_children():
        size = sum(one.numel() for one in child.parameters())
        if child is output or not any(one.dim() > 1 for one in child.parameters()):
            continue
        inner = f"{path}.{name}" if path else name
        holds_head = any(one is output for one in child.modules())
        container = own_class(child) in (nn.Sequential, nn.ModuleList, nn.ModuleDict)
        deeper = _opened(inner, child, output, most) if holds_head or container or size > most else []
        found += deeper or ([] if holds_head else [inner])
    return found
