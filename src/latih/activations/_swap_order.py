"""Without a batch: what the order of definition says of an activation, and nothing when that is not enough."""

from __future__ import annotations

from collections.abc import Iterator

from torch import nn

from ._swap_known import RECTIFIERS, has_weights
from ._swap_sites import Site

ASK = "its place is not certain; pass a batch"


def reason_to_leave(model: nn.Module, site: Site) -> str:
    """Why an activation stays; "" for one that is hidden beyond doubt."""
    if _in_sequence(model, site):
        return ""
    if site.was not in RECTIFIERS:
        return f"may be a gate or the output: {ASK}"
    if site.module is None and not site.holders[0][0].__module__.startswith("torch.nn."):
        return f"a function in an attribute: {ASK}"
    return "" if _before_weights(model, site) else f"nothing weighted is defined after it: {ASK}"


def feeding(model: nn.Module, site: Site) -> nn.Module | None:
    """The layer right before the site in its Sequential, looking through what has no weights; None if unknown."""
    if len(site.holders) != 1 or not isinstance(site.holders[0][0], nn.Sequential):
        return None
    parent, name = site.holders[0]
    before = list(parent._modules)[: list(parent._modules).index(name)]
    for sibling in reversed([parent._modules[one] for one in before]):
        if sibling is not None and has_weights(sibling):
            return sibling
        if sibling is not None and any(has_weights(one) for one in sibling.modules()):
            return None
    return None


def _in_sequence(model: nn.Module, site: Site) -> bool:
    """Whether a weighted module follows in the same Sequential, or in one right around it, for every name."""
    parents = {id(child): (parent, name) for parent in model.modules() for name, child in parent._modules.items()}
    return all(any(_weighted(later) for later in _after(holder, name, parents)) for holder, name in site.holders)


def _after(holder: nn.Module, name: str, parents: dict[int, tuple[nn.Module, str]]) -> Iterator[nn.Module]:
    while isinstance(holder, nn.Sequential):
        names = list(holder._modules)
        yield from (child for one in names[names.index(name) + 1 :] if (child := holder._modules[one]) is not None)
        if id(holder) not in parents:
            return
        holder, name = parents[id(holder)]


def _before_weights(model: nn.Module, site: Site) -> bool:
    modules = list(model.named_modules(remove_duplicate=False))
    at = site.holders[0][0] if site.module is None else site.module
    first = next(number for number, (_, module) in enumerate(modules) if module is at)
    return any(has_weights(module) for _, module in modules[first + 1 :])


def _weighted(module: nn.Module) -> bool:
    return any(has_weights(one) for one in module.modules())
