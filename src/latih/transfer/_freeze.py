"""Freezing that holds: neither gradient nor optimizer, nor batch, nor `train()` changes what is frozen."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn
from torch.nn.parameter import is_lazy

from latih._checks import InputError
from latih._held import hold, is_held, release

from ._freeze_part import Part
from ._freeze_table import frozen_rows, reads_mode
from ._frozen import Frozen, mark


def freeze(model: nn.Module, upto: str | None = None, *, but: str | Iterable[str] = ()) -> Frozen:
    """Freeze the lower layers truly: weights, running statistics and everything random in them stay as they are.

    `requires_grad_(False)` alone leaves batch norms normalising with the batch and moving their statistics, leaves
    dropout on, and `eval()` lasts until the next `model.train()`. Here the frozen parameters get
    `requires_grad=False` and lose stale gradients, so that an optimizer made before does not move them by momentum or
    weight decay; and every module that lies in the frozen part as a whole stays in evaluation mode, whatever `train()`
    says: batch norms are pinned, dropout, stochastic depth and any branch on `self.training` are off. So the frozen
    part computes the same in training as in evaluation. It survives `train()`, loading a state, `deepcopy`, pickling,
    `torch.compile` and DDP (freeze before you wrap). A state holds values only: freeze the fresh model, too.

    A module that is frozen in part keeps its mode. What stands in it and has no weights, such as a dropout, is switched
    off where the weights defined before and after it are frozen; so the dropout in front of a new head stays on. A
    parameter that frozen and trained layers share is frozen, and a module that they share is held; the table says so.

    Args:
        model: any module; changed in place until `undo()` or the end of the `with` block.
        upto: path of a submodule; everything defined up to its end is frozen, the model's own parameters included.
            None for all. The order is that of definition, as in `model.named_modules()`.
        but: path or paths of submodules that stay as they are, such as a new head.

    When it hurts: where data differ much from those of the pretraining, frozen statistics are wrong ones; and on CUDA
    no gradient flows back through a frozen recurrent layer of cuDNN to trained layers below it. An optimizer that
    switches between two points (`nesterov`, the schedule-free ones) moves weights at the switch: make a new one after
    freezing.

    Source: Yosinski et al., 2014, "How transferable are features in deep neural networks?".

    Raises `InputError` for a path that is no submodule, a `but` that takes back `upto`, when nothing is left to freeze,
    for lazy modules, the meta device, and modules whose class is fixed (ScriptModules).

    >>> model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 8), nn.Linear(8, 2))
    >>> with freeze(model, but="4") as frozen:
    ...     print(frozen)
    ...     model.train()[2].training
    block  weights  state                norms pinned  also off
    0           56  frozen                          1  1 Dropout
    3           72  frozen                          -  -
    4           18  trained                         -  -
    total      146  partly (128 frozen)             1  -
    False
    >>> model.train()[2].training
    True
    """
    _ready(model)
    but = list(but) if isinstance(but, Iterable) and not isinstance(but, str | nn.Module) else [but]
    part = Part(model, upto, but)
    paths = part.whole()
    _hold_all(model, paths)
    chosen = {name: parameter for name, parameter in model.named_parameters() if id(parameter) in part.parameters}
    flags = {name: parameter.requires_grad for name, parameter in chosen.items()}
    token = mark(model, part.parameters)
    for parameter in chosen.values():
        parameter.requires_grad_(False)
        parameter.grad = None
    return Frozen(model, list(chosen), frozen_rows(model, chosen), _notes(model, part), paths, flags, token)


def _ready(model: nn.Module) -> None:
    if not isinstance(model, nn.Module):
        raise InputError(f"freeze({type(model).__name__}): model must be a torch.nn.Module.")
    tensors = [(name, tensor) for named in (model.named_parameters(), model.named_buffers()) for name, tensor in named]
    for name, tensor in tensors:
        if is_lazy(tensor):
            raise InputError(f"freeze(model): {name} has no shape yet; run one batch through the model first.")
        if tensor.is_meta:
            raise InputError(f"freeze(model): {name} is on the meta device and has no values; load the weights first.")


def _hold_all(model: nn.Module, paths: list[str]) -> None:
    done: list[nn.Module] = []
    try:
        for path in paths:
            hold(model.get_submodule(path))
            done.append(model.get_submodule(path))
    except InputError:
        for module in reversed(done):
            release(module)
        raise


def _notes(model: nn.Module, part: Part) -> list[str]:
    notes = [f"{name} is frozen, for the frozen part uses it, too." for name in part.shared()]
    outside = [place for place, inside in zip(part.places, part.inside, strict=True) if not inside]
    notes += [f"{path} is off here, too: the frozen part shares it." for path, one in outside if _off(one)]
    return notes + [
        f"{path or 'the model itself'} is frozen in part and keeps its mode, for which its own code asks."
        for path, module in model.named_modules()
        if not is_held(module) and reads_mode(module) and _partly(module, part)
    ]


def _off(module: nn.Module) -> bool:
    return is_held(module) and reads_mode(module)


def _partly(module: nn.Module, part: Part) -> bool:
    return any(id(parameter) in part.parameters for parameter in module.parameters())
