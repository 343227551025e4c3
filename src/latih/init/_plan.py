"""Which rule each weighted layer gets, and what variance its output should then have."""

from __future__ import annotations

import math
from dataclasses import dataclass

from torch import nn

from latih.tape import Activation, Tape, WeightedLayer

from ._base import Initializer
from ._glorot import glorot
from ._he import he
from ._lecun import lecun
from ._moments import RECTIFIERS, function_of, moments, negative_slope
from ._normal import normal
from ._orthogonal import orthogonal
from ._variance_scaling import variance_scaling

NORMS = frozenset(("batch_norm", "layer_norm", "group_norm", "instance_norm", "rms_norm"))
_GLOROT = ("tanh", "sigmoid", "hardsigmoid", "logsigmoid")
# Smooth rectifiers amplify any deviation of the variance, the less the larger it is: they get that of He's relu.
_SMOOTH_RECTIFIERS = ("gelu", "silu", "mish", "hardswish")
# Functions that flatten on both sides: the further a signal reaches out, the faster the gradient grows with depth.
_TWO_SIDED = ("tanh", "softsign", "hardtanh")
_TWO_SIDED_VARIANCE = 0.6
_RECURRENT = ("rnn", "lstm", "gru")


@dataclass
class Plan:
    """What one layer is to get."""

    layer: WeightedLayer
    label: str
    """The layer's name; the parameter's where that is not unique."""
    initializer: Initializer | None
    """None: left alone."""
    shrink: float = 1.0
    """Factor on the drawn weight: 1/sqrt(blocks) at the end of a residual branch."""
    target: float | None = None
    """Variance of the layer's output for inputs of unit second moment; None where nothing is to be held to it."""
    backward: float = 1.0
    """What the layer and the activation before it do to the gradient's variance where forward is kept exactly."""
    why: str = ""
    """Why the layer is left alone."""

    @property
    def rule(self) -> str:
        """The rule's notation, with the shrinking written out."""
        text = self.initializer.text if self.initializer else "left alone"
        return text if self.shrink == 1.0 else f"{text} / sqrt({round(self.shrink**-2)})"


def plans_for(tape: Tape, model: nn.Module) -> list[Plan]:
    """The rules of scheme "auto", one a layer, in forward order."""
    layers = [_with_slopes(layer, model) for layer in tape.layers]
    by_name: dict[str, list[WeightedLayer]] = {}
    for layer in layers:
        by_name.setdefault(layer.name, []).append(layer)
    blocks = sum(map(ends_branch, layers))
    return [_plan(layer, label, by_name, blocks) for layer, label in zip(layers, labels(tape), strict=True)]


def one_rule(tape: Tape, initializer: Initializer) -> list[Plan]:
    """The same rule for every layer but the embeddings."""
    return [
        Plan(layer, label, initializer)
        if layer.fan_in and layer.kind != "embedding"
        else Plan(layer, label, None, why=_unknown(layer) or "the scheme is for layers; an embedding adds nothing up")
        for layer, label in zip(tape.layers, labels(tape), strict=True)
    ]


def labels(tape: Tape) -> list[str]:
    """Short names that tell the layers apart."""
    names = [layer.name for layer in tape.layers]
    return [one.name if one.name and names.count(one.name) == 1 else one.parameter for one in tape.layers]


def ends_branch(layer: WeightedLayer) -> bool:
    """Whether the layer's output is added to a skip without a norm in between."""
    if not layer.in_residual or "add" not in layer.between:
        return False
    return NORMS.isdisjoint(layer.between[: layer.between.index("add")])


def is_normed(layer: WeightedLayer) -> bool:
    """Whether a norm decides the scale of what the layer feeds."""
    return not NORMS.isdisjoint(layer.between)


