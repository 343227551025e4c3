from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from math import gcd

from torch import nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.norm import insert_batch_norm
from latih.tape import Tape, read
from latih.train import seeded

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._redraw import redraw, redraw_code
from ._trained import trained

_ENOUGH = 16
"""Examples a batch from which its statistics are worth something."""
_GROUPS = 8
_SEQUENCES = ("rnn", "lstm", "gru", "attention")


def insert_norm(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Puts a norm behind every hidden layer, so that each sees inputs of one scale whatever the layers below it do.

    Batch norm in dense and convolutional networks with batches of 16 or more, before the activation; below that group
    norm for images and layer norm for vectors, and layer norm beside recurrent layers and attention. It frees dead
    and saturated units, and keeps gradients in size. A second variant draws the weights anew as well.

    It hurts with selu, which normalises itself, and on trained weights, whose function is lost: both are left alone.
    Layers that are used more than once, and those with a norm, get none.

    Source: Ioffe and Szegedy (2015); Wu and He (2018); Ba, Kiros and Hinton (2016).
    """
    with suppress(InputError):
        tape = read(training.model, case.batch)
        if any(layer.feeds.name == "selu" for layer in tape.layers) or trained(training.model, case):
            return
        kind = _kind(tape, len(case.batch[0]))
        variants = (_inserted(training, case, kind, fresh=fresh) for fresh in (False, True))
        yield from (one for one in variants if one is not None)


def _kind(tape: Tape, examples: int) -> str:
    hidden = [layer for layer in tape.layers if not layer.is_head]
    if any(layer.recurrent or layer.shared or layer.kind in _SEQUENCES for layer in hidden):
        return "layer()"
    if examples >= _ENOUGH:
        return "batch()"
    channels = [layer.weight.shape[0] for layer in hidden if layer.kind.startswith("conv")]
    return f"group({gcd(_GROUPS, *channels)})" if channels else "layer()"


def _inserted(training: Training, case: Case, kind: str, *, fresh: bool) -> Training | None:
    model, loss = copied(training)
    seed, codes, words = training.recipe.seed, [], ""
    if fresh:
        drawn = redraw(model, loss, case, seed)
        if drawn is None:
            return None
        codes, words = [redraw_code(seed, drawn[1])], "weights redrawn by the rule of each layer; "
    with seeded(seed):
        names = _insert(model, case, kind)
    if names is None:
        return None
    layers, renamed = names
    shown = ", ".join(layers[:4]) + (", ..." if len(layers) > 4 else "")
    text = f"{words}{kind} behind {len(layers)} hidden layer{'s' * (len(layers) > 1)} ({shown})"
    code = "\n".join([*codes, f"latih.norm.insert_batch_norm(model, (x, y), kind={kind!r})"])
    plan = training.optimizer.renamed(renamed)
    return training.edited(Edit("insert_norm", text, code), model=model, loss=loss, optimizer=plan)


def _insert(model: nn.Module, case: Case, kind: str) -> tuple[list[str], dict[str, str]] | None:
    with suppress(InputError):
        done = insert_batch_norm(model, case.batch, kind=kind)
        return (list(done.inserted), done.renamed) if done.inserted else None
    return None


CURE = Cure("insert_norm", insert_norm)
