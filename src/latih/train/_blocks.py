"""Which parts of a model are divided and gathered by themselves: repeated blocks, and other sizeable ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from latih._held import own_class
from latih.tape import tensors
from latih.watch import unnoticed

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)
_SIZEABLE = 1 / 1000
"""Of all weights. What is smaller goes with what is around it: a message of its own would cost more than it saves."""


def blocks(model: nn.Module, inputs: Tensor) -> list[str]:
    """The names of the parts; the forward pass of `inputs`, which leaves no trace, says what can be one.

    A part is called once a pass, what is in it is used only while it runs, and no view that it returns is written to:
    that would cut off the backward pass from where its weights are gathered.
    """
    names = {module: name for name, module in model.named_modules()}
    least = sum(one.numel() for one in model.parameters()) * _SIZEABLE
    wished = [one for one in _wished(model) if sum(each.numel() for each in one.parameters()) >= max(least, 1)]
    uses = _Uses(wished)
    try:
        with unnoticed(model), uses:
            for training in (True, False):  # some layers take another way in each
                uses.begin()
                model.train(training)
                with torch.set_grad_enabled(training):
                    model(inputs)
                uses.end()
    except Exception:  # whatever it is, training says it better
        return []
    return [names[one] for one in wished if one not in uses.unfit]


def _wished(module: nn.Module) -> Iterator[nn.Module]:
    """From the top down, until there is a part that is not made of repeated blocks itself."""
    children = [one for one in module.children() if next(one.parameters(), None) is not None]
    alike = Counter(own_class(one) for one in children) if isinstance(module, _CONTAINERS) else Counter()
    for child in children:
        if not isinstance(child, (nn.ModuleList, nn.ModuleDict)) and alike[own_class(child)] > 1:
            yield child
        elif isinstance(child, _CONTAINERS) or _repeats(child):
            yield from _wished(child)
        else:
            yield child


def _repeats(module: nn.Module) -> bool:
    """Whether blocks of one class follow each other somewhere in it."""
    rows = [list(one.children()) for one in module.modules() if isinstance(one, _CONTAINERS)]
    counts = [Counter(own_class(one) for one in row if next(one.parameters(), None) is not None) for row in rows]
    return any(most > 1 for count in counts for most in count.values())


class _Uses(TorchFunctionMode):
    """Finds out which of some modules cannot be gathered by themselves."""

    def __init__(self, modules: list[nn.Module]) -> None:
        super().__init__()
        self.modules = modules
        self.unfit: set[nn.Module] = set()
        self._running: list[nn.Module] = []
        self._views: list[tuple[nn.Module, Tensor, int]] = []
        self._calls: Counter[nn.Module] = Counter()
        self._homes: dict[int, set[nn.Module]] = {}
        for module in modules:
            for one in module.parameters():
                self._homes.setdefault(id(one), set()).add(module)

    def begin(self) -> None:
        """A forward pass."""
        self._calls.clear()
        self._running.clear()

    def end(self) -> None:
        """It is over."""
        self.unfit |= {module for module, view, version in self._views if view._version != version}
        self._views.clear()

    def __enter__(self) -> _Uses:
        with ExitStack() as stack:
            for module in self.modules:
                stack.callback(module.register_forward_pre_hook(self._enter).remove)
                stack.callback(module.register_forward_hook(self._leave, always_call=True).remove)
            super().__enter__()
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *reason: Any) -> None:
        super().__exit__(*reason)
        self._stack.close()
        # tied: a weight cannot be divided twice
        self.unfit |= {module for homes in self._homes.values() if len(homes) > 1 for module in homes}

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if getattr(func, "__name__", "") != "__get__":  # a shape or a device can be asked for at any time
            for one in tensors((args, kwargs)):
                self.unfit |= self._homes.get(id(one), set()) - set(self._running)
        return func(*args, **(kwargs or {}))

    def _enter(self, module: nn.Module, args: tuple) -> None:
        self._running.append(module)
        self._calls[module] += 1

    def _leave(self, module: nn.Module, args: tuple, output: Any) -> None:
        self._running.remove(module)
        self._views += [(module, one, one._version) for one in tensors(output) if one._is_view()]
        if self._calls[module] > 1:
            self.unfit.add(module)
