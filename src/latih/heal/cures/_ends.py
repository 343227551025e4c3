"""The function behind a network's last layer: which it is, and the network without it."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from latih.tape import call_model, untouched

from .._base import Training
from .._optimizer import OptimizerPlan
from ._copies import copied
from ._wrapping import around_net, replaced, wrapped

ENDS = frozenset(
    (
        *("softmax", "log_softmax", "sigmoid", "hardsigmoid", "tanh", "hardtanh", "softsign", "relu", "relu6"),
        *("softplus", "logsigmoid", "elu", "silu", "gelu"),
    )
)


@dataclass(frozen=True)
class Ending:
    """The last function of a network."""

    name: str
    """As in torch.nn.functional: "softmax"."""
    path: str | None
    """Of the module that is nothing but this function and is called once; None: `forward` calls a function."""


class Uncovered(nn.Module):
    """A network that puts out what goes into its last function, for a function that `forward` calls by itself."""

    def __init__(self, net: nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What `net` would put out without its last softmax, sigmoid, tanh, relu, ..."""
        with _LastCall() as last:
            output = self.net(*args, **kwargs)
        return last.argument(output)


class _LastCall(TorchFunctionMode):
    """Remembers argument and result of the last call of a function that may end a network."""

    def __init__(self) -> None:
        super().__init__()
        self.name, self.given, self.made = "", None, None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        name = getattr(func, "__name__", "")
        if name in ENDS and isinstance(result, Tensor):
            self.name, self.given, self.made = name, args[0] if args else (kwargs or {}).get("input"), result
        return result

    def ends(self, output: Any) -> bool:
        """`output` is the result of that call, perhaps in another shape."""
        if not isinstance(self.made, Tensor) or not isinstance(output, Tensor):
            return False
        same = self.made.data_ptr() == output.data_ptr() and self.made.numel() == output.numel()
        return same and output.is_contiguous()

    @property
    def kept(self) -> bool:
        """The argument is still what it was: the call did not overwrite it."""
        return (
            isinstance(self.given, Tensor)
            and isinstance(self.made, Tensor)
            and self.given.data_ptr() != self.made.data_ptr()
        )

    def argument(self, output: Any) -> Any:
        """What went into the function that `output` comes from; `output` itself where none does."""
        return (
            self.given.reshape(output.shape) if self.ends(output) and self.kept and self.given is not None else output
        )


def ending(model: nn.Module, inputs: Any) -> Ending | None:
    """The function whose result the model puts out; None if there is none of `ENDS`."""
    called: list[tuple[str, int]] = []

    def note(path: str) -> Any:
        return lambda module, args, result: called.append(
            (path, result.data_ptr() if isinstance(result, Tensor) else 0)
        )

    leaves = [(path, one) for path, one in model.named_modules() if not any(True for _ in one.children())]
    handles = [
        one.register_forward_hook(note(path)) for path, one in leaves if type(one).__module__.startswith("torch.nn")
    ]
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    try:
        with suppress(Exception), untouched(list(model.modules()), devices), torch.no_grad(), _LastCall() as last:
            output = call_model(model, inputs)
            if not last.ends(output):
                return None
            makers = {path for path, place in called if place == output.data_ptr()}
            named = [path for path in makers if type(model.get_submodule(path)).__name__.lower() == _plain(last.name)]
            once = [path for path in named if sum(path == other for other, _ in called) == 1]
            return Ending(last.name, once[0]) if len(once) == 1 else Ending(last.name, None) if last.kept else None
    finally:
        for handle in handles:
            handle.remove()
    return None


def without_end(
    training: Training, end: Ending, instead: nn.Module | None = None
) -> tuple[nn.Module, Any, OptimizerPlan]:
    """Copies of model and loss, without the last function (`instead` in its place), and the optimizer's plan."""
    model, loss = copied(training)
    if end.path is not None:
        replaced(model, model.get_submodule(end.path), instead or nn.Identity())
        return model, loss, training.optimizer
    model, plan = around_net(model, training.optimizer, Uncovered)
    if instead is not None:
        model, plan = wrapped(model, plan, outputs=instead)
    return model, loss, plan


def _plain(name: str) -> str:
    return name.replace("_", "")
