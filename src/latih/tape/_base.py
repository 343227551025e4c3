"""The contract: a tape is the structure of a model, as plain data, in the order of the forward pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from torch import nn


@dataclass(frozen=True)
class Activation:
    """The function a layer feeds, under `torch.nn.functional`'s name.

    "none" where the next layer, an attention or the end comes first; "unknown" where the graph cannot tell, or where
    the layer feeds several different functions. For an rnn, lstm or gru it is the state's function (and the gates').
    """

    name: str
    constants: dict[str, Any] = field(default_factory=dict)
    """What the function was called with, e.g. {"negative_slope": 0.01}."""

    def __str__(self) -> str:
        inside = ", ".join(
            f"{key}={value:g}" if isinstance(value, float) else f"{key}={value}"
            for key, value in self.constants.items()
        )
        return f"{self.name}({inside})" if inside else self.name


@dataclass
class WeightedLayer:
    """One weight matrix (or kernel, or table) of the model and its surroundings."""

    name: str
    """Path of the module that owns the weight; "" for the model itself."""
    parameter: str
    """The weight's own name, as in `named_parameters()`; with a parametrization, that of the original."""
    kind: str
    """linear, conv1d/2d/3d, conv_transpose1d/2d/3d, embedding, bilinear, rnn, lstm, gru, attention, or unknown."""
    weight: nn.Parameter
    bias: nn.Parameter | None
    fan_in: int
    """Weights that add up in one output of one block (stride ignored); 1 for an embedding; 0 if the kind is unknown."""
    fan_out: int
    """Outputs of one block that one input reaches (stride ignored); 0 if the kind is unknown."""
    feeds: Activation
    between: list[str]
    """What lies between the layer and `feeds` (or the next layer), in order.

    batch_norm, layer_norm, group_norm, instance_norm, rms_norm, local_response_norm, normalize, dropout, pool, resize,
    pad, view, mask; add, cat and mul (with another signal), scale and shift (by a constant or a parameter), fixed (a
    constant matrix or kernel), attention and product (of two signals), at which the way ends.
    """
    inputs: list[str]
    """Names of the layers whose outputs it receives; an identity skip around a branch is not followed."""
    shared: bool = False
    """Used more than once in one forward pass."""
    is_head: bool = False
    """No weighted layer comes after it."""
    in_residual: bool = False
    """Inside a branch that a skip connection bypasses."""
    recurrent: bool = False
    """Multiplies the hidden state (of an rnn, lstm or gru) instead of the input."""
    blocks: int = 1
    """Matrices stacked in the weight: 4 gates of an lstm, 3 of a gru, 3 projections of a fused attention."""


@dataclass
class Tape:
    """What one recorded batch says about a model."""

    layers: list[WeightedLayer]
    """In forward order."""
    unreached: list[str]
    """Names of the parameters that the loss (without one: the output) never reaches."""
    loss_ops: list[str]
    """What the loss does to the output, in order, e.g. ["log_softmax", "nll", "mean"]; empty without a loss."""
    output_shape: tuple[int, ...]
    """Of the model's first floating output, batch included."""

    def table(self) -> str:
        """Layer, kind, fans, what lies between, activation: one line a layer, as plain text."""
        rows = [("layer", "kind", "fan in > out", "between", "feeds")]
        names = [layer.name for layer in self.layers]
        for layer in self.layers:
            label = layer.name if layer.name and names.count(layer.name) == 1 else layer.parameter
            fans = f"{layer.fan_in} > {layer.fan_out}"
            rows.append((label, layer.kind, fans, ", ".join(layer.between) or "-", str(layer.feeds)))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
