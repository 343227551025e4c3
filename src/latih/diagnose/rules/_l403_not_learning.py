"""L403."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve

_CHANCE = 5.0
_PATIENCE = 200
_SAMPLES = 5
_LITTLE = 0.03
"""Share of the constant's loss that may be gone in the last half: noisy targets leave more to learn than it seems."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Weights that stand still, or that have gone a long way without the loss noticing.

    Standing still: at every sampled update there was a gradient and a learning rate, and no weight changed. Both facts
    together cannot be in a training that works, so five samples are enough.

    Else this is the fallback behind every other rule: after 200 updates the loss is what a constant output reaches, it
    has no trend, and the weights have travelled five times their own length (the sum of |update| / |weight|; nets that
    leave a plateau late, as on parity, have done so by about two). Without a known baseline nobody can tell a plateau
    from a floor, so the rule stays silent then.
    """
    curve, movement = Curve.of(record), Movement.of(record)
    if not len(movement):
        return NotApplicable("no update was sampled")
    if len(movement) >= _SAMPLES and movement.peak == 0 and _wants_to_move(record):
        return [_stands_still(record, movement)]
    if len(curve) < ENOUGH:
        return NotApplicable(f"fewer than {ENOUGH} updates")
    travelled = movement.travelled(record.updates)
    flat = curve.learns is False and abs(curve.trend) < 2 and curve.falling < 3
    little = curve.gain_at(float(curve.blocks[len(curve.blocks) // 2 :].mean()))
    if not flat or len(curve) < _PATIENCE or travelled < _CHANCE or (little or 0.0) > _LITTLE:
        return []
    return [
        Finding(
            "L403",
            "not-learning",
            "warning",
            "",
            {
                "gain": curve.gain,
                "path of the weights": round(travelled, 2),
                "threshold": _CHANCE,
                "updates": len(curve),
            },
            f"After {len(curve)} updates the loss is still what a constant output reaches, and it does not move.",
            "Let latih.check(model, batch, loss) try to fit one batch: a net that can do that has a fault in its data.",
            ("reinitialise", "change_optimizer"),
            0.3,
        )
    ]


def _wants_to_move(record: Record) -> bool:
    gradients = [one.weight_grad for sample in record.samples for one in sample.readings if one.weight_grad is not None]
    some = sum(gradient > 0 for gradient in gradients)
    return bool(gradients) and some > len(gradients) / 2 and any(rate > 0 for _, rate in record.rates)


def _stands_still(record: Record, movement: Movement) -> Finding:
    return Finding(
        "L403",
        "not-learning",
        "error",
        "",
        {"largest |update|/|weight|": 0.0, "samples": len(movement), "threshold": 0.0, "updates": record.updates},
        "Gradients are there after backward(), but no optimizer step has changed a single weight.",
        "optimizer.zero_grad(); loss.backward(); optimizer.step()  # in this order, with this model's parameters",
        ("zero_grad", "register"),
        0.95,
    )


RULE = Rule("L403", "not-learning", judge)
