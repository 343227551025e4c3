"""L103: what is minimised is not what is wanted."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from latih.watch import Loss, Probes, Record

from .._against_metric import against_metric
from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve, swings
from .._trouble import above, hardly_learns, learns_well
from .._wiring import readings

_VALUES = frozenset(("mse", "mae", "huber", "smooth_l1"))
GROWS = 10.0
"""Times its first size that the head's output has reached where a loss falls without end."""
MOST_CLASSES = 20
_ON_PROBABILITIES = ("log_softmax", "mul", "sum", "neg", "div")
"""What torch's cross_entropy does with targets that are probabilities."""
_APART = 0.02
_PLUNGE = 1000.0
_DIVIDED = 8.0
_LITTLE = 0.2
_STEPS = 12
_LONG = 0.1
"""|update| / |weight| of a step that throws the network."""
_RISE = 0.1
"""Of the first loss, on one batch that is fitted again and again."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """A loss with its sign turned, summed where it should be averaged, or made for another kind of target.

    - Sign. A loss that is negated after it is taken, or one that is never negative and is, is maximised: an error at
      once. A log-likelihood without its minus, or any loss without a floor, is known by how it falls: towards a floor a
      fall gets slower, without one it gets faster while the outputs grow. Found where the loss is negative, each third
      of the run lost at least as much as the one before, the head's outputs have grown ten times, and the loss to ten
      times its first size (that of a log-density stays near it).
    - Sum. The gradient of a sum over n examples is n times that of the mean, so a rate meant for the mean is n times
      too high: a warning where the run is in trouble as well and its steps were too long (the loss is lost, rises or
      swings, or an update was a tenth of the weights); adaptive optimizers do not mind.
    - Metric. Validation loss and a metric whose better values are known to be the larger ones are told, and while the
      loss falls (Kendall's z < -2) the metric falls as well (z < -2), or stays at exactly 0.
    - Floor. A loss below minus a thousand times its first size: no log-density gets there.
    - Several right answers. Cross-entropy on truth values of which an example has several, though it takes them for
      one distribution.
    - Values for classes. Squared error on labels 0..K-1 with one output puts an order and distances on names.
      A warning where K is at least 3 and the run does not learn well.
    """
    if record.loss.kind == "unknown" and not record.losses and record.probes is None:
        return NotApplicable("the loss was not seen")
    found = next(_cases(record), None)
    if found is None:
        return []
    severity, evidence, why, advice, weight = found
    return [Finding("L103", "wrong-loss", severity, "loss", evidence, why, advice, ("match_loss",), weight)]


def _cases(record: Record) -> Iterator[tuple[Any, dict[str, Any], str, str, float]]:
    loss, curve = record.loss, Curve.of(record)
    values = [one for one in record.losses if one is not None]
    if loss.sign < 0 and loss.floor is not None:
        yield (
            "error",
            {"kind": loss.kind, "sign": loss.sign},
            f"The {loss.kind} loss is negated before it is differentiated, so training makes it as large as it can.",
            "Remove the minus: loss.backward()",
            3.0,
        )
    legal = loss.targets is None or loss.kind not in ("binary_cross_entropy", "bce_with_logits")
    legal = legal or (loss.targets is not None and loss.targets.low >= 0 and loss.targets.high <= 1)
    exact = loss.kind in _VALUES | {"cross_entropy", "bce_with_logits", "binary_cross_entropy"} and curve.exact
    if exact and legal and values and np.median(values[:ENOUGH]) < 0:
        yield (
            "error",
            {"kind": loss.kind, "loss": values[-1], "cannot be below": 0.0},
            f"A {loss.kind} loss is never negative, and this one is: its sign is turned.",
            "loss = -loss  # minimise what should become small",
            3.0,
        )
    falls = None if loss.kind in ("nll", "bce_with_logits") and not legal else _falls_without_end(record, curve)
    if falls and loss.kind != "nll" and legal:
        yield (
            "error",
            falls,
            "The loss is negative, falls faster and faster, and the outputs grow with it: it has no floor, so it is "
            "maximised error, not minimised.",
            "Turn the sign of the part that should become small: loss = -loss",
            2.5,
        )
    against = against_metric(record)
    if against:
        yield (
            "warning",
            against,
            f"Validation loss falls and validation {against['metric']} gets no better: what is minimised is not what "
            "is wanted.",
            "Look at the loss of a perfect answer: it must be the lowest there is. loss = 1 - overlap, not overlap",
            2.4,
        )
    falls = None if loss.sign < 0 else _plunges(curve)
    if falls:
        yield (
            "error",
            falls,
            "The loss is negative and a thousand times as far from 0 as it began: a part of it has no floor, and is "
            "rewarded for growing.",
            "Look at each term's sign: what should become small is added, what should become large is subtracted.",
            2.5,
        )
    fails = hardly_learns(record)
    summed = loss.reduction == "sum" and loss.kind != "unknown" and record.batch_size > 1
    if summed and fails and not _adaptive(record) and _too_long(record):
        yield (
            "warning",
            {"reduction": "sum", "batch": record.batch_size, **fails},
            f"The loss is summed over the batch, so gradients are {record.batch_size} times those of the mean, and a "
            "learning rate meant for the mean is too high.",
            "Average instead: reduction='mean'  # or divide lr by the batch size",
            2.0,
        )
    shrunk = _shrunk(record)
    if shrunk is not None and fails_slowly(record) and not _adaptive(record):
        yield (
            "warning",
            shrunk,
            f"The loss is divided by {shrunk['divided by']:.3g} beyond its mean, so are its gradients, and steps are "
            "as much too short.",
            "Take the mean once: reduction='mean', and no division by the batch or the classes after it",
            2.0,
        )
    total = _several(loss)
    if total is not None:
        yield (
            "info" if learns_well(record) else "warning",
            {"sum of an example's targets": total, "must be": 1.0},
            f"An example's targets sum to {total:.3g}, and cross-entropy takes them for the probabilities of classes "
            "that exclude each other: right answers compete.",
            "For several right answers: torch.nn.BCEWithLogitsLoss()",
            2.0,
        )
    targets = loss.targets
    if targets is not None and loss.kind in _VALUES and targets.distinct is not None and _one_output(record):
        labels = 3 <= targets.distinct <= MOST_CLASSES and targets.low == 0 and targets.high == targets.distinct - 1
        if labels and not learns_well(record):
            soon = len(curve) < 2 * ENOUGH and record.probes is None
            severity = "warning" if fails and not soon else "info"
            yield (
                severity,
                {"loss": loss.kind, "different targets": targets.distinct, "outputs": 1, **(fails or {})},
                f"Targets are whole numbers 0 to {targets.high:g}, as classes are, and {loss.kind} treats them as "
                "amounts.",
                f"If they are classes: nn.Linear(..., {targets.distinct}) and torch.nn.CrossEntropyLoss()",
                1.0,
            )


def _several(loss: Loss) -> float | None:
    """What targets of cross-entropy on probabilities sum to, on average, where that is not 1."""
    targets, shape = loss.targets, loss.target_shape
    if targets is None or tuple(loss.ops) != _ON_PROBABILITIES or len(shape) != 2 or shape != loss.output_shape:
        return None
    total = targets.mean * shape[1]
    binary = targets.distinct == 2 and (targets.low, targets.high) == (0.0, 1.0)
    return total if binary and shape[1] <= MOST_CLASSES and abs(total - 1) > _APART else None


def _shrunk(record: Record) -> dict[str, Any] | None:
    """A loss that is a small part of what its kind is at the start, because it was divided again."""
    loss = record.loss
    first = next((one for one in record.losses if one is not None), None)
    if loss.kind != "cross_entropy" or not {"div", "mul"} & set(loss.ops) or not first or first <= 0:
        return None
    usual = math.log(max(loss.class_count or len(loss.classes), 2))
    return {"divided by": usual / first, "threshold": _DIVIDED} if usual / first > _DIVIDED else None


def fails_slowly(record: Record) -> bool:
    """Four dozen updates, and less than a tenth of the first loss is gone."""
    curve = Curve.of(record)
    return len(curve) >= 2 * ENOUGH and curve.level > (1 - _LITTLE) * curve.start


def _falls_without_end(record: Record, curve: Curve) -> dict[str, Any] | None:
    if record.probes is not None and not record.losses:
        return _of_probe(record.probes)
    if len(curve) < ENOUGH or curve.level >= 0 or curve.fallen < 3:
        return None
    quarters, faster = _quarters(curve.losses)
    heads = [layer.name for layer in record.layers if layer.is_head]
    grown = 0.0
    for name in heads:
        sizes = [math.hypot(one.out_std or 0.0, one.out_mean or 0.0) for one in readings(record, name)]
        if len(sizes) > 1 and sizes[0] > 0:
            grown = max(grown, sizes[-1] / sizes[0])
    first = max(abs(curve.start), curve.first_scatter, 1.0)
    if not faster or grown < GROWS or curve.level > -GROWS * first:
        return None  # a density's logarithm may be negative too, and stays of the order of its start
    return {"mean loss of each quarter": quarters, "outputs have grown": grown, "threshold": GROWS}


def _plunges(curve: Curve) -> dict[str, Any] | None:
    """A level as far below 0 as no logarithm of a density gets."""
    first = max(abs(curve.start), curve.first_scatter, 1.0)
    # the start may already have been thrown: then the very first losses tell
    first = min(first, max(abs(one) for one in curve.losses[:2])) if len(curve) >= ENOUGH else first
    if len(curve) < ENOUGH or curve.level > -_PLUNGE * max(first, 1.0):
        return None
    return {"loss": curve.level, "at the start": curve.losses[0], "threshold, times": _PLUNGE}


def _of_probe(probes: Probes) -> dict[str, Any] | None:
    """A safe optimizer, of which every step makes the loss smaller, on one small batch."""
    losses = [one for one in probes.fit_safe or [] if one is not None]
    if len(losses) < _STEPS or losses[-1] >= -GROWS * max(abs(losses[0]), 1.0):
        return None
    quarters, faster = _quarters(losses)
    return {"mean loss of each quarter, on one batch": quarters, "threshold": -GROWS} if faster else None


def _quarters(losses: Sequence[float]) -> tuple[list[float], bool]:
    """Their means, and whether each lost at least as much as the one before."""
    means = [float(part.mean()) for part in np.array_split(np.array(losses), 4)]
    falls = [first - second for first, second in itertools.pairwise(means)]
    return means, falls[0] > 0 and all(second >= first for first, second in itertools.pairwise(falls))


def _too_long(record: Record) -> bool:
    """Steps that throw the network: the loss is lost or rises, or an update was a good part of the weights."""
    if record.probes is not None and not record.losses:
        losses = record.probes.fit or []
        finite = [one for one in losses if one is not None and math.isfinite(one)]
        return len(finite) < len(losses) or (len(finite) > 1 and max(finite) > (1 + _RISE) * finite[0])
    curve = Curve.of(record)
    lost = len(curve) < len(record.losses) or record.origin is not None
    moved = Movement.of(record)
    thrown = not len(moved) or moved.peak > _LONG  # steps that nobody measured may have been long
    return lost or thrown or above(curve) or swings(curve) or curve.risen > 6


def _adaptive(record: Record) -> bool:
    return record.optimizer is not None and record.optimizer.adaptive


def _one_output(record: Record) -> bool:
    shape = record.loss.output_shape
    return len(shape) == 1 or shape[1:] == (1,)


RULE = Rule("L103", "wrong-loss", judge)
