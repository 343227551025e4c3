"""L110: batch norm in the wrong mode, or whose running statistics are not those of the data."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from latih.watch import Norm, Record

from .._base import Finding, NotApplicable, Rule
from .._stuck import stuck
from .._trouble import trouble

SLOW = 1e-3
"""Momentum up to which running statistics keep half of what they began with for 693 batches or more."""
FAST = 0.9
"""Momentum from which they are those of the last batch alone."""
_SAMPLES = 3
QUIET = 0.1
"""Deviation behind a fresh batch norm and a relu, where sqrt(1/2 - 1/(2 pi)) = 0.58 is expected."""
GAP = 0.5
"""Difference of training-mode and evaluation-mode outputs, in deviations of the output."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """In training batch norm uses the batch's statistics, in evaluation running ones: each must be what it is for.

    - Evaluation mode while training, with running statistics still at mean 0 and variance 1: it normalises nothing, and
      deviates from what it was put in for. With statistics of an earlier training it is pinned on purpose: silent.
    - The whole model in evaluation mode at most of the sampled updates after the first.
    - Running statistics that keep (1 - momentum)^t of their first value after t batches: at a momentum of 0 they
      never move, up to 0.001 half of 0 and 1 is left after 693 batches. In torch `momentum` is the share of the *new*
      batch, elsewhere that of the old. Only if they began untouched.
    - A momentum of 0.9 or more keeps the last batch alone, of few values.
    - A batch norm on the tape that no module with running statistics explains, and answers in evaluation mode that
      change with the other half of the batch: a warning. A module that keeps none by its own setting: an info.
    - A batch norm on the tape that no module explains, behind most of which fresh signals have a deviation below 0.1
      (0.58 behind a relu if it normalises), in a run that is stuck or a batch that is not fitted: `F.batch_norm`
      without `training=True` divides by its buffers.
    """
    if record.batch_dependent:
        return [_dependent(record)]
    norms = [one for one in record.norms if one.kind == "batch_norm"]
    idle = None if norms else _idle(record)
    if idle is not None:
        return [idle]
    if not norms:
        return NotApplicable("there is no batch norm")
    found = next(_asleep(norms, record), None) or next(_cases(norms, record), None)
    if found is None:
        return []
    severity, norm, evidence, why, advice = found
    cures = ("train_mode",)
    return [Finding("L110", "norm-wrong-mode", severity, norm.name, evidence, why, advice, cures, weight=2.5)]


def _dependent(record: Record) -> Finding:
    where = next((layer.name for layer in record.layers if "batch_norm" in layer.between), "")
    return Finding(
        "L110",
        "norm-wrong-mode",
        "warning",
        where,
        {"answers in evaluation mode change with their batch": True, "batch norms with running statistics": 0},
        f"Behind {where} there is a batch norm that uses its batch's statistics in evaluation mode too, so an answer "
        "depends on which examples come with it.",
        "F.batch_norm(x, self.mean, self.variance, training=self.training)  # or nn.BatchNorm1d(n)",
        ("train_mode",),
        weight=2.5,
    )


def _idle(record: Record) -> Finding | None:
    """A functional batch norm whose output has not the deviation of 1 that it is there for, in a run that is stuck."""
    start = record.samples[0] if record.samples and record.samples[0].step <= 1 else None
    behind = {one.name for one in record.layers if one.between[:1] == ["batch_norm"] and one.activation == "relu"}
    sizes = {one.layer: one.std for one in start.readings if one.layer in behind} if start is not None else {}
    quiet = {name: size for name, size in sizes.items() if size is not None and size < QUIET}
    second = stuck(record) or trouble(record) if len(quiet) > len(behind) / 2 else None
    if start is None or not start.training or second is None:
        return None
    where, size = next(iter(quiet.items()))
    return Finding(
        "L110",
        "norm-wrong-mode",
        "warning",
        where,
        {"deviation behind the norm": size, "usual behind a relu": 0.58, "threshold": QUIET, **second},
        f"Behind {where} there is a batch norm, and yet its output has a deviation of {size:.2g}: it uses running "
        "statistics that are not those of the data.",
        "F.batch_norm(x, self.mean, self.variance, self.weight, self.bias, training=self.training)",
        ("train_mode",),
        weight=2.5,
    )


def _asleep(norms: list[Norm], record: Record) -> Iterator[tuple[Any, Norm, dict[str, Any], str, str]]:
    """The whole model is in evaluation mode at most updates, and was not trained before."""
    later = [one for one in record.samples if one.step > 0]
    asleep = sum(not one.training for one in later)
    new = [one for one in norms if one.tracks and one.untouched and not one.pinned]
    if len(later) >= _SAMPLES and asleep > len(later) / 2 and new:
        yield (
            "warning",
            new[0],
            {"updates seen in evaluation mode": asleep, "of": len(later)},
            "The model is in evaluation mode while it is trained: batch norm does not normalise by its batch, and its "
            "statistics stand still.",
            "model.train()  # at the beginning of every epoch: validation leaves it in eval()",
        )


def _cases(norms: list[Norm], record: Record) -> Iterator[tuple[Any, Norm, dict[str, Any], str, str]]:
    for one in norms:
        if not one.training and one.tracks and one.untouched and not one.pinned:
            yield (
                "warning",
                one,
                {"mode": "evaluation", "running statistics": "mean 0, variance 1"},
                f"{one.name} is in evaluation mode while the model trains, and its statistics are those of a new "
                "module: it normalises nothing.",
                "model.train()  # before every epoch; .eval() only around validation",
            )
    for one in norms:
        if one.training and one.tracks and one.untouched and one.momentum is not None and one.momentum <= SLOW:
            kept = (1 - one.momentum) ** max(record.updates, 1)
            if kept > 0.5 or record.updates < math.log(2) / max(one.momentum, 1e-12):
                yield (
                    "warning",
                    one,
                    {"momentum": one.momentum, "threshold": SLOW, "of the first statistics left": kept},
                    f"{one.name} has momentum {one.momentum:g}: after {record.updates} batches {kept:.0%} of its "
                    "running statistics are still the initial 0 and 1, so evaluation is another network than training.",
                    "nn.BatchNorm1d(n, momentum=0.1)  # in torch: the share of the new batch",
                )
    for one in norms:
        noisy = one.momentum is not None and one.momentum >= FAST and one.values is not None and one.values <= 256
        if one.training and one.tracks and noisy:
            yield (
                "warning",
                one,
                {"momentum": one.momentum, "threshold": FAST, "values a feature": one.values},
                f"{one.name} has momentum {one.momentum:g}, so evaluation uses the statistics of the last batch alone.",
                "nn.BatchNorm1d(n, momentum=0.1)  # in torch: the share of the new batch",
            )
    gap = record.probes.eval_gap if record.probes is not None else None
    for one in norms:
        if one.training and not one.tracks:
            yield (
                "info",
                one,
                {"running statistics": None},
                f"{one.name} keeps no running statistics, so in evaluation an answer depends on its batch.",
                "nn.BatchNorm1d(n)  # track_running_stats=True is the default",
            )
    if gap is not None and gap > GAP and record.updates and any(one.training and not one.untouched for one in norms):
        yield (
            "info",
            norms[0],
            {"difference of the modes, in deviations": gap, "threshold": GAP},
            "Outputs in training and in evaluation mode differ: the running statistics are not those of this data.",
            "latih.norm.recalibrate(model, loader)",
        )


RULE = Rule("L110", "norm-wrong-mode", judge)
