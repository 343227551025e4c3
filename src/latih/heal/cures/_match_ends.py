"""The ways to make a network's last function and its loss agree."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator

import torch.nn.functional as F
from torch import nn

from .._base import Edit, Training
from ._copies import copied
from ._ends import without_end
from ._kinds import VALUES, Seen
from ._losses import OnLogProbabilities, OnScores, TruthCrossEntropy
from ._task_loss import undone

_SCORES = ("cross_entropy", "bce_with_logits")
"""Losses on scores."""


def mismatch(training: Training, now: Seen) -> Iterator[Training] | None:
    """Edited trainings, the most promising first; None where the last function is no reason for a mismatch."""
    end, single = now.end_name, now.output.shape[1:2] == (1,)
    if end == "softmax" and single and now.kind not in _SCORES:
        return _exchanged(training, now)
    if end == "softmax" and single:
        return _bare(training, now, TruthCrossEntropy(scores=True), "F.binary_cross_entropy_with_logits(scores, y)")
    if now.kind == "nll":
        return _likelihood(training, now)
    if now.kind in _SCORES and now.end is not None:
        ways = (_bare(training, now), _undone(training, now))
        # a model without its last module is what one would write; a function in forward needs a stand-in
        return itertools.chain(*(ways if now.end.path is not None else reversed(ways)))
    if end == "softmax" and (now.kind in VALUES or now.kind == "binary_cross_entropy"):
        return _exchanged(training, now)
    return _bare(training, now) if now.kind in VALUES and now.end is not None else None


def indexed(code: str) -> str:
    """`model.net.2` as Python writes it: `model.net[2]`."""
    return re.sub(r"\bmodel(\.\w+)+", lambda path: re.sub(r"\.(\d+)\b", r"[\1]", path[0]), code)


def _bare(training: Training, now: Seen, loss: nn.Module | None = None, code: str = "") -> Iterator[Training]:
    """Without the last function."""
    if now.end is None:
        return
    model, own, plan = without_end(training, now.end)
    name, path = now.end.name, now.end.path
    text = f"the {name} behind the last layer is removed, so the loss gets what the layer puts out"
    line = f"model.{path} = nn.Identity()" if path else f"# in forward: return the scores, without {name}(...)"
    if loss is not None:
        text += f"; loss -> {code.partition('(')[0].removeprefix('F.')}"
    edit = Edit("match_loss", text, indexed(line) + (f"\nloss = {code}" if code else ""))
    yield training.edited(edit, model=model, loss=loss or own, optimizer=plan)


def _undone(training: Training, now: Seen) -> Iterator[Training]:
    """The last function stays, so that outputs mean what they did, and the loss undoes it."""
    end = undone(now.end_name)
    if end == "none" or (end == "softmax" and now.kind == "bce_with_logits"):
        return
    model, loss = copied(training)
    if end == "sigmoid" and now.kind == "bce_with_logits":
        code = "loss = F.binary_cross_entropy(output, y)"
    elif end == "softmax":
        code = "loss = F.nll_loss(output.clamp_min(1e-30).log(), y)"
    else:
        code = {"sigmoid": "scores = torch.logit(output, 1e-7)", "tanh": "scores = torch.atanh(0.999999 * output)"}.get(
            end, "scores = output / (1 - output.abs())" if end == "softsign" else "scores = 6 * output - 3"
        )
        code += "\nloss = loss_fn(scores, y)"
    text = f"the loss takes the outputs of the {end} for what they are, instead of for scores"
    yield training.edited(Edit("match_loss", text, code), model=model, loss=OnScores(loss, end))


def _likelihood(training: Training, now: Seen) -> Iterator[Training]:
    """Log-probabilities for a likelihood that got something else."""
    if now.end is not None and now.end.path is not None:
        model, own, plan = without_end(training, now.end)
        text = f"the {now.end.name} behind the last layer is removed; loss: nll -> cross-entropy on scores"
        code = indexed(f"model.{now.end.path} = nn.Identity()") + "\nloss = F.cross_entropy(model(x), y)"
        yield training.edited(Edit("match_loss", text, code), model=model, loss=_crossed(own), optimizer=plan)
    model, own = copied(training)
    if now.end_name == "softmax":
        text = "loss: nll of probabilities -> nll of their logarithms"
        code = "loss = F.nll_loss(output.clamp_min(1e-30).log(), y)"
        yield training.edited(Edit("match_loss", text, code), model=model, loss=OnScores(own, "softmax"))
        return
    text, code = (
        "loss: nll, which wants log-probabilities -> cross-entropy on scores",
        "loss = F.cross_entropy(output, y)",
    )
    yield training.edited(Edit("match_loss", text, code), model=model, loss=_crossed(own))


def _crossed(loss: object) -> nn.Module | object:
    if loss is F.nll_loss:
        return F.cross_entropy
    if type(loss) is nn.NLLLoss:
        return nn.CrossEntropyLoss(weight=loss.weight, ignore_index=loss.ignore_index, reduction=loss.reduction)
    return OnLogProbabilities(loss)  # pyright: ignore[reportArgumentType]


def _exchanged(training: Training, now: Seen) -> Iterator[Training]:
    """A sigmoid a unit where a softmax made answers exclude each other; nothing where targets are other numbers."""
    if now.end is None:
        return
    within = bool(((now.everything >= 0) & (now.everything <= 1)).all())
    if not within:
        yield from _bare(training, now)
        return
    model, loss, plan = without_end(training, now.end, nn.Sigmoid())
    text = "softmax -> sigmoid behind the last layer: outputs of an example need not sum to 1"
    path = now.end.path
    code = f"model.{path} = nn.Sigmoid()" if path else "# in forward: return torch.sigmoid(scores)"
    yield training.edited(Edit("match_loss", text, indexed(code)), model=model, loss=loss, optimizer=plan)
