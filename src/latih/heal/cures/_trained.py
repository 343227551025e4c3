"""Which weights were trained before: those are not to be drawn anew."""

from __future__ import annotations

from torch import Tensor, nn

from latih.watch import Parameter

from .._base import Case

_FEWEST, _MORE = 3, 20
"""Of so many draws one may look trained by chance (the test's level is a hundredth), and one of every 20 more."""


def trained(model: nn.Module, case: Case) -> list[str]:
    """Names of the weights of `model` that are no random draw; with them all of which nobody could tell.

    The record tells by the names of the model as it was given; an edited one has them at other paths, with the same
    parts in the same order. Weights of one sign are a draw, whatever their law looks like: training leaves none.
    """
    record = case.findings.record
    weights = {name: one for name, one in model.named_parameters() if one.dim() > 1}
    facts = [] if record is None else [one for one in record.parameters if len(one.shape) > 1]
    tables = set() if record is None else {one.parameter for one in record.layers if one.kind == "embedding"}
    tested = [one for one in facts if one.fresh is not None and not _one_sign(weights.get(one.name))]
    used = [one.name for one in tested if not one.fresh]
    chance = int(len(tested) >= _FEWEST) + len(tested) // _MORE
    if len(used) <= chance and tables.isdisjoint(used):  # a single table is often a pretrained one
        return []
    doubtful = [one for one in facts if not one.fresh]
    fresh = {one.name for one in facts if one.fresh}
    return [
        name
        for name, weight in weights.items()
        if name not in fresh and not _one_sign(weight) and any(_is(one, name, weight) for one in doubtful)
    ]


def _is(known: Parameter, name: str, weight: Tensor) -> bool:
    if known.name == name:
        return True
    parts = iter(name.split("."))
    return known.shape == tuple(weight.shape) and all(part in parts for part in known.name.split("."))


def _one_sign(weight: Tensor | None) -> bool:
    return weight is not None and bool((weight > 0).all() or (weight < 0).all())
