"""L405."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._progress import ENOUGH, Curve
from .._suspects import suspect

_LAST = 3


def judge(record: Record) -> list[Finding] | NotApplicable:
    """A loss that is not finite, or has left for good.

    Not finite: the last three losses are NaN or infinite (one alone may be a step that a gradient scaler leaves out).
    Where the first one came from is told, if it was found. Left for good: every block of the last quarter is far above
    both the start and the constant output's loss: three times for class losses, which are bounded in practice, thirty
    times for all others, whose scale may drift on purpose (two players, moving targets).

    A loss that was not finite from the first update on, or because of the batch itself, or where data or gradients are
    out of scale, leaves the first place to the rules about those.
    """
    if not record.losses:
        return NotApplicable("no losses")
    if len(record.losses) >= _LAST and all(loss is None for loss in record.losses[-_LAST:]):
        return [_not_finite(record)]
    curve = Curve.of(record)
    if len(curve) < ENOUGH:
        return NotApplicable(f"fewer than {ENOUGH} updates")
    if not curve.blown_up:
        return []
    return [
        _finding(
            "",
            {"level": curve.level, "start": curve.start, "baseline": curve.baseline, "threshold": curve.ceiling},
            f"The loss began at {curve.start:.3g}, is at {curve.level:.3g} and does not come back.",
            0.5 if suspect(record) else 0.6,
        )
    ]


def _not_finite(record: Record) -> Finding:
    first = 1 + max((place for place, loss in enumerate(record.losses) if loss is not None), default=-1)
    origin = record.origin
    evidence = {"updates with a finite loss": first, "last": record.losses[first - 1] if first else None}
    where, cause = f"update {first}", ""
    if origin is not None:
        evidence |= {"layer": origin.layer, "op": origin.op, "seen": origin.what}
        where, cause = origin.layer or where, f"; it began in {origin.op} ({origin.what})"
    by_data = first == 0 or (origin is not None and origin.op == "input")
    return _finding(
        where,
        evidence,
        f"The loss is not finite since update {first}{cause}.",
        0.4 if by_data else 0.5 if suspect(record) else 0.8,
    )


def _finding(where: str, evidence: dict, why: str, weight: float) -> Finding:
    advice = "Lower the learning rate and clip: torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)"
    if "op" in evidence and not str(evidence["op"]).startswith("update"):
        advice = f"Keep {evidence['op']} away from what it cannot take (clamp(min=1e-6), a loss on logits), or clip."
    return Finding(
        "L405", "diverged", "error", where, evidence, why, advice, ("lower_lr", "clip", "match_loss"), weight
    )


RULE = Rule("L405", "diverged", judge)
