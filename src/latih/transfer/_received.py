"""What the head of a model receives in a pass; nothing is kept of it here."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import InputError, did_you_mean
from latih.tape import call_model, tensors, unwrap

Arrival = tuple[tuple[Any, ...], Mapping[str, Any]]
"""The arguments of one call of the head."""


class _HeadReached(BaseException):
    """The head has been called and what follows is not wanted; no error, so no `except Exception` stops it."""


def features_of(model: nn.Module, head: str | Sequence[str], inputs: Any) -> Tensor:
    """What the module at the path `head` receives when `model` runs on `inputs`; nothing after that is computed.

    The model runs in whatever mode it is in, with or without gradients as the caller has it. The hook that looks is
    gone afterwards, also after an error.

    Args:
        model: Any module; one that is compiled or wrapped for several devices is run as what it wraps, eagerly.
        head: Path as in `model.named_modules()`, or several paths, one leading into the next (see `widened`).
        inputs: (batch, *shape) on the model's device, or whatever else the model takes.

    Raises:
        InputError: For a path that is no submodule, a head that the model does not call or that takes anything but
            one tensor, and inputs on which the model fails.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> features_of(net, "2", torch.zeros(5, 4)).shape
    torch.Size([5, 3])
    """
    call, model = f"features_of(head={head!r})", unwrap(model)
    arrived: list[Arrival] = []

    def stop(*arrival: Any) -> None:
        arrived.append(arrival)
        raise _HeadReached

    with arriving(split_at(model, head, call)[0], stop), suppress(_HeadReached):
        run(model, inputs, call)
    if not arrived:
        raise InputError(f"{call}: the model does not call this module; name one that its forward pass calls.")
    received = only_tensor(arrived[0])
    if received is None:
        raise InputError(f"{call}: this module takes more than one tensor; name one that takes its features alone.")
    return received


def head_of(model: nn.Module, head: str, call: str) -> nn.Module:
    """The submodule at the path `head`; raises `InputError` where there is none."""
    modules = dict(model.named_modules(remove_duplicate=False))
    if head not in modules:
        raise InputError(f"{call}: the model has no module of that name{did_you_mean(head, modules, '.')}")
    return modules[head]


def split_at(model: nn.Module, head: str | Sequence[str], call: str) -> nn.Sequential:
    """The modules at the path or paths `head`, as one; raises `InputError` where there is none."""
    paths = [head] if isinstance(head, str) else list(head)
    if not paths:
        raise InputError(f"{call}: there is no path; name the output layer.")
    return nn.Sequential(*(head_of(model, path, call) for path in paths))


@contextmanager
def arriving(module: nn.Module, tell: Callable[[tuple[Any, ...], Mapping[str, Any]], None]) -> Iterator[None]:
    """Call `tell(arguments, keywords)` at every call of `module` while the block runs."""
    # before the module's own hooks: those run again when the head is called on what arrived
    handle = module.register_forward_pre_hook(
        lambda _, arguments, keywords: tell(arguments, keywords), prepend=True, with_kwargs=True
    )
    try:
        yield
    finally:
        handle.remove()


def run(model: nn.Module, inputs: Any, call: str) -> Any:
    """`model` on `inputs`, eagerly: a compiled graph may pass by a hook. Raises `InputError` where the model fails."""
    # where dynamo is not loaded, nothing was compiled
    eager = torch.compiler.set_stance("force_eager") if "torch._dynamo" in sys.modules else nullcontext()
    with eager:
        try:
            return call_model(model, inputs)
        except InputError:
            raise
        except Exception as error:
            shapes = ", ".join(str(tuple(tensor.shape)) for tensor in tensors(inputs)) or type(inputs).__name__
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
            raise InputError(
                f"{call}: the model fails on inputs of shape {shapes}: {reason}; pass inputs that the model accepts."
            ) from error


def only_tensor(arrival: Arrival) -> Tensor | None:
    """The tensor that is all that the head was called with; None for any other call."""
    arguments, keywords = arrival
    alone = len(arguments) == 1 and not keywords and isinstance(arguments[0], Tensor)
    return arguments[0] if alone else None
