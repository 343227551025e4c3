"""L203: NaN or infinity in the data."""

from __future__ import annotations

import math

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule


def judge(record: Record) -> list[Finding] | NotApplicable:
    """One NaN in a batch makes the loss NaN, its gradient NaN, and with one update every weight.

    Symptom: values of inputs or targets that are not finite, in the batches that were measured or in the one at which
    the loss was lost. Second signal: a loss, or a gradient, that is not finite. Networks that mask missing values, and
    losses that skip them, keep both finite: an info.
    """
    if record.inputs is None and record.loss.targets is None and record.origin is None:
        return NotApplicable("no data were seen")
    where, share = "", 0.0
    if record.inputs is not None and record.inputs.non_finite > 0:
        where, share = "inputs", record.inputs.non_finite
    if record.loss.targets is not None and record.loss.targets.non_finite > 0:
        where, share = ("inputs and targets" if where else "targets"), max(share, record.loss.targets.non_finite)
    origin = record.origin
    at_origin = ""
    if origin is not None and origin.op == "input":
        at_origin = "inputs"
    elif origin is not None and "targets are not finite" in origin.what:
        at_origin = "targets"
    if not where and not at_origin:
        return []
    start = record.probes.start_loss if record.probes is not None else None
    lost = origin is not None or any(loss is None for loss in record.losses)
    lost = lost or (record.probes is not None and not record.losses and (start is None or not math.isfinite(start)))
    evidence = {"where": where or at_origin, "share of values": share, "threshold": 0.0}
    if origin is not None:
        evidence |= {"update": origin.step, "seen there": origin.what}
    return [
        Finding(
            "L203",
            "non-finite-data",
            "error" if lost else "info",
            where or at_origin,
            evidence,
            f"There are values in the {where or at_origin} that are not finite"
            + (", and the loss is lost with them." if lost else "; the loss stays finite."),
            "assert torch.isfinite(x).all()  # fill or drop them: x = torch.nan_to_num(x, nan=0.0) after standardising",
            ("clean_data",),
            weight=4.0,
        )
    ]


RULE = Rule("L203", "non-finite-data", judge)
