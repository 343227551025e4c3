"""The operation: replace modules, try the result out, and see that the data flow is what it was."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from latih._checks import InputError
from latih.tape import Tape

from ._base import Where
from ._places import LABELS, Place
from ._recalibrate import calibrate
from ._wires import quietly, run


@dataclass
class Insertion:
    """What `insert_batch_norm` did to a model; prints as a table."""

    inserted: dict[str, str]
    """Layer -> path of its new norm."""
    left: dict[str, str]
    """Layer without a new norm -> why."""
    dropped: list[str]
    """Names of the biases that are gone."""
    renamed: dict[str, str]
    """Old name -> new name of every parameter and buffer that moved."""

    def __str__(self) -> str:
        rows = [("layer", "new norm", "left because"), *((layer, norm, "") for layer, norm in self.inserted.items())]
        rows += [(layer, "-", why) for layer, why in self.left.items()]
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)


def put_in(model: nn.Module, found: list[Place], drop: bool) -> None:
    """Replace each place's module by `Sequential(module, norm)`, under all of its paths."""
    paths = list(model.named_modules(remove_duplicate=False))
    for place in found:
        target = model.get_submodule(place.path)
        first = "layer" if place.path == place.layer else "activation"
        place.norm.train(target.training)
        pair = nn.Sequential(OrderedDict([(first, target), ("norm", place.norm)])).train(target.training)
        if drop and isinstance(target._parameters.get("bias"), nn.Parameter):
            target.register_parameter("bias", None)
        for path in [path for path, module in paths if module is target]:
            model.set_submodule(path, pair)


def try_out(trial: nn.Module, batch: Any, norms: list[nn.Module]) -> None:
    """Run in both modes, and leave the batch's statistics in the new norms."""
    trial.train()
    run(trial, batch)
    running = [norm for norm in norms if isinstance(norm, _BatchNorm)]
    if running:
        with quietly(trial):
            calibrate(trial, running, [batch])
    trial.eval()
    run(trial, batch)


def compare(before: Tape, after: Tape, found: list[Place], place: Where) -> None:
    """Hold the rewritten model to its old data flow: a forward code that asks for a type may go another way now."""
    if len(before.layers) != len(after.layers):
        raise InputError(
            f"insert_batch_norm(model): with the norms in, {len(after.layers)} instead of {len(before.layers)} layers "
            "would be used; put them into the model's own code, which asks for its modules' type or number."
        )
    inserted = {one.layer for one in found}
    for old, new in zip(before.layers, after.layers, strict=True):
        normed = place == "after" or old.name not in inserted or LABELS.intersection(new.between)
        if old.feeds != new.feeds or not normed:
            raise InputError(
                f"insert_batch_norm(model): with the norms in, layer {old.name!r} would no longer feed {old.feeds} "
                f"as it did; pass skip=({old.name!r},) or put its norm into the model's own code."
            )


def graft(model: nn.Module, found: list[Place], drop: bool, left: dict[str, str]) -> Insertion:
    """Put the norms that were tried out into the model itself, and report."""
    old = _names(model)
    put_in(model, found, drop)
    new = _names(model)
    dropped = [name for tensor, names in old.items() if tensor not in new for name in names]
    pairs = [pair for tensor in old for pair in zip(old[tensor], new.get(tensor, []), strict=False)]
    renamed = {name: after for name, after in pairs if name != after}
    return Insertion({one.layer: f"{one.path}.norm" for one in found}, left, dropped, renamed)


def _names(model: nn.Module) -> dict[Tensor, list[str]]:
    names: dict[Tensor, list[str]] = {}
    for name, tensor in model.state_dict(keep_vars=True).items():
        names.setdefault(tensor, []).append(name)
    return names
