"""L404."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve, swings
from .._suspects import suspect


def judge(record: Record) -> list[Finding] | NotApplicable:
    """A loss that swings by more than its batches differ, and loses again what it had learned.

    Batch noise shows in the first updates, before anything has been learned: the scatter of single losses there. An
    optimizer that overshoots adds its own: the scatter of the last half (standard deviation around the blocks' means)
    is more than three times as large, or the blocks' means rise by more than four standard errors twice or more and
    come down between. Second signal: the level has risen from its best by more than half of what had been gained, or is
    above the constant output's. Steps beyond 2 / curvature swing (Cauchy's bound for gradient descent); momentum makes
    the swings long. Silent below 96 updates, in runs that learn, and where the loss is not finite any more.
    """
    curve = Curve.of(record)
    if len(curve) < 4 * ENOUGH:
        return NotApplicable(f"fewer than {4 * ENOUGH} updates")
    if record.losses[-1] is None or not swings(curve):
        return []
    movement = Movement.of(record)
    cause = suspect(record)
    settings = record.optimizer
    momentum = settings is not None and settings.momentum > 0.95
    return [
        Finding(
            "L404",
            "oscillating-loss",
            "warning",
            "",
            {
                "scatter now": curve.scatter,
                "scatter at the start": curve.first_scatter,
                "threshold": 3 * curve.first_scatter,
                "best": curve.best,
                "level": curve.level,
                "rises": curve.rises,
                "|update|/|weight|": movement.now,
                **({"but": cause} if cause else {}),
            },
            f"The loss swings: it has been at {curve.best:.3g} and is at {curve.level:.3g} again.",
            (f"Lower the momentum ({settings.momentum:g} -> 0.9) or" if momentum and settings else "Divide")
            + " the learning rate by ten, or take larger batches; clip.norm(1.0) cuts the worst.",
            ("lower_lr", "batch_size", "clip"),
            0.4 if cause else 0.7,
        )
    ]


RULE = Rule("L404", "oscillating-loss", judge)
