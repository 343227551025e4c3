"""Carry an optimizer's state over to another optimizer by the names of the parameters."""

from __future__ import annotations

import copy
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from latih._checks import InputError

# options that decide what a parameter's state holds
_SHAPING = ("hidden", "amsgrad", "centered", "momentum")


class Migration(NamedTuple):
    """What `migrate` did, by the names of the parameters."""

    carried: list[str]
    fresh: list[str]
    """In the new optimizer and without a usable state in the old one: they start anew."""
    dropped: list[str]
    """Had a state in the old optimizer, and are not in the new one."""


def migrate(
    old_optimizer: torch.optim.Optimizer,
    new_optimizer: torch.optim.Optimizer,
    model: nn.Module,
    *,
    old_model: nn.Module | None = None,
) -> Migration:
    """Give `new_optimizer` the state that `old_optimizer` kept for the parameters of the same names.

    For a change of the groups or of the frozen set: build an optimizer for what is trained now, then migrate. Rates,
    decays and every other setting of the groups stay the new optimizer's. A parameter that is new, or whose shape
    changed (a replaced head), starts fresh; the state of one that is gone is dropped. Training goes on bit for bit
    when only the grouping changed. The state is copied: the old optimizer stays as it was.

    Works for torch's optimizers and for latih's. Both must be of one class, as the state of one means nothing to
    another. An optimizer that is switched to `eval()` carries that over too.

    Args:
        old_optimizer: the one that has trained so far.
        new_optimizer: the one that goes on; a state that it already has is kept where nothing is carried.
        model: holds the new optimizer's parameters.
        old_model: holds the old optimizer's parameters, where that was another object.

    Raises `InputError` for two classes, or for an optimizer with a parameter that its model does not hold.

    >>> from latih.optim import adam
    >>> model = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 1))
    >>> _ = model[0].requires_grad_(False)
    >>> head_only = adam()(model)
    >>> model(torch.ones(1, 2)).sum().backward()
    >>> head_only.step()
    >>> _ = model.requires_grad_(True)
    >>> whole = adam(lr=1e-4)(model)
    >>> migrate(head_only, whole, model)
    Migration(carried=['1.weight', '1.bias'], fresh=['0.weight', '0.bias'], dropped=[])
    """
    if type(old_optimizer) is not type(new_optimizer):
        raise InputError(
            f"migrate({type(old_optimizer).__name__}, {type(new_optimizer).__name__}): both must be of one class; "
            "the state of one method means nothing to another, so let the new one start fresh."
        )
    old = _by_name(old_optimizer, model if old_model is None else old_model, "old")
    new = _by_name(new_optimizer, model, "new")
    target = new_optimizer.state_dict()
    numbers = {id(parameter): number for number, parameter in enumerate(_parameters(new_optimizer))}
    carried = []
    for name, (parameter, kind) in new.items():
        before, before_kind = old.get(name, (None, kind))
        if before is None or not old_optimizer.state.get(before):
            continue
        if before.shape == parameter.shape and before_kind == kind:
            target["state"][numbers[id(parameter)]] = copy.deepcopy(dict(old_optimizer.state[before]))
            carried.append(name)
    new_optimizer.load_state_dict(target)  # moves the state to the parameters' devices, as torch sees fit
    gone = [name for name, (before, _) in old.items() if name not in new and old_optimizer.state.get(before)]
    return Migration(carried, [name for name in new if name not in carried], gone)


def _by_name(
    optimizer: torch.optim.Optimizer, model: nn.Module, which: str
) -> dict[str, tuple[Tensor, tuple[bool, ...]]]:
    """The optimizer's parameters by their names in `model`, with what decides the kind of their state."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    found = {}
    for group in optimizer.param_groups:
        for parameter in group["params"]:
            if id(parameter) not in names:
                raise InputError(
                    f"migrate({which}_optimizer=...): it has a parameter of shape {tuple(parameter.shape)} that is not "
                    f"one of {type(model).__name__}; pass the model it was made for"
                    f"{', as old_model=...' if which == 'old' else ''}."
                )
            found[names[id(parameter)]] = parameter, _kind(group)
    return found


def _kind(group: dict[str, Any]) -> tuple[bool, ...]:
    return tuple(bool(group.get(option)) for option in _SHAPING)


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]
