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


def insert_activation(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Puts a relu between layers that follow one another directly, and draws the layers that feed it anew (he).

    When: the finding missing-nonlinearity: W2 (W1 x + b1) + b2 is one linear map, whatever the depth. The relu stands
    right in front of the second layer, behind a norm or dropout between the two.
    It hurts where the product is meant: a factorisation, a bottleneck, tied weights. Source: Leshno et al. (1993): a
    network computes every function if and only if its activation is no polynomial; He et al. (2015) for the weights.
    """
    pairs = _pairs(training, case, finding)
    if not pairs:
        return
    model, loss = copied(training)
    names = named(model)
    found = [(module_at(model, first.name), module_at(model, second.name)) for first, second in pairs if second.name]
    places = [(first[1], second) for first, second in found if first is not None and second is not None]
    for _, (_, layer) in places:
        relu = nn.ReLU().train(layer.training)
        replaced(model, layer, nn.Sequential(OrderedDict(activation=relu, layer=layer)))
    fed = [first for first, _ in places]
    if not fed or loss_of(model, loss, case.batch) is None:
        return
    _draw(training, case, model, loss, fed)
    paths = [path for _, (path, _) in places]
    text = f"relu in front of {', '.join(paths)}; weights of the layers before drawn by he()"
    code = "\n".join(f"# in forward, in front of {path}: x = F.relu(x)" for path in paths)
    code += f"\nlatih.initialize(model, (x, y), loss, seed={training.recipe.seed})"
    plan = training.optimizer.renamed(moves(names, model))
    yield training.edited(Edit("insert_activation", text, code), model=model, loss=loss, optimizer=plan)


def _pairs(training: Training, case: Case, finding: Finding) -> list[tuple[WeightedLayer, WeightedLayer]]:
    """Those of the finding that are there still."""
    meant = [tuple(pair.split(" > ")) for pair in finding.evidence.get("pairs", [])]
    with suppress(InputError):
        tape = read(training.model, case.batch, training.loss)
        present = _direct(tape)
        return [
            (first, second) for first, second in present if any(_same(first, a) and _same(second, b) for a, b in meant)
        ]
    return []


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
