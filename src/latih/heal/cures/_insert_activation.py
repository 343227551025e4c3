"""A rectifier between layers that follow one another directly."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress

from torch import nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.init import initialize
from latih.tape import Tape, WeightedLayer, read

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._trained import trained
from ._wrapping import loss_of, module_at, moves, named, replaced

_STRAIGHT = frozenset(("batch_norm", "dropout", "view", "scale", "shift", "pool", "pad", "resize"))
"""What may lie between two layers that are one map."""
_FUNCTIONS = {"relu": nn.ReLU, "tanh": nn.Tanh}


def insert_activation(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Puts a relu, or a tanh, between layers that follow one another directly, and draws the layers that feed it anew.

    When: the finding missing-nonlinearity: W2 (W1 x + b1) + b2 is one linear map, whatever the depth. The function
    stands right in front of the second layer, behind a norm or dropout between the two, or right behind the first one
    where pooling follows. In a network without any, all such places get one but behind a bottleneck.
    It hurts where the product is meant: a factorisation, tied weights. Source: Leshno et al. (1993): a
    network computes every function if and only if its activation is no polynomial; He et al. (2015) for the weights.
    """
    pairs = _pairs(training, case, finding)
    made = (_inserted(training, case, pairs, name) for name in _FUNCTIONS) if pairs else ()
    yield from (one for one in made if one is not None)


def _inserted(
    training: Training, case: Case, pairs: list[tuple[WeightedLayer, WeightedLayer]], name: str
) -> Training | None:
    model, loss = copied(training)
    names, fed, places = named(model), [], []
    found = [(one, module_at(model, one.name), module_at(model, two.name)) for one, two in pairs if two.name]
    for first, before, behind in found:
        if before is None or behind is None:
            continue
        pooled = "pool" in first.between
        path, layer = before if pooled else behind
        function = _FUNCTIONS[name]().train(layer.training)
        order = {"layer": layer, "activation": function} if pooled else {"activation": function, "layer": layer}
        replaced(model, layer, nn.Sequential(OrderedDict(order)))
        fed.append(before[1])
        places.append(f"{'behind' if pooled else 'in front of'} {path}")
    if not fed or loss_of(model, loss, case.batch) is None:
        return None
    _draw(training, case, model, loss, fed)
    text = f"{name} {', '.join(places)}; weights of the layers before drawn by the rule for it"
    code = "\n".join(f"# in forward, {place}: x = torch.{name}(x)" for place in places)
    code += f"\nlatih.initialize(model, (x, y), loss, seed={training.recipe.seed})"
    plan = training.optimizer.renamed(moves(names, model))
    return training.edited(Edit("insert_activation", text, code), model=model, loss=loss, optimizer=plan)


def _pairs(training: Training, case: Case, finding: Finding) -> list[tuple[WeightedLayer, WeightedLayer]]:
    """Those of the finding that are there still; of a network that is linear as a whole, all but bottlenecks."""
    meant = [tuple(pair.split(" > ")) for pair in finding.evidence.get("pairs", [])]
    whole = finding.evidence.get("whole network linear") is True
    with suppress(InputError):
        present = list(_direct(read(training.model, case.batch, training.loss)))
        return [
            (first, second)
            for first, second in present
            if any(_same(first, a) and _same(second, b) for a, b in meant) or (whole and not _bottleneck(first, second))
        ]
    return []


def _bottleneck(first: WeightedLayer, second: WeightedLayer) -> bool:
    """The middle is narrower than both sides: that is meant."""
    middle, ends = first.weight.shape[0], (first.weight.shape[1], second.weight.shape[0])
    return middle < min(ends)


def _direct(tape: Tape) -> Iterator[tuple[WeightedLayer, WeightedLayer]]:
    by_name = {layer.name: layer for layer in tape.layers}
    for second in tape.layers:
        first = by_name.get(second.inputs[0]) if len(second.inputs) == 1 else None
        if first is not None and first.feeds.name == "none" and set(first.between) <= _STRAIGHT:
            yield first, second


def _same(layer: WeightedLayer, name: str) -> bool:
    return any(own == name or own.endswith(f".{name}") for own in (layer.name, layer.parameter))


def _draw(training: Training, case: Case, model: nn.Module, loss: object, fed: list[nn.Module]) -> None:
    """Weights that lead to the new relus, unless they were trained before."""
    names = named(model)
    drawn = {names[id(one)] for layer in fed for one in layer.parameters(recurse=False)} - set(trained(model, case))
    if drawn:
        with suppress(InputError):
            keep = [name for name in names.values() if name not in drawn]
            initialize(model, case.batch, loss, keep=keep, seed=training.recipe.seed)  # pyright: ignore


CURE = Cure("insert_activation", insert_activation, corrects=True)
