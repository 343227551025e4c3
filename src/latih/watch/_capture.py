"""See what the layers of one forward pass put out, for modules and functional calls alike."""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Protocol

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode

from latih import activations
from latih._notation import names

from ._guard import Guard, guarded, is_quiet

_PRODUCTS = frozenset(("linear", "matmul", "mm", "bmm", "mv", "addmm", "baddbmm", "bilinear", "einsum", "embedding"))
_PRODUCTS |= {"embedding_bag", "__matmul__", "__rmatmul__", "multi_head_attention_forward"}
_RECURRENT = frozenset(("lstm", "gru", "rnn_tanh", "rnn_relu"))
_CELLS = frozenset(f"{name}_cell" for name in _RECURRENT)
FLAT = {
    # function -> its flat parts: inputs at or below, at or above these pass less than 1 % of the steepest slope
    name: spec.saturates
    for name in names("activations")
    if (spec := getattr(activations, name)()).saturates is not None
}
BOUNDED = frozenset(("sigmoid", "tanh", "softsign", "hardtanh", "hardsigmoid"))
_ACTIVATIONS = frozenset((*FLAT, "leaky_relu", "prelu", "rrelu", "softmax", "log_softmax", "glu", "sin"))
_ENDS = frozenset(("scaled_dot_product_attention",))


class Seen(Protocol):
    """Who is told of what a forward pass does."""

    def output(self, layer: str, output: Tensor) -> None:
        """A product with the weight of `layer`."""

    def activation(self, layers: tuple[str, ...], name: str, before: Tensor, after: Tensor) -> None:
        """What the `layers` feed."""

    def states(self, layers: tuple[str, ...], states: Tensor) -> None:
        """The states of a recurrent network, examples first."""


class Capture(TorchFunctionMode):
    """While it is entered, tells of every product with a known weight and of the activation that it feeds.

    A result belongs to the layers whose outputs went into it, through norms, sums and views, up to the first
    activation. What runs inside a compiled or custom function is not seen; of torch's fused attention and recurrent
    networks only the end is.
    """

    def __init__(self, weights: dict[int, str], seen: Seen, guard: Guard) -> None:
        super().__init__()
        self.weights, self.seen, self.guard = weights, seen, guard
        self._layers: dict[int, tuple[weakref.ref[Tensor], tuple[str, ...]]] = {}
        self._made: dict[int, tuple[weakref.ref[Tensor], str]] = {}  # computed from a weight, as by a parametrization

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        if is_quiet():
            return func(*args, **kwargs)
        before = self._about(func, args, kwargs)
        result = func(*args, **kwargs)
        self._done(func, args, kwargs, before, result)
        return result

    @guarded("activations")
    def _about(self, func: Callable, args: tuple, kwargs: dict) -> Tensor | None:
        """An in-place activation overwrites what it was given."""
        name = _name(func)
        if _in_place(name, kwargs) and _meant(name.rstrip("_"), args, kwargs) in _ACTIVATIONS and self._behind(args):
            return args[0].detach().clone()
        return None

    @guarded("activations")
    def _done(self, func: Callable, args: tuple, kwargs: dict, before: Tensor | None, result: Any) -> None:
        name = _name(func) if _name(func).startswith("__") else _name(func).rstrip("_")
        given = (*args, *kwargs.values())
        if name in _RECURRENT or name in _CELLS:
            self._recurrent(name, args, result)
        elif name in _PRODUCTS or name.startswith("conv"):
            self._product(name, given, result)
        elif isinstance(result, tuple | list) or _is_new(name, result):
            name, layers = _meant(name, args, kwargs), self._behind(given)
            if not layers:
                self._derived(given, result)
            elif name in _ACTIVATIONS and isinstance(result, Tensor):
                self.seen.activation(layers, name, args[0] if before is None else before, result)
                self._tag(result, ())
            else:
                self._tag(result, () if name in _ENDS else layers)

    def _product(self, name: str, given: tuple, result: Any) -> None:
        found = (self._weight(one) for one in reversed(list(_tensors(given))))
        layer = next((one for one in found if one is not None), None)
        if name == "multi_head_attention_forward":  # only its end is seen
            layer = self._weight(given[11]) if len(given) > 11 and isinstance(given[11], Tensor) else None
        if layer is not None and (output := _first(result)) is not None:
            self.seen.output(layer, output)
            self._tag(output, (layer,))

    def _recurrent(self, name: str, args: tuple, result: Any) -> None:
        weights = [layer for one in _tensors(args[2:]) if (layer := self._weight(one)) is not None]
        states, swap = _first(result), False
        if name in _RECURRENT:
            first = next(place for place, value in enumerate(args) if isinstance(value, bool))
            weights = weights[-(len(weights) // args[first + 1]) :]
            swap = states is not None and states.dim() == 3 and args[-1] is False
        if states is not None and weights:
            self.seen.states(tuple(dict.fromkeys(weights)), states.transpose(0, 1) if swap else states)

    def _weight(self, tensor: Tensor) -> str | None:
        for one in (tensor, tensor._base if tensor._is_view() else None):
            if one is not None:
                made = self._made.get(id(one))
                found = made[1] if made is not None and made[0]() is one else self.weights.get(id(one))
                if found is not None:
                    return found
        return None

    def _behind(self, given: tuple) -> tuple[str, ...]:
        found: dict[str, None] = {}
        for one in _tensors(given):
            held = self._layers.get(id(one))
            if held is not None and held[0]() is one:
                found |= dict.fromkeys(held[1])
        return tuple(found)

    def _derived(self, given: tuple, result: Any) -> None:
        """A weight that is masked, scaled or normalised before it is used is still that weight."""
        if isinstance(result, Tensor) and result.is_floating_point():
            for one in _tensors(given):
                layer = self._weight(one) if one.shape == result.shape else None
                if layer is not None:
                    self._made[id(result)] = weakref.ref(result), layer
                    return

    def _tag(self, result: Any, layers: tuple[str, ...]) -> None:
        for one in _tensors((result,)):
            self._layers[id(one)] = weakref.ref(one), layers


def _tensors(given: Iterable[Any]) -> Iterator[Tensor]:
    for one in given:
        if isinstance(one, Tensor):
            yield one
        elif isinstance(one, tuple | list):
            yield from (value for value in one if isinstance(value, Tensor))


def _meant(name: str, args: tuple, kwargs: dict) -> str:
    """A clamp from below at 0 is a relu by another name."""
    if name in ("clamp", "clamp_min", "clip"):
        low = kwargs.get("min", args[1] if len(args) > 1 else None)
        high = kwargs.get("max", args[2] if len(args) > 2 else None)
        return "relu" if isinstance(low, int | float) and low == 0 and high is None else name
    return name


def _is_new(name: str, result: Any) -> bool:
    # reading an attribute: x.T is the signal, x.grad is not
    return isinstance(result, Tensor) and (name != "__get__" or result._is_view())


def _name(func: Callable) -> str:
    return getattr(func, "__name__", "")


def _in_place(name: str, kwargs: dict) -> bool:
    return bool(kwargs.get("inplace")) or (name.endswith("_") and not name.endswith("__"))


def _first(result: Any) -> Tensor | None:
    while isinstance(result, tuple | list) and result:
        result = result[0]
    if not isinstance(result, Tensor) or not result.is_floating_point():
        return None
    wrapped = torch._C._functorch.is_functorch_wrapped_tensor(result)  # pyright: ignore[reportAttributeAccessIssue]
    return None if wrapped else result
