"""L306 loss-at-start: a network that begins far worse than a constant."""

from __future__ import annotations

import math
from typing import Any

from latih.watch import Record, Values

from .._base import Finding, NotApplicable, Rule, Severity
from .._chain import CONSEQUENCE, raw_inputs
from .._progress import Curve
from .._stuck import far, lost, lowest, wasted

WORTH_SAYING = 3.0
UNKNOWN = 30.0
"""The same for a loss whose floor is not known, in units of that loss or of 1."""
LOGS, SQUARES, DISTANCES = 4.0, 100.0, 10.0
"""Times the best constant output's loss, for log losses, squared errors, and absolute ones."""
_LOG_LOSSES = ("cross_entropy", "nll", "binary_cross_entropy", "bce_with_logits")


def judge(record: Record) -> list[Finding] | NotApplicable:
    """The first loss is many times that of an output which never looks at the inputs.

    A network that knows nothing should say so: log C for C classes, the variance for squared errors. With logits of
    deviation s the expected cross-entropy is log C + s²/2 (log-normal mean), so four times log 10 means s = 3.7: the
    head is too loud. A squared error of 100 times the variance means that output and targets are ten deviations
    apart, and Adam walks such a distance in steps of its rate. Until that is over, gradients say nothing about the
    inputs. A warning needs both: the start, and a loss still a tenth above the constant's after two dozen updates of
    the run (three times it after those of the user's optimizer on one batch), or lost. Above three times at the start,
    which is soon over, is an info.

    Before a run also for losses without a known floor: thirty times, in units of the best constant's loss (at least 1),
    and still so after two dozen of the user's steps on the batch. Silent where that constant is not known.
    """
    baseline, floor = record.loss.baseline, record.loss.floor
    if record.probes is not None:
        start = record.probes.start_loss
    else:
        # the first one only: the second already shows what one update did
        start = next((one for one in record.losses[:1] if one is not None and math.isfinite(one)), None)
    if baseline is not None and floor is None and record.probes is not None:
        return _unknown(record, baseline)
    if baseline is None or floor is None:
        return NotApplicable("the loss of the best constant output is not known")
    if record.probes is None and not Curve.of(record).exact:
        return NotApplicable("the loss has parts of which it is not known what a constant output reaches")
    if start is None or not baseline - floor > 1e-6 * _unit(record):
        return NotApplicable("the first loss or the best constant's is not a number above its minimum")
    kind = record.loss.kind
    # rare classes make the best constant's loss small, and nobody starts by knowing how rare they are
    known = math.log(max(record.loss.class_count or len(record.loss.classes), 2)) if kind in _LOG_LOSSES else 0.0
    times = (start - floor) / max(baseline - floor, known)
    limit = LOGS if kind in _LOG_LOSSES else SQUARES if kind == "mse" else DISTANCES
    if times <= WORTH_SAYING:
        return []
    second = (far(record) or wasted(record) or _gone(record)) if times > limit else None
    severity: Severity = "info" if second is None else "warning"
    evidence = {"first_loss": start, "best_constant": baseline, "times": times, "at_most": limit}
    evidence |= {"loss_after": second["loss"]} if second and "loss" in second else second or {}
    why = f"The first loss is {times:.2g} times that of the best constant output{_distance(record)}."
    advice = (
        "with torch.no_grad():  # a head that starts quiet, at the mean of the targets\n"
        "    head.weight.mul_(0.1); head.bias.copy_(targets.float().mean(0))"
    )
    if kind in _LOG_LOSSES:
        advice = (
            "latih.initialize(model, batch, loss)  # or: with torch.no_grad(): head.weight.mul_(0.1); head.bias.zero_()"
        )
    cures = ("reinitialise", "standardise_targets")
    weight = 0.8 * (CONSEQUENCE if raw_inputs(record) else 1.0)
    head = next((one.name for one in record.layers if one.is_head), "")
    return [Finding("L306", "loss-at-start", severity, head, evidence, why, advice, cures, weight)]


def _unknown(record: Record, baseline: float) -> list[Finding]:
    """A loss without a known floor: told from the best constant that was found for the batch, before a run."""
    start, fit = record.probes.start_loss if record.probes else None, record.probes.fit if record.probes else None
    unit, reached = max(abs(baseline), 1.0), lowest(fit)
    if start is None or not (start - baseline) / unit > UNKNOWN:
        return []
    times = (start - baseline) / unit
    still = reached is None or (reached - baseline) / unit > UNKNOWN
    evidence = {"first_loss": start, "best_constant": baseline, "times": times, "at_most": UNKNOWN}
    evidence |= {"loss_after": reached} if reached is not None else {}
    why = f"The first loss is {start:.3g}, and an output that is the same for all examples reaches {baseline:.3g}."
    advice = (
        "with torch.no_grad():  # a head that starts quiet, at a value that the loss can live with\n"
        "    head.weight.mul_(0.1); head.bias.zero_()"
    )
    severity: Severity = "warning" if still else "info"
    cures = ("reinitialise", "standardise_targets")
    return [Finding("L306", "loss-at-start", severity, "", evidence, why, advice, cures, 0.8)]


def _gone(record: Record) -> dict[str, Any] | None:
    """On a run: the loss is no number any more."""
    return lost(record) if record.probes is None else None


def _unit(record: Record) -> float:
    """The size that losses of this kind have: targets that are all alike leave a constant nothing to lose."""
    targets = record.loss.targets
    if record.loss.kind in _LOG_LOSSES or targets is None:
        return 1.0
    size = max(abs(targets.mean), targets.std, 1e-30)
    return size**2 if record.loss.kind == "mse" else size


def _distance(record: Record) -> str:
    outputs: Values | None = record.loss.outputs
    return f": outputs of mean {outputs.mean:.2g} and deviation {outputs.std:.2g}" if outputs else ""


RULE = Rule("L306", "loss-at-start", judge)
