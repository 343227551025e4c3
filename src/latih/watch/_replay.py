"""Look at every op of one forward pass, and know inside which module it runs."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode

from latih.tape import tensors


class FirstLost(TorchDispatchMode):
    """Remembers the first op that made NaN of values without NaN, or infinite ones of finite values.

    What a caller fills in on purpose (masks of minus infinity) and memory that nobody has written to do not count.
    """

    def __init__(self, where: Callable[[], str]) -> None:
        super().__init__()
        self.where = where
        self.found: tuple[str, str, str] | None = None

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if self.found is not None or "empty" in str(func):
            return func(*args, **kwargs)
        before = list(_ranges((args, kwargs)))  # first: the op may write to what it was given
        result = func(*args, **kwargs)
        after = list(_ranges(result))
        if any(map(_has_nan, after)):
            lost = not any(map(_has_nan, before))
        else:
            lost = not all(map(_is_finite, after)) and all(map(_is_finite, before))
        if lost:
            self.found = self.where(), op_name(func), _given(before)
        return result


class Places:
    """Knows inside which module a forward pass is, and afterwards where each of autograd's nodes was made."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self._stack: list[tuple[str, int]] = []
        self._spans: list[tuple[int, int, str]] = []

    def __enter__(self) -> Places:
        self._hooks: list[Any] = []
        for name, module in self.model.named_modules():
            self._hooks.append(module.register_forward_pre_hook(lambda *_, name=name: self._enter(name)))
            self._hooks.append(module.register_forward_hook(lambda *_: self._leave(), always_call=True))
        return self

    def __exit__(self, *reason: object) -> None:
        for hook in self._hooks:
            hook.remove()

    def path(self) -> str:
        """Of the innermost module."""
        return self._stack[-1][0] if self._stack else ""

    def of(self, node: Any) -> str:
        """The innermost module in which `node` was made."""
        around = [(end - start, name) for start, end, name in self._spans if start <= node._sequence_nr() < end]
        return min(around, default=(0, ""))[1]

    def _enter(self, name: str) -> None:
        self._stack.append((name, _now()))

    def _leave(self) -> None:
        if self._stack:
            name, start = self._stack.pop()
            self._spans.append((start, _now(), name))


def op_name(func: Any) -> str:
    """`aten.log.default` is "aten.log"."""
    return ".".join(str(func).split(".")[:2])


def _now() -> int:
    """The number that autograd's next node gets."""
    if not torch.is_grad_enabled():
        return 0
    return torch.ones((), requires_grad=True).view(()).grad_fn._sequence_nr() + 1  # pyright: ignore


def _ranges(value: Any) -> Iterable[tuple[float, float]]:
    """Smallest and largest of each tensor, and the numbers among arguments; (nan, nan) if there is a NaN."""
    for one in tensors(value):
        if one.is_floating_point() and one.numel() and one.layout == torch.strided:
            low, high = one.aminmax()
            yield float(low), float(high)
    flat = value[0] if isinstance(value, tuple) and value and isinstance(value[0], tuple) else ()
    for one in flat:
        if isinstance(one, float):
            yield one, one


def _has_nan(given: tuple[float, float]) -> bool:
    return math.isnan(given[0]) or math.isnan(given[1])


def _is_finite(given: tuple[float, float]) -> bool:
    return math.isfinite(given[0]) and math.isfinite(given[1])


def _given(before: list[tuple[float, float]]) -> str:
    low, high = min((one[0] for one in before), default=0.0), max((one[1] for one in before), default=0.0)
    kind = "finite values" if math.isfinite(low) and math.isfinite(high) else "values"
    return f"it was given {kind} between {low:.4g} and {high:.4g}"


def is_lost(tensor: Tensor) -> bool:
    """Whether something in it is not finite."""
    return tensor.is_floating_point() and not bool(tensor.isfinite().all())
