"""The head and the dropout right in front of it: what is random belongs to what is trained, not to the features."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from latih.tape import mapped, split_batch, tensors, untouched, unwrap

from ._randomness import generators, reseed
from ._received import arriving, head_of, only_tensor, run


@dataclass
class _Call:
    """One call of a module without weights."""

    path: str
    received: Tensor
    drew: bool
    made: Any = None


def widened(model: nn.Module, head: str, batch: Any) -> tuple[str, ...]:
    """Paths of the modules that end in `head` and begin with the first random one that leads straight into it.

    A pretrained network often has a dropout before its output layer, which stays on while that layer is trained alone.
    Its input can be cached, not its output. So `why_not`, `cached` and `features_of` take these paths as their head,
    and what trains on the features is `nn.Sequential` of the modules at them. `head` alone where no random module hands
    it the very tensor that it receives, directly or through other modules without weights.

    Args:
        model: In training mode for this, as the trainer would run it; left as it was, bit for bit.
        head: Path of the output layer.
        batch: Inputs (n, *shape) or (inputs, targets); moved to the model.

    Raises:
        InputError: For a path that is no submodule, and inputs on which the model fails.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(3, 2))
    >>> widened(net, "3", torch.randn(8, 4))
    ('2', '3')
    """
    call, model = f"widened(head={head!r})", unwrap(model)
    module = head_of(model, head, call)
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    inputs, _ = split_batch(batch)
    if devices:
        inputs = mapped(inputs, lambda tensor: tensor.to(next(iter(devices))))
    with untouched(list(model.modules()), devices), torch.no_grad():
        model.train()
        reseed()
        calls, received = _calls(model, module, inputs, call)
    chain: list[_Call] = []
    for one in reversed(calls):
        if received is not None and one.made is received:
            chain.insert(0, one)
            received = one.received
    while chain and not chain[0].drew:
        chain.pop(0)
    return (*(one.path for one in chain), head)


def _calls(model: nn.Module, head: nn.Module, inputs: Any, call: str) -> tuple[list[_Call], Tensor | None]:
    """The calls of modules without weights before the head's first, and what the head received."""
    devices = {tensor.device for tensor in tensors(inputs)}
    calls: list[_Call] = []
    open_calls: list[tuple[Tensor | None, list[Any]]] = []
    arrived: list[Tensor | None] = []

    def begin(*arrival: Any) -> None:
        open_calls.append((only_tensor(arrival), generators(devices)))

    def end(path: str, made: Any) -> None:
        received, before = open_calls.pop()
        if received is not None and not arrived:
            calls.append(_Call(path, received, generators(devices) != before, made))

    with ExitStack() as stack:
        for path, module in model.named_modules():
            if module is not model and not any(module.children()) and not [*module.parameters(), *module.buffers()]:
                stack.enter_context(arriving(module, begin))
                handle = module.register_forward_hook(lambda _, __, made, path=path: end(path, made))
                stack.callback(handle.remove)
        stack.enter_context(arriving(head, lambda *arrival: arrived.append(only_tensor(arrival))))
        run(model, inputs, call)
    return calls, arrived[0] if arrived else None
