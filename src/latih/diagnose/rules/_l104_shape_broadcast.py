"""L104: outputs and targets of different shapes are compared, each with every other."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._trouble import learns_well


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Outputs (n, 1) against targets (n,) make (n, n) differences: every output is pulled to the mean of all targets.

    The sum over j of (o_i - t_j)^2 is smallest for o_i = mean(t), whatever the input is, so nothing but a constant can
    be learned; that is provable from shapes alone. Seen in the loss's own graph: an element-wise step with something
    constant whose result has one of the outputs' axes twice: (n,) became (n, n), or (n, 12, 1) became (n, 12, 12); or
    whose single column became the several ones of the targets. Axes that the caller added on purpose (`unsqueeze`,
    `cdist`), as pairwise losses do, are not counted. An info where the run learns well all the same.
    """
    loss = record.loss
    if not loss.ops and not loss.spread:
        return NotApplicable("the loss was not seen")
    spread = loss.spread
    if not spread:
        return []
    return [
        Finding(
            "L104",
            "shape-broadcast",
            "info" if learns_well(record) else "error",
            "loss",
            {"outputs": loss.output_shape, "targets": loss.target_shape, "compared as": spread},
            f"Outputs {loss.output_shape} are compared as {spread}: every one with several targets, "
            "so the best that can be learned is their mean.",
            "Give both one shape: loss_fn(output.squeeze(-1), target)  # or target.unsqueeze(-1)",
            ("match_loss",),
            weight=3.0,
        )
    ]


RULE = Rule("L104", "shape-broadcast", judge)
