"""L107: weights that could learn, and that nobody moves."""

from __future__ import annotations

import math

from latih.watch import Parameter, Record

from .._base import Finding, NotApplicable, Rule
from .._wiring import readings

SHARE = 0.02
"""Of the weights that could learn; a head counts however small it is."""
STILL = 1e-7
"""Relative change of a weight's norm, between first and last sample, that rounding explains."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Weights that require a gradient, are reached by it and are in no optimizer are computed for nothing.

    The two facts: the gradient reaches them, and the optimizer does not hold them. If their norm changes between
    samples, somebody else moves them (another player's optimizer) and all is well. A body that was trained before
    (its weights are no random draw) below a head that learns is a feature extractor: an info. Random weights, or a
    head, that nobody moves: a warning. Layers in a plain list or dictionary are found in the output's graph: leaves
    that require a gradient and are not among the model's parameters.
    """
    if record.optimizer is None or not record.parameters:
        return NotApplicable("the optimizer is not known")
    if all(one.optimised is None for one in record.parameters):
        return NotApplicable("the optimizer is not known")
    able = [one for one in record.parameters if one.trainable and one.reached is not False] + record.unregistered
    left = [one for one in able if one.optimised is False and not _moves(one, record)]
    if not left:
        return []
    total = max(sum(math.prod(one.shape) for one in able), 1)
    share = sum(math.prod(one.shape) for one in left) / total
    heads = {layer.parameter for layer in record.layers if layer.is_head}
    no_head = any(one.name in heads for one in left)
    told = [one for one in left if one.fresh is not None]
    fresh = sum(math.prod(one.shape) for one in told if one.fresh)
    known = sum(math.prod(one.shape) for one in told)
    untrained = bool(told) and fresh >= 0.5 * known
    grave = no_head or (share >= SHARE and untrained)
    return [
        Finding(
            "L107",
            "unoptimised-parameters",
            "warning" if grave else "info",
            left[0].name,
            {"not in the optimizer": [one.name for one in left][:20], "share of the weights": share, "threshold": SHARE}
            | {"never trained": untrained},
            f"{len(left)} parameters ({share:.0%} of the weights) get gradients and are in no optimizer.",
            "Make the optimizer after the model is complete: optimizer = SGD(model.parameters(), lr=...)  "
            "# layers belong in nn.ModuleList, not in a list",
            ("register",),
            weight=2.5,
        )
    ]


def _moves(one: Parameter, record: Record) -> bool:
    label = next((layer.name for layer in record.layers if layer.parameter == one.name), one.name)
    norms = [reading.weight_norm for reading in readings(record, label) if reading.weight_norm is not None]
    return len(norms) > 1 and abs(norms[-1] - norms[0]) > STILL * max(abs(norms[0]), 1e-30)


RULE = Rule("L107", "unoptimised-parameters", judge)