def _plan(layer: WeightedLayer, label: str, by_name: dict[str, list[WeightedLayer]], blocks: int) -> Plan:
    if layer.kind == "embedding":
        tied_or_normed = layer.shared or layer.is_head or is_normed(layer)
        return Plan(layer, label, normal(round(layer.fan_out**-0.5, 6)) if tied_or_normed else normal(1.0))
    if not layer.fan_in:
        return Plan(layer, label, None, why=_unknown(layer))
    if layer.recurrent:
        return Plan(layer, label, orthogonal())
    if layer.kind in (*_RECURRENT, "attention", "bilinear") or layer.is_head:
        return Plan(layer, label, glorot())
    before = [_moments_after(one, by_name) for one in _before(layer, by_name)]
    # a norm after the layer undoes any factor, so the plain rule is as good and easier to read
    forward, backward = (1.0, 1.0) if is_normed(layer) or not before else map(_mean, zip(*before, strict=True))
    shrink = 1 / math.sqrt(blocks) if ends_branch(layer) else 1.0
    drive = _drive(layer, by_name)
    initializer = _rule(layer.feeds, forward, drive, counts=ends_branch(layer))
    measurable = layer.kind.startswith(("linear", "conv")) and not (layer.shared or layer.in_residual)
    clear = layer.feeds.name != "unknown" and {"mul", "scale", "fixed", "normalize", "product"}.isdisjoint(
        layer.between
    )
    target = drive if measurable and clear and not is_normed(layer) else None
    return Plan(layer, label, initializer, shrink, target, backward / forward if not is_normed(layer) else 1.0)


def _drive(layer: WeightedLayer, by_name: dict[str, list[WeightedLayer]]) -> float:
    """The variance that the layer's output is to have."""
    slope = negative_slope(layer.feeds)
    if slope is not None:
        return 2 / (1 + slope**2)
    if layer.feeds.name in _SMOOTH_RECTIFIERS:
        return 2.0
    before = _before(layer, by_name)
    stacked = bool(before) and not is_normed(layer) and all(one.feeds.name in _TWO_SIDED for one in [layer, *before])
    return _TWO_SIDED_VARIANCE if stacked else 1.0


def _before(layer: WeightedLayer, by_name: dict[str, list[WeightedLayer]]) -> list[WeightedLayer]:
    return [one for name in layer.inputs for one in by_name.get(name, [])]


def _rule(feeds: Activation, moment: float, drive: float, *, counts: bool) -> Initializer:
    """The rule for a layer that feeds `feeds` from inputs of second moment `moment`, with output variance `drive`.

    Where that variance `counts`, because it is added to a stream, the mean of the fans will not do.
    """
    slope, scale = negative_slope(feeds), drive / moment
    if slope is not None and slope <= 1 and math.isclose(moment, 1.0):
        return he(round(slope, 4))
    if slope is None and not counts and (feeds.name in _GLOROT or function_of(feeds) is None):
        return glorot(gain=round(math.sqrt(scale), 4))
    if math.isclose(moment, 1.0) and math.isclose(scale, 2.0):
        return he()
    return lecun() if math.isclose(scale, 1.0) else variance_scaling(round(scale, 4))


def _moments_after(layer: WeightedLayer, by_name: dict[str, list[WeightedLayer]]) -> tuple[float, float]:
    """Second moments of what the layer's activation passes on, and of its slope, under the rules above.

    A rectifier passes on what its layer was given, for He's factor 2 is in that layer's own weights.
    """
    unit = (1.0, 1.0)
    if layer.feeds.name in RECTIFIERS or layer.kind in _RECURRENT:
        return unit
    return moments(layer.feeds, _drive(layer, by_name)) or unit


def _mean(values: tuple[float, ...]) -> float:
    return sum(values) / len(values)


def _with_slopes(layer: WeightedLayer, model: nn.Module) -> WeightedLayer:
    """Tell a layer that feeds a prelu its slope: the root mean square over the model's PReLU modules."""
    if layer.feeds.name == "prelu":
        slopes = [
            module.weight.detach().double().flatten() for module in model.modules() if isinstance(module, nn.PReLU)
        ]
        squares = [value for slope in slopes for value in slope.square().tolist()]
        if squares:
            layer.feeds = Activation("prelu", {"weight": math.sqrt(_mean(tuple(squares)))})
    return layer


def _unknown(layer: WeightedLayer) -> str:
    return "" if layer.fan_in else "the tape cannot tell its fans"
