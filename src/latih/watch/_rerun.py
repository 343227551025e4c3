"""Run a model once more for our own sake, so that nobody notices."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import nn

from latih.tape import untouched

from ._guard import quiet

_HOOKS = ("_forward_pre_hooks", "_forward_hooks", "_backward_pre_hooks", "_backward_hooks")


@contextmanager
def unnoticed(model: nn.Module) -> Iterator[None]:
    """Model, buffers, modes and random generators are as they were after the block; users' hooks do not run in it."""
    devices = {one.device for one in model.parameters()}
    with ExitStack() as stack:
        stack.enter_context(quiet())
        stack.enter_context(without_foreign_hooks(model))
        stack.enter_context(untouched(list(model.modules()), devices))
        stack.enter_context(no_autocast_cache())
        yield


@contextmanager
def without_foreign_hooks(model: nn.Module) -> Iterator[None]:
    """Only torch's own hooks run: those of users are meant for their own forward passes."""
    held = [(one.__dict__, name, one.__dict__[name]) for one in model.modules() for name in _HOOKS if name in vars(one)]
    try:
        for attributes, name, hooks in held:
            attributes[name] = OrderedDict((key, hook) for key, hook in hooks.items() if _is_torch(hook))
        yield
    finally:
        for attributes, name, hooks in held:
            attributes[name] = hooks


def _is_torch(hook: Any) -> bool:
    function = getattr(hook, "func", hook)
    home = getattr(function, "__module__", None) or type(function).__module__
    return home.split(".")[0] == "torch"


@contextmanager
def no_autocast_cache() -> Iterator[None]:
    """Or the user's forward pass would be given casts of weights that were made for ours."""
    enabled = torch.is_autocast_cache_enabled()
    torch.set_autocast_cache_enabled(False)
    try:
        yield
    finally:
        torch.set_autocast_cache_enabled(enabled)
