"""Where activations stand in a model: modules under their parents, and functions held in attributes."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn

from ._base import Activation
from ._swap_custom import custom
from ._swap_known import MODULES, known


@dataclass(frozen=True)
class Site:
    """An activation that can be replaced: a module (with every name it goes by) or a function in an attribute."""

    key: tuple[int, str]
    """(id of the module, "") for a module, (id of the holder, attribute) for a function."""
    was: str
    paths: tuple[str, ...]
    holders: tuple[tuple[nn.Module, str], ...]
    module: nn.Module | None

    @property
    def how(self) -> str:
        """For the report."""
        return "module" if self.module is not None else "function in an attribute"


def find(model: nn.Module) -> list[Site]:
    """All sites in definition order; a module that goes by several names is one site."""
    names: dict[int, list[tuple[str, nn.Module, str]]] = {}
    for path, parent in model.named_modules():
        prefix = f"{path}." if path else ""
        for name, child in parent._modules.items():
            if child is not None and (id(child) in names or _was(child)):
                names.setdefault(id(child), []).append((prefix + name, parent, name))
    sites = list(_functions(model))
    for group in names.values():
        module = group[0][1]._modules[group[0][2]]
        assert module is not None
        paths, holders = tuple(path for path, _, _ in group), tuple((parent, name) for _, parent, name in group)
        sites.append(Site((id(module), ""), _was(module) or "", paths, holders, module))
    order = {path: number for number, path in enumerate(_order(model))}
    return sorted(sites, key=lambda site: order[site.paths[0]])


def _was(module: nn.Module) -> str | None:
    return MODULES.get(type(module)) or custom(module)


def _functions(model: nn.Module) -> Iterator[Site]:
    for path, holder in model.named_modules():
        for name, value in holder.__dict__.items():
            was = None if isinstance(value, nn.Module) else known(value)
            if was is not None:
                yield Site((id(holder), name), was, (f"{path}.{name}" if path else name,), ((holder, name),), None)


def _order(model: nn.Module) -> Iterator[str]:
    for path, module in model.named_modules(remove_duplicate=False):
        yield path
        yield from (f"{path}.{name}" if path else name for name in module.__dict__)


def replace(site: Site, spec: Activation, model: nn.Module) -> None:
    """Put a fresh module into every place of the site: in-place, mode, device and dtype as they were."""
    new = fresh(spec, model)
    if getattr(site.module, "inplace", False) and hasattr(new, "inplace"):
        new.inplace = True  # pyright: ignore[reportArgumentType]
    for holder, name in site.holders:
        new.train(holder.training if site.module is None else site.module.training)
        setattr(holder, name, new)
        if hasattr(holder, "activation_relu_or_gelu"):
            # torch's transformer layer would go on with its fused relu or gelu in evaluation
            holder.activation_relu_or_gelu = 0  # pyright: ignore[reportArgumentType]


def fresh(spec: Activation, model: nn.Module) -> nn.Module:
    """A new module where the model is, for those activations that have parameters."""
    like = next((p for p in model.parameters() if p.is_floating_point()), torch.empty(0))
    return spec().to(device=like.device, dtype=like.dtype)


def same(module: nn.Module | None, spec: Activation) -> bool:
    """Whether a module already is what it would become."""
    return module is not None and repr(module).replace(", inplace=True", "").replace("inplace=True", "") == repr(spec())
