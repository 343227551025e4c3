"""L403."""

from __future__ import annotations

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._movement import Movement
from .._progress import ENOUGH, Curve
from .._stuck import unfit
from .._trouble import hardly_learns, learns_well

_CHANCE = 10.0
_PATIENCE = 200
_SAMPLES = 5
_NO_BETTER = 0.005
_RELATED = 1e-3
"""p-value below which targets surely go with inputs."""
_LITTLE = 0.05
"""Share of the constant's loss that may be gone in the last half: noisy targets leave more to learn than it seems."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Weights that stand still, or that have gone a long way without the loss noticing.

    Standing still: at every sampled update there was a gradient and a learning rate, and no weight changed. Both facts
    together cannot be in a training that works, so five samples are enough.

    Else this is the fallback behind every other rule: after 200 updates the loss is what a constant output reaches, it
    has no trend or goes up, surely less than a tenth is gained, and the weights have travelled ten times their own
    length (the sum of |update| / |weight|; nets that leave a plateau late, as on parity, have done so by about six).
    Where an answer in evaluation mode changes with the other examples of its batch and no norm is there to do that,
    examples are mixed; an error unless most is learned all the same.

    Without a known baseline nobody can tell a plateau
    from a floor, so the rule stays silent then. A run that is over needs no such patience: its loss is not below the
    constant's, by the last half's mean and twice its error.
    """
    curve, movement = Curve.of(record), Movement.of(record)
    if record.probes is not None and not record.losses:
        return _unfit(record)
    if record.updates >= _SAMPLES and not record.losses and not _any_gradient(record):
        return [_no_gradient(record)]
    if not record.updates and record.ended and _evaluated_alike(record):
        return [_never_stepped(record)]
    mixed = _suffers(record, curve) if record.mixed else None
    if mixed is not None:
        return [_mixed(mixed)]
    if not len(movement):
        return NotApplicable("no update was sampled")
    if len(movement) >= _SAMPLES and movement.peak == 0 and _wants_to_move(record):
        return [_stands_still(record, movement)]
    if len(curve) < ENOUGH:
        return NotApplicable(f"fewer than {ENOUGH} updates")
    travelled = movement.travelled(record.updates)
    nothing = curve.learns is False or (curve.gain is not None and curve.gain < _LITTLE)
    gain, error = curve.recent
    # at rest, or going up although a constant would already be better
    flat = nothing and (abs(curve.trend) < 2 or (curve.trend >= 2 and gain < -_LITTLE)) and curve.falling < 3
    if record.ended and nothing and curve.exact and max(gain + 2 * error, gain) <= _LITTLE:
        return [_over(record, curve)]
    if not flat or len(curve) < _PATIENCE or travelled < _CHANCE or gain > _LITTLE or gain + 2 * error > 2 * _LITTLE:
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


def _over(record: Record, curve: Curve) -> Finding:
    """Whatever the reason: all that there was to be of this run has learned nothing."""
    return Finding(
        "L403",
        "not-learning",
        "warning",
        "",
        {"gain": curve.gain, "threshold": _LITTLE, "updates": len(curve)},
        f"The run is over, and after {len(curve)} updates the loss is not below what a constant output reaches.",
        "Let latih.check(model, batch, loss) try to fit one batch: a net that can needs other steps, or more.",
        ("raise_lr", "reinitialise", "change_optimizer"),
        0.2,
    )


def _suffers(record: Record, curve: Curve) -> dict | None:
    """Little is learned of a batch, or after four dozen updates less than a run that learns well has learned."""
    if len(curve) < 2 * ENOUGH:
        return hardly_learns(record)
    return None if learns_well(record) else {"gain": curve.gain}


def _mixed(second: dict) -> Finding:
    return Finding(
        "L403",
        "not-learning",
        "error",
        "",
        {"answers change with the other examples": True, **second},
        "An answer changes with the other examples of its batch, though no norm runs over it: examples are mixed.",
        "nn.LSTM(..., batch_first=True)  # or look for a view, transpose or softmax that takes axis 0 for another one",
        (),
        2.4,
    )


def _evaluated_alike(record: Record) -> bool:
    """Results were told twice or more, and each is the first one again."""
    told = [one.values for one in record.evaluations]
    return len(told) > 1 and all(one == told[0] for one in told)


def _never_stepped(record: Record) -> Finding:
    return Finding(
        "L403",
        "not-learning",
        "error",
        "",
        {"updates": 0, "evaluations, all alike": len(record.evaluations)},
        "No update of this model was seen, and every evaluation gave the same: what was trained is not this model.",
        "model.load_state_dict(trained.state_dict())  # or train this model, with an optimizer over its parameters",
        ("register",),
        0.95,
    )


def _unfit(record: Record) -> list[Finding]:
    """Before a run: safe steps on one batch do no better with its inputs than without them."""
    second, related = unfit(record), record.probes.association if record.probes is not None else None
    varied = record.inputs is None or record.inputs.varies > 0.5
    single = len(record.loss.target_shape) < 2 or record.loss.target_shape[1:] == (1,)
    if second is not None and second["loss_fitted"] < (1 - _NO_BETTER) * second["loss_without_inputs"]:
        return []
    if not (single and Curve.of(record).exact) or second is None or related is None or related > _RELATED or not varied:
        return []
    return [
        Finding(
            "L403",
            "not-learning",
            "warning",
            "",
            {**second, "p-value of chance": related, "threshold": _RELATED},
            "Targets go with inputs, and yet one small batch is fitted no better with its inputs than without them.",
            "Look for where the inputs get lost: w.record.samples[0].readings; a mask, a detach, units that are dead.",
            ("reinitialise", "insert_norm"),
            0.3,
        )
    ]


def _any_gradient(record: Record) -> bool:
    return any(one.weight_grad for sample in record.samples for one in sample.readings)


def _no_gradient(record: Record) -> Finding:
    return Finding(
        "L403",
        "not-learning",
        "error",
        "",
        {"updates": record.updates, "losses that were differentiated": 0},
        f"optimizer.step() was called {record.updates} times, and no backward pass has reached the model.",
        "loss = criterion(model(x), y); loss.backward()  # no torch.tensor(loss), .item() or .detach() between",
        ("register",),
        0.95,
    )


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
