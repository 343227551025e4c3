"""Torch functions that autograd records as several nodes, remembered by the call that made them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch.nn.functional as F
from torch import Tensor
from torch.autograd.graph import get_gradient_edge
from torch.overrides import TorchFunctionMode

from ._ops import words

# function -> the op that its nodes stand for
_NAMED = {
    **dict.fromkeys(
        words("dropout dropout_ dropout1d dropout2d dropout3d feature_dropout feature_dropout_"), "dropout"
    ),
    **dict.fromkeys(words("alpha_dropout alpha_dropout_ feature_alpha_dropout feature_alpha_dropout_"), "dropout"),
    **dict.fromkeys(words("lp_pool1d lp_pool2d lp_pool3d adaptive_avg_pool2d adaptive_avg_pool3d"), "pool"),
    **dict.fromkeys(words("threshold threshold_ _threshold"), "threshold"),
    **{name: name for name in words("softsign tanhshrink softmin gumbel_softmax")},
    **{name: name for name in words("rms_norm instance_norm local_response_norm normalize")},
    "scaled_dot_product_attention": "attention",
}
_RECURRENT = {
    "rnn_tanh": "rnn",
    "rnn_relu": "rnn",
    "lstm": "lstm",
    "gru": "gru",
    "rnn_tanh_cell": "rnn",
    "rnn_relu_cell": "rnn",
    "lstm_cell": "lstm",
    "gru_cell": "gru",
}
RECURRENT = frozenset(_RECURRENT.values())
_LOSSES = words(
    "cross_entropy nll_loss mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy kl_div poisson_nll_loss "
    "binary_cross_entropy_with_logits gaussian_nll_loss multi_margin_loss multilabel_margin_loss ctc_loss "
    "multilabel_soft_margin_loss hinge_embedding_loss soft_margin_loss cosine_embedding_loss triplet_margin_loss "
    "triplet_margin_with_distance_loss margin_ranking_loss"
)
_BLOCKS = {"rnn": 1, "lstm": 4, "gru": 3}


@dataclass(eq=False)
class Call:
    """One call: the op it stands for, and the nodes that autograd recorded for it."""

    op: str
    nodes: dict[Any, None]
    constants: dict[str, Any] = field(default_factory=dict)
    matrices: list[Matrix] = field(default_factory=list)
    """Of a recurrent call."""


@dataclass
class Matrix:
    """One weight of a recurrent call."""

    node: Any
    """The autograd node that yields it."""
    bias: Any
    shape: tuple[int, ...]
    recurrent: bool
    blocks: int


class Calls(TorchFunctionMode):
    """While this is on, calls are remembered; what they compute is untouched."""

    def __init__(self) -> None:
        super().__init__()
        self.named: list[Call] = []
        self.losses: dict[Any, None] = {}
        self.attention: dict[int, int] = {}
        """id of an attention's weight -> matrices stacked in it."""

    def __torch_function__(self, func: Callable, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        name = getattr(func, "__name__", "")
        if name == "multi_head_attention_forward":
            self._note_attention(args, kwargs)
        if name not in _NAMED and name not in _RECURRENT and name not in _LOSSES:
            return func(*args, **kwargs)
        before = dict.fromkeys(_nodes((args, kwargs)))
        result = func(*args, **kwargs)
        nodes = _recorded(_nodes(result), before)
        if name in _LOSSES:
            self.losses.update(nodes)
        elif name in _RECURRENT:
            self.named.extend(_recurrent(name, nodes, args))
        elif nodes:
            self.named.append(Call(_NAMED[name], nodes, _constants(name, args, kwargs)))
        return result

    def _note_attention(self, args: tuple, kwargs: dict) -> None:
        given = inspect.signature(F.multi_head_attention_forward).bind(*args, **kwargs).arguments
        for key in ("in_proj_weight", "q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj_weight"):
            if isinstance(given.get(key), Tensor):
                self.attention[id(given[key])] = 3 if key == "in_proj_weight" else 1


def _constants(name: str, args: tuple, kwargs: dict) -> dict[str, Any]:
    wanted = {"threshold": ("threshold", "value"), "softmin": ("dim",)}.get(_NAMED[name], ())
    rest = dict(zip(wanted, args[1:], strict=False)) | kwargs
    return {key: rest[key] for key in wanted if key in rest}


def _recurrent(name: str, nodes: dict[Any, None], args: tuple) -> Iterator[Call]:
    kind = _RECURRENT[name]
    groups = [list(args[2:])] if name.endswith("_cell") else _by_layer(args)
    constants = {"name": "relu"} if "relu" in name else {"name": "tanh"}
    if kind != "rnn":
        constants["gates"] = "sigmoid"
    if groups and nodes:
        yield Call(kind, nodes, constants, [matrix for group in groups for matrix in _matrices(kind, group)])


def _by_layer(args: tuple) -> list[list[Tensor]]:
    """The weights in (..., weights, has_biases, num_layers, dropout, train, bidirectional, ...), packed or not."""
    first = next((place for place, value in enumerate(args) if isinstance(value, bool)), len(args))
    if first + 4 >= len(args):
        return []
    weights, count = args[first - 1], args[first + 1] * (2 if args[first + 4] else 1)
    size = len(weights) // count
    return [list(weights[start : start + size]) for start in range(0, len(weights), size)]


def _matrices(kind: str, group: Sequence[Tensor | None]) -> Iterator[Matrix]:
    tensors = [tensor for tensor in group if tensor is not None]
    weights, biases = [t for t in tensors if t.dim() == 2], [t for t in tensors if t.dim() == 1]
    for place, weight in enumerate(weights):
        bias = _node(biases[place]) if place < len(biases) else None
        # a third matrix projects an lstm's output
        yield Matrix(_node(weight), bias, tuple(weight.shape), place == 1, _BLOCKS[kind] if place < 2 else 1)


def _node(tensor: Tensor) -> Any:
    return get_gradient_edge(tensor).node if tensor.requires_grad else None


def _nodes(value: Any) -> Iterator[Any]:
    if isinstance(value, Tensor):
        if value.requires_grad:
            yield _node(value)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from _nodes(item)
    elif isinstance(value, dict):
        yield from _nodes(tuple(value.values()))


def _recorded(last: Iterable[Any], before: dict[Any, None]) -> dict[Any, None]:
    found: dict[Any, None] = {}
    waiting = list(last)
    while waiting:
        node = waiting.pop()
        if node is not None and node not in before and node not in found:
            found[node] = None
            waiting.extend(source for source, _ in node.next_functions)
    return found
