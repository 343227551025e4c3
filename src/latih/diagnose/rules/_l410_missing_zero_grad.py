"""L410."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._progress import Curve
from .._suspects import stale_share

_MOST = 0.8
_UPDATES = 5
_LEFT = 0.3


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Gradients of earlier updates are still there when the next backward pass adds to them.

    Two facts of the loop, no symptom of the curve: in at least 80 % of five or more updates the first backward pass
    found the gradient that the update before had stepped along, and at the sampled ones its norm was more than 0.3 of
    the norm after the pass (it would be 0 after `zero_grad`; a sum of n gradients of like direction has (n-1)/n).
    Where only a part of the weights is cleared, the norms alone tell, at 80 % of five samples or more.
    Parameters that the optimizer does not hold keep their gradients anyway, so the rule is silent where there are some.
    Accumulation adds within one update and clears after its step, so it is not this. Wrong by construction, so it is a
    warning also where the loss still falls; an error where it does not.
    """
    if record.updates < _UPDATES:
        return NotApplicable(f"fewer than {_UPDATES} updates")
    whole = [sample for sample in record.samples if sample.step > 0 and sample.grad_norm is not None]
    left = [sample.stale_gradient or 0.0 for sample in whole]  # None: there was no gradient
    if not left:
        return NotApplicable("no backward pass was sampled")
    typical = sorted(left)[len(left) // 2]
    share = min(stale_share(record), 1.0)
    partly = len(left) >= _UPDATES and sum(one >= _LEFT for one in left) >= _MOST * len(left)
    if (share < _MOST and not partly) or typical < _LEFT:
        return []
    if any(one.optimised is False and one.trainable and one.reached is not False for one in record.parameters):
        return NotApplicable("some parameters are not the optimizer's, so nobody clears their gradients")
    curve = Curve.of(record)
    return [
        Finding(
            "L410",
            "missing-zero-grad",
            "warning" if len(curve) and curve.learns else "error",
            "",
            {"share of updates": round(share, 3), "threshold": _MOST, "old gradient / new": round(typical, 3)},
            f"In {share:.0%} of the updates backward() added to the gradient of the update before."
            if share >= _MOST
            else "Some of the weights are never cleared: backward() adds to their gradients of the updates before.",
            "optimizer.zero_grad()  # in every update, before loss.backward()",
            ("zero_grad",),
            1.0,
        )
    ]


RULE = Rule("L410", "missing-zero-grad", judge)
