"""More units where everything passes through a few."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from typing import Any

import torch
from torch import nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.tape import call_model, read, tensors, untouched
from latih.train import LossFunction, seeded

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._hidden_widths import Width, hidden_widths
from ._redraw import redraw, redraw_code
from ._resized import arguments, made, putting_out, reading, written
from ._trained import trained
from ._wrapping import loss_of, replaced

_GROWTHS = ((8, 32), (4, 16))
"""(times, at least) of the variants."""
_MOST = 512
_TOLD = 6
"""Layers that the edit names."""


def widen(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Gives hidden layers 8 times their units or channels, at least 32, and draws the weights anew.

    Everything that a network puts out passes through its narrowest layer: w units there span w dimensions. Linear and
    convolutional layers and the states of recurrent ones grow up to 512, with the norms behind them and the layers
    that read them; inputs and outputs keep their size. The second variant takes 4 times, at least 16.

    It hurts where a narrow layer is the point (a code, a limit on memory) and where examples are few. Left alone are
    trained and frozen weights, and layers whose output goes into a sum, a product, a concatenation, attention or a
    reshape to a fixed size, and those that are tied or used more than once.

    Source: Goodfellow, Bengio and Courville (2016), section 5.2; Cybenko (1989): enough units in one hidden layer come
    as close to any continuous function as wanted.
    """
    if trained(training.model, case):
        return
    widths = hidden_widths(training.model, case.batch[0])
    before: dict[str, int] = {}
    for times, least in _GROWTHS:
        wanted = {one.layer: max(min(max(times * one.units, least), _MOST), one.units) for one in widths}
        if wanted != before:
            before = wanted
            grown = [one for one in widths if wanted[one.layer] > one.units]
            variant = _variant(training, case, grown, wanted)
            if variant is not None:
                yield variant


def _variant(training: Training, case: Case, widths: list[Width], wanted: dict[str, int]) -> Training | None:
    """With all of the widths, or else with those that work alone."""
    if not widths:
        return None
    shapes = _shapes(training.model, case)
    if _wide(training, case, widths, wanted, shapes) is None:
        widths = [one for one in widths if _wide(training, case, [one], wanted, shapes) is not None]
    wide = _wide(training, case, widths, wanted, shapes) if widths else None
    if wide is None:
        return None
    model, loss, lines = wide
    seed = training.recipe.seed
    drawn = redraw(model, loss, case, seed)
    if drawn is None:  # what torch drew is as good
        model, loss, lines = _resized(training, widths, wanted) or wide
        lines = [f"torch.manual_seed({seed})", *lines]
    else:
        lines = [*lines, redraw_code(seed, drawn[1])]
    if loss_of(model, loss, case.batch) is None:
        return None
    layers = [one.layer for one in widths]
    old, new, names = _shown([one.units for one in widths]), _shown([wanted[one] for one in layers]), _shown(layers)
    text = f"hidden widths {old} -> {new} ({names}), weights drawn anew"
    return training.edited(Edit("widen", text, "\n".join(lines)), model=model, loss=loss)


def _shown(values: Sequence[object]) -> str:
    return ", ".join(map(str, values[:_TOLD])) + (", ..." if len(values) > _TOLD else "")


def _wide(
    training: Training, case: Case, widths: list[Width], wanted: dict[str, int], shapes: list[Any]
) -> tuple[nn.Module, LossFunction, list[str]] | None:
    """A copy, its loss, and the code that makes it; None where it fails, or puts out something of another shape."""
    found = _resized(training, widths, wanted)
    if found is None or shapes[0] is None or _shapes(found[0], case) != shapes:
        return None
    with suppress(InputError):  # a layer that the code calls by another way has been left behind
        unreached = read(found[0], case.batch).unreached
        return found if not any(name.startswith(f"{one.layer}.") for one in widths for name in unreached) else None
    return None


def _resized(
    training: Training, widths: list[Width], wanted: dict[str, int]
) -> tuple[nn.Module, LossFunction, list[str]] | None:
    model, loss = copied(training)
    tied = {id(one) for one in (nn.Module.parameters(loss) if isinstance(loss, nn.Module) else ())}
    given: dict[str, Any] = {}
    for one in widths:
        old, new = one.units, wanted[one.layer]
        for path in (one.layer, *one.norms, *one.readers):
            kind = type(part := model.get_submodule(path))
            now = given.get(path) or arguments(part)
            given[path] = putting_out(now, kind, new) if path == one.layer else reading(now, kind, old, new)
            if given[path] is None or any(id(parameter) in tied for parameter in part.parameters()):
                return None
    return model, loss, _put_in(model, given, training.recipe.seed)


def _put_in(model: nn.Module, given: dict[str, Any], seed: int) -> list[str]:
    """Replace the layers and norms at some paths, wherever else they stand; the same as code."""
    places: dict[nn.Module, list[str]] = {}
    for path, part in model.named_modules(remove_duplicate=False):
        places.setdefault(part, []).append(path)
    lines = []
    with seeded(seed):
        for path, like in [(path, model.get_submodule(path)) for path in given]:
            replaced(model, like, made(like, given[path]))
            first, *others = places[like]
            lines.append(f"model.set_submodule({first!r}, {written(like, given[path])})")
            lines += [f"model.set_submodule({other!r}, model.get_submodule({first!r}))" for other in others]
    return lines


def _shapes(model: nn.Module, case: Case) -> list[list[tuple[int, ...]] | None]:
    """Of all tensors that the model puts out in training and in evaluation; None where it fails."""
    return [_shapes_in(model, case, training) for training in (True, False)]


def _shapes_in(model: nn.Module, case: Case, training: bool) -> list[tuple[int, ...]] | None:
    devices = {one.device for one in [*model.parameters(), *model.buffers()]}
    with suppress(Exception), untouched(list(model.modules()), devices), torch.no_grad():
        output = call_model(model.train(training), case.batch[0].clone())
        return [tuple(one.shape) for one in tensors(output)]
    return None


CURE = Cure("widen", widen)
