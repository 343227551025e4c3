"""Every weight is the model's, is the optimizer's, and hears of the loss."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import suppress

import torch
from torch import nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.tape import Tape, read

from .._base import Case, Cure, Edit, Training
from ._attached import Attached
from ._copies import copied
from ._hidden import register_hidden
from ._trained import trained
from ._wrapping import around_net, output_of


def register(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Gives the optimizer the weights that it was not given, and the loss those that it does not reach.

    Parameters that get gradients and are in no optimizer join its largest group. Layers in a plain list or dictionary
    become an nn.ModuleList or nn.ModuleDict of the same name. Where a `detach()`, `.data` or `no_grad()` in `forward`
    keeps the loss from layers that take part, it is passed over, if they are then reached.

    When: unoptimised-parameters, unreached-parameters. A body that was trained before stays out. It hurts where a cut
    is meant: a target network, a straight-through estimate. Source: torch's documentation of nn.Module and autograd.
    """
    if finding.name == "unreached-parameters":
        yield from _attached(training, case)
        return
    yield from itertools.islice(_registered(training, case, finding), 1)


def _registered(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    model, loss = copied(training)
    before = output_of(training.model, case.batch[0])
    made = register_hidden(model) if _unregistered(training, case) else []
    if made and not _same(before, output_of(model, case.batch[0])):
        return
    old = set(trained(model, case)) - _heads(training, case)
    kept = {name.rpartition(".")[0] for name in old}
    joined = sorted(name for name in training.optimizer.left_out if name.rpartition(".")[0] not in kept)
    texts, code = [], []
    if made:
        texts.append("; ".join(f"layers in the attribute {path} are registered ({what})" for path, what in made))
        code += [_line(path, what) for path, what in made]
    if joined:
        shown = ", ".join(joined[:6]) + (", ..." if len(joined) > 6 else "")
        texts.append(f"{len(joined)} parameters join the optimizer: {shown}")
    if not texts:
        return
    code.append("optimizer = type(optimizer)(model.parameters(), lr=...)  # made after the model is complete")
    plan = training.optimizer.taking_in(joined)
    edit = Edit("register", "; ".join(texts), "\n".join(code))
    yield training.edited(edit, model=model, loss=loss, optimizer=plan)


def _attached(training: Training, case: Case) -> Iterator[Training]:
    """Without the cuts in `forward`, where the loss then reaches more of the weights."""
    before = _tape(training, training.model, case)
    if before is None or not before.unreached or any(isinstance(one, Attached) for one in training.model.modules()):
        return
    names = {id(one): name for name, one in training.model.named_parameters()}
    model, loss = copied(training)
    model, plan = around_net(model, training.optimizer, Attached)
    tape = _tape(training, model, case)
    if tape is None or len(tape.unreached) >= len(before.unreached):
        return
    if not _same(output_of(training.model, case.batch[0]), output_of(model, case.batch[0])):
        return
    still = {name.removeprefix("net.").removeprefix("net.") for name in tape.unreached}
    heard = [name for name in names.values() if name in before.unreached and name.removeprefix("net.") not in still]
    shown = ", ".join(heard[:6]) + (", ..." if len(heard) > 6 else "")
    text = f"the loss reaches {len(heard)} more parameters, past a detach() or no_grad() in forward: {shown}"
    code = "# in forward: remove .detach(), .data and torch.no_grad() behind these layers"
    yield training.edited(Edit("register", text, code), model=model, loss=loss, optimizer=plan.taking_in(plan.left_out))


def _tape(training: Training, model: nn.Module, case: Case) -> Tape | None:
    with suppress(InputError):
        return read(model, case.batch, training.loss)
    return None


def _unregistered(training: Training, case: Case) -> bool:
    record = case.findings.record
    return record is None or bool(record.unregistered)


def _heads(training: Training, case: Case) -> set[str]:
    tape = _tape(training, training.model, case)
    return {layer.parameter for layer in tape.layers if layer.is_head} if tape is not None else set()


def _same(first: torch.Tensor | None, second: torch.Tensor | None) -> bool:
    """Dropout may have drawn: then shapes have to do."""
    if first is None or second is None:
        return False
    return first.shape == second.shape


def _line(path: str, what: str) -> str:
    if what.endswith("beside it"):
        return f"model.{path}_layers = nn.ModuleList(one for one in model.{path} if isinstance(one, nn.Module))"
    return f"model.{path} = {what}(model.{path})" if what.endswith(("List", "Dict")) else f"# register model.{path}"


CURE = Cure("register", register, corrects=True)
