"""Output and loss that agree."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._head import widened
from ._kinds import Seen, seen, whole
from ._losses import Aligned, Averaged, ClassCrossEntropy, Multiplied, Negated
from ._match_ends import indexed, mismatch
from ._task_loss import task_loss
from ._wrapping import loss_of

_MOST = 3
_RISKY = frozenset(("log", "log1p", "exp", "sqrt", "div", "pow", "logsumexp", "unknown"))


def match_loss(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Makes output and loss agree, so that the loss can become small where the answers are right.

    A loss on scores (cross-entropy, binary cross-entropy with logits) gets scores: a softmax, sigmoid or tanh in front
    of it is removed, or undone inside the loss; a likelihood that gets scores is given log-probabilities. Targets take
    the outputs' shape. A sum becomes a mean, and what was maximised is minimised. Targets that are classes get a unit
    each and cross-entropy; a bounded function behind the last layer goes where targets lie beyond it. Last comes the
    textbook's loss for what targets are.

    When: the findings loss-output-mismatch, wrong-loss, shape-broadcast; a loss that was written out and meets log 0.
    It hurts where a loss is meant to be as it is: a bound that keeps outputs legal, an order between classes. With
    the last function removed outputs are scores, no probabilities. Source: Bishop (1995), section 6: each kind of
    target has one pair of output function and loss whose gradient is the error itself.
    """
    now = seen(training, case)
    if now is None:
        return
    kept = (one for one in _variants(training, case, finding, now) if _works(one, case))
    yield from itertools.islice(kept, _MOST)


def _variants(training: Training, case: Case, finding: Finding, now: Seen) -> Iterator[Training]:
    evidence = finding.evidence
    if finding.name == "shape-broadcast":
        yield from (one for one in _aligned(training, now) if _differs(training, one.loss, case))
    elif finding.name == "wrong-loss" and "reduction" in evidence:
        yield from _averaged(training)
    elif finding.name == "wrong-loss" and "divided by" in evidence:
        yield from _multiplied(training, evidence["divided by"])
    elif finding.name == "wrong-loss" and "different targets" in evidence:
        yield from _classes(training, case, now)
        return
    elif finding.name == "wrong-loss":
        yield from _negated(training)
    elif finding.name == "label-range":
        yield from _classes(training, case, now)
        return
    elif finding.name == "loss-output-mismatch":
        ways = mismatch(training, now)
        yield from _textbook(training, case, None, now) if ways is None else ways
        return
    yield from _textbook(training, case, finding, now)


def _aligned(training: Training, now: Seen) -> Iterator[Training]:
    if now.output.shape == now.targets.shape or isinstance(training.loss, Aligned):
        return
    model, loss = copied(training)
    text = f"targets {tuple(now.targets.shape)} take the shape of the outputs {tuple(now.output.shape)} before the loss"
    code = "loss = loss_fn(output, y.view_as(output))"
    if now.output.numel() != now.targets.numel():
        code = f"loss = loss_fn(output, y.{'unsqueeze' if now.targets.dim() == 1 else 'squeeze'}(-1))"
    yield training.edited(Edit("match_loss", text, code), model=model, loss=Aligned(loss))


def _averaged(training: Training) -> Iterator[Training]:
    if isinstance(training.loss, Averaged):
        return
    model, loss = copied(training)
    own = getattr(loss, "reduction", None) == "sum" and isinstance(loss, nn.Module)
    if own:
        vars(loss)["reduction"] = "mean"
    code = "loss = loss_fn(output, y)  # made with reduction='mean'" if own else "loss = loss_fn(output, y) / y.numel()"
    edit = Edit("match_loss", "the loss is averaged over the batch instead of summed", code)
    yield training.edited(edit, model=model, loss=loss if own else Averaged(loss))


def _multiplied(training: Training, by: float) -> Iterator[Training]:
    if isinstance(training.loss, Multiplied):
        return
    model, loss = copied(training)
    factor = float(f"{by:.2g}")
    text = f"the loss is multiplied by {factor:g}: it was divided once too often"
    code = f"loss = {factor:g} * loss_fn(output, y)  # or take the mean once"
    yield training.edited(Edit("match_loss", text, code), model=model, loss=Multiplied(loss, factor))


def _negated(training: Training) -> Iterator[Training]:
    if isinstance(training.loss, Negated):
        return
    model, loss = copied(training)
    edit = Edit("match_loss", "the sign of the loss is turned: it was maximised", "loss = -loss_fn(output, y)")
    yield training.edited(edit, model=model, loss=Negated(loss))


def _classes(training: Training, case: Case, now: Seen) -> Iterator[Training]:
    """Cross-entropy with a unit a class, for labels that were amounts to the loss or lie beyond the last unit."""
    if not whole(now.everything) or now.everything.dim() > 2:
        return
    classes = max(int(now.everything.max()) + 1, case.classes or 0)
    if now.output.dim() == 2 and now.output.shape[1] >= classes:
        return
    wide = widened(training, case, now, classes)
    if wide is None:
        return
    model, plan, head = wide
    columns = now.output.shape[1] if now.output.dim() > 1 else 1
    text = f"{head or 'the last layer'}: {columns} -> {classes} units, one a class; loss -> cross-entropy"
    code = f"model.{head} = nn.Linear(model.{head}.in_features, {classes})\nloss = F.cross_entropy(model(x), y.long())"
    yield training.edited(
        Edit("match_loss", text, indexed(code)), model=model, loss=ClassCrossEntropy(), optimizer=plan
    )


def _textbook(training: Training, case: Case, finding: Finding | None, now: Seen) -> Iterator[Training]:
    """The loss for what targets are, where the program's own is another one."""
    found = task_loss(now, case.task)
    if found is None or (now.kind == found.kind and not _differs(training, found.loss, case)):
        return
    if finding is not None and finding.name == "diverged" and not _RISKY & set(now.tape.loss_ops):
        return
    model = copied(training)[0]
    text = f"loss -> {found.kind.replace('_', ' ')}, the one for such targets"
    yield training.edited(Edit("match_loss", text, found.code), model=model, loss=found.loss)


def _differs(training: Training, loss: object, case: Case) -> bool:
    """The two losses of the batch, which a constant factor sets apart as well."""
    first = loss_of(training.model, training.loss, case.batch)
    second = loss_of(training.model, loss, case.batch)  # pyright: ignore[reportArgumentType]
    return (
        first is None or second is None or not torch.allclose(first, second.to(first.dtype), rtol=1e-3, equal_nan=True)
    )


def _works(training: Training, case: Case) -> bool:
    value: Tensor | None = loss_of(training.model, training.loss, case.batch)
    return value is not None


CURE = Cure("match_loss", match_loss, corrects=True)
