"""Batch norms whose statistics stay where they are, whatever mode the model is put in."""

from __future__ import annotations

import functools
from collections.abc import Iterable
from typing import Any, TypeVar

from torch import nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.parameter import is_lazy

from latih._checks import InputError, did_you_mean

ModelT = TypeVar("ModelT", bound=nn.Module)
_BEFORE = "_before_pinning"


def pinned(model: ModelT, where: str | Iterable[str] | None = None, freeze_affine: bool = False) -> ModelT:
    """Pin the statistics of batch norms in place: they no longer move, and training uses them as evaluation does.

    For fine-tuning on little data, or with batches too small for statistics of their own. `norm.eval()` alone does not
    last, for the next `model.train()` undoes it, and a pass with momentum 0 would still normalise with the batch.
    Here the norm itself ignores `train()`: its class is swapped for a subclass of its own class, so that `isinstance`,
    the state's keys, hooks, the parameters (and an optimizer that holds them) all stay. It survives `train()`, loading
    a state, `deepcopy`, pickling, `torch.compile` and DDP. A state holds values, not classes: pin the fresh model too
    before resuming. Convert to SyncBatchNorm before pinning, for converting makes new modules.

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

    >>> type(unpinned(pinned(nn.Sequential(nn.BatchNorm1d(3))))[0]).__name__
    'BatchNorm1d'
    """
    for norm in _selected(model, where):
        if isinstance(norm, Pinned):
            before = norm.__dict__.pop(_BEFORE)
            norm.__class__ = type(norm).__bases__[1]
            norm.training = before["training"]
            for name, flag in before["requires_grad"].items():
                norm.get_parameter(name).requires_grad_(flag)
    return model


def is_pinned(module: nn.Module) -> bool:
    """Whether `pinned` has fixed the statistics of this norm."""
    return isinstance(module, Pinned)


class Pinned:
    """What `pinned` puts in front of a norm's own class."""

    training: bool

    def train(self, mode: bool = True) -> Any:
        """Stay in evaluation mode, and remember `mode` for `unpinned`."""
        self.__dict__[_BEFORE]["training"] = mode
        self.training = False
        return self

    def __reduce_ex__(self, protocol: Any) -> Any:
        # the swapped class exists only at run time: a pickle names the class it was made from
        return _remade, (type(self).__bases__[1],), self.__dict__


@functools.cache
def _pinned_class(base: type[nn.Module]) -> type[nn.Module]:
    return type(f"Pinned{base.__name__}", (Pinned, base), {"__doc__": f"{base.__name__} with fixed statistics."})


def _remade(base: type[nn.Module]) -> nn.Module:
    made = _pinned_class(base)
    return made.__new__(made)


def _pin(norm: nn.Module, freeze_affine: bool) -> None:
    if not isinstance(norm, Pinned):
        flags = {name: parameter.requires_grad for name, parameter in norm.named_parameters(recurse=False)}
        norm.__dict__[_BEFORE] = {"training": norm.training, "requires_grad": flags}
        norm.__class__ = _pinned_class(type(norm))
        norm.training = False
    if freeze_affine:
        for parameter in norm.parameters(recurse=False):
            parameter.requires_grad_(False)


def _selected(model: nn.Module, where: str | Iterable[str] | None) -> list[_NormBase]:
    paths = [""] if where is None else [where] if isinstance(where, str) else list(where)
    modules = dict(model.named_modules(remove_duplicate=False))
    for path in paths:
        if path not in modules:
            raise InputError(f"where={path!r}: there is no submodule of that name{did_you_mean(path, modules, '.')}")
    chosen = [module for path in paths for module in modules[path].modules() if isinstance(module, _NormBase)]
    return list(dict.fromkeys(chosen))
