"""Which parameters are left alone: what the user names, what is frozen, and what shows traces of training."""

from __future__ import annotations

from collections.abc import Iterable
from fnmatch import fnmatchcase

import torch
from torch import nn

from latih._checks import InputError, did_you_mean


def kept(model: nn.Module, keep: str | Iterable[str], force: bool) -> dict[int, str]:
    """id of each parameter that must not change -> why."""
    names = dict(model.named_parameters(remove_duplicate=False))
    named = _named(list(names), [keep] if isinstance(keep, str) else list(keep))
    reasons = {id(names[name]): "in keep" for name in named}
    if force:
        return reasons
    trained = next((path for path in _trained_norms(model) if not _inside(path, named)), None)
    for parameter in names.values():
        if not parameter.requires_grad:
            reasons.setdefault(id(parameter), "frozen (requires_grad=False)")
        elif trained is not None:
            reasons.setdefault(id(parameter), f"the model looks trained: norm {trained!r} has left its start")
    return reasons


def _named(names: list[str], keep: list[str]) -> set[str]:
    """The parameters that `keep` names by a path, a path above them, or a pattern."""
    found: set[str] = set()
    for pattern in keep:
        matched = {name for name in names if f"{name}.".startswith(f"{pattern}.") or fnmatchcase(name, pattern)}
        if not matched:
            paths = {".".join(name.split(".")[:depth]) for name in names for depth in range(1, name.count(".") + 2)}
            hint = did_you_mean(pattern, sorted(paths), "; see model.named_parameters().")
            raise InputError(f"initialize(keep={pattern!r}): no parameter of the model has that name or path{hint}")
        found |= matched
    return found


def _trained_norms(model: nn.Module) -> list[str]:
    """Norms that have counted batches, or whose weights differ from one another or biases from 0."""
    return [path for path, module in model.named_modules() if _left_start(module)]


def _left_start(module: nn.Module) -> bool:
    if not isinstance(module, nn.modules.batchnorm._NormBase | nn.LayerNorm | nn.GroupNorm | nn.RMSNorm):
        return False
    counted = getattr(module, "num_batches_tracked", None)
    if isinstance(counted, torch.Tensor) and int(counted) > 0:
        return True
    weight, bias = getattr(module, "weight", None), getattr(module, "bias", None)
    uneven = weight is not None and bool((weight != weight.flatten()[0]).any())
    return uneven or (bias is not None and bool(bias.any()))


def _inside(path: str, names: set[str]) -> bool:
    return any(name.startswith(f"{path}.") for name in names)
