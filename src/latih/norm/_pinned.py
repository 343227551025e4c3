"""Batch norms whose statistics stay where they are, whatever mode the model is put in."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from latih._checks import InputError, did_you_mean
from latih._held import hold, is_held, release

ModelT = TypeVar("ModelT", bound=nn.Module)
_BEFORE = "_before_pinning"


def pinned(model: ModelT, where: str | Iterable[str] | None = None, freeze_affine: bool = False) -> ModelT:
    """Pin the statistics of batch norms in place: they no longer move, and training uses them as evaluation does.

    For fine-tuning on little data, or with batches too small for statistics of their own. `norm.eval()` alone does not
    last, for the next `model.train()` undoes it, and a pass with momentum 0 would still normalise with the batch.
    Here the norm itself ignores `train()`: its class is swapped for a subclass of its own class, so that `isinstance`,
    the state's keys, hooks, the parameters (and an optimizer that holds them) all stay, and `repr` says "held". It
    survives `train()`, loading a state, `deepcopy`, pickling, `torch.compile` and DDP. A state holds values, not
    classes: pin the fresh model too before resuming. Convert to SyncBatchNorm before pinning, for converting makes new
    modules.

    Args:
        model: any module; changed in place and returned.
        where: path or paths of submodules; the norms at and below them are pinned. None for all.
        freeze_affine: whether the norms' scale and shift stop training too (`requires_grad=False`).

    All of torch's norms with running statistics count (BatchNorm, SyncBatchNorm, InstanceNorm that tracks them). Those
    without have nothing to pin. Undo with `unpinned`.

    Raises `InputError` for a path that is no submodule, where nothing can be pinned, and for a lazy norm without shape.

    >>> net = pinned(nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3))).train()
    >>> net.training, net[1].training, isinstance(net[1], nn.BatchNorm1d)
    (True, False, True)
    """
    norms = {norm: norm.running_mean for norm in _selected(model, where) if norm.running_mean is not None}
    lazy = [type(norm).__name__ for norm, mean in norms.items() if is_lazy(mean)]
    if lazy:
        raise InputError(f"pinned(model): {lazy[0]} has no shape yet; run one batch through the model.")
    if not norms:
        place = "" if where is None else f" at or below {where!r}"
        raise InputError(f"pinned(model): there is no norm with running statistics{place}; nothing can be pinned.")
    for norm in norms:
        _pin(norm, freeze_affine)
    return model


def unpinned(model: ModelT, where: str | Iterable[str] | None = None) -> ModelT:
    """Undo `pinned` in place: class and `requires_grad` are as before, the mode is what `train()` last said.

    Raises `InputError` for a path that is no submodule.

    >>> type(unpinned(pinned(nn.Sequential(nn.BatchNorm1d(3))))[0]) is nn.BatchNorm1d
    True
    """
    for norm in _selected(model, where):
        if _BEFORE in norm.__dict__:
            flags = norm.__dict__.pop(_BEFORE)
            release(norm)
            for name, flag in flags.items():
                norm.get_parameter(name).requires_grad_(flag)
    return model


def is_pinned(module: nn.Module) -> bool:
    """Whether the statistics of this norm are fixed: by `pinned`, or as a part of something frozen.

    >>> is_pinned(pinned(nn.BatchNorm1d(3)).train()), is_pinned(nn.BatchNorm1d(3))
    (True, False)
    """
    return isinstance(module, _NormBase) and module.running_mean is not None and is_held(module)


def _pin(norm: nn.Module, freeze_affine: bool) -> None:
    if _BEFORE not in norm.__dict__:
        hold(norm)
        norm.__dict__[_BEFORE] = {}
    if freeze_affine:
        for name, parameter in norm.named_parameters(recurse=False):
            norm.__dict__[_BEFORE].setdefault(name, parameter.requires_grad)
            parameter.requires_grad_(False)


def _selected(model: nn.Module, where: str | Iterable[str] | None) -> list[_NormBase]:
    paths = [""] if where is None else [where] if isinstance(where, str) else list(where)
    modules = dict(model.named_modules(remove_duplicate=False))
    for path in paths:
        if path not in modules:
            raise InputError(f"where={path!r}: there is no submodule of that name{did_you_mean(path, modules, '.')}")
    chosen = [module for path in paths for module in modules[path].modules() if isinstance(module, _NormBase)]
    return list(dict.fromkeys(chosen))
