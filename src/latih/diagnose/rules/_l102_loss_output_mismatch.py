"""L102: the network's last function and the loss do not fit."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from latih.watch import Layer, Loss, Record

from .._base import Finding, NotApplicable, Rule
from .._trouble import learns_well, trouble

RANGES = {
    "sigmoid": (0.0, 1.0),
    "hardsigmoid": (0.0, 1.0),
    "softmax": (0.0, 1.0),
    "tanh": (-1.0, 1.0),
    "hardtanh": (-1.0, 1.0),
    "softsign": (-1.0, 1.0),
    "relu": (0.0, math.inf),
    "relu6": (0.0, 6.0),
    "softplus": (0.0, math.inf),
    "log_softmax": (-math.inf, 0.0),
    "logsigmoid": (-math.inf, 0.0),
    "elu": (-1.0, math.inf),
    "silu": (-0.2785, math.inf),
    "gelu": (-0.17, math.inf),
}
"""Function at the end -> what it can put out."""
BEYOND = 0.5
"""Standard deviations of the targets by which they must lie out of reach."""
_VALUES = frozenset(("mse", "mae", "huber", "smooth_l1"))
_EXACTLY = 1e-3
"""How far the sums of a softmax are from 1 if nothing, such as a mean over places, comes behind it."""
_APART = 0.02
"""How far sums of probabilities may be from 1."""
_ONCE_MORE = {
    # loss -> functions that it applies itself
    "cross_entropy": {"softmax": "softmax", "sigmoid": "softmax", "tanh": "softmax", "hardsigmoid": "softmax"},
    "bce_with_logits": dict.fromkeys(("sigmoid", "hardsigmoid", "softmax", "tanh", "softsign"), "sigmoid"),
}


def judge(record: Record) -> list[Finding] | NotApplicable:
    """What the network's last function can put out decides which loss can be made small.

    - Cross-entropy takes the softmax itself. Of outputs within [a, a + w] and C classes it never gets below
      log(1 + (C - 1) exp(-w)): 1.46 for probabilities (w = 1) of ten classes, where 0 should be. The same for
      `bce_with_logits` behind a sigmoid or tanh (floor log(1 + exp(-max))), and logits that a relu keeps from being
      negative.
    - `nll_loss` takes log-probabilities: exponentials of an example's outputs that do not sum to 1 show logits, or a
      softmax over the wrong axis. `kl_div` wants them too: outputs of 0 and more that sum to 1 are probabilities.
    - A softmax makes an example's outputs sum to 1: over a single unit it is constant, and yes/no questions whose
      answers sum to something else cannot be answered.
    - Targets beyond the last function's range, by more than half their deviation, are out of reach of any weights.

    Two facts, the function on the tape and the outputs' measured range (or sums), must agree; then the floor is
    provable, and a warning needs no curve. Applying log_softmax twice changes nothing and is an info.
    """
    loss = record.loss
    heads = [layer for layer in record.layers if layer.is_head]
    if not record.layers or (loss.kind == "unknown" and loss.targets is None):
        return NotApplicable("the loss, or the end of the network, was not seen")
    ends = {layer.activation for layer in heads} - {"unknown"}
    found = next(_mismatches(record, loss, heads[-1] if len(ends) == 1 else None), None)
    if found is None:
        return []
    evidence, why, advice, severity = found
    if severity == "warning" and learns_well(record):
        severity = "info"
    evidence |= trouble(record) or {}
    where = heads[-1].name if heads else ""
    return [Finding("L102", "loss-output-mismatch", severity, where, evidence, why, advice, ("match_loss",), 2.0)]


def _mismatches(record: Record, loss: Loss, head: Layer | None) -> Iterator[tuple[dict[str, Any], str, str, Any]]:
    end = head.activation if head is not None else "unknown"
    outputs = loss.outputs
    low, high = RANGES.get(end, (-math.inf, math.inf))
    slack = 1e-4
    seen = outputs is not None and outputs.low >= low - slack and outputs.high <= high + slack
    doubled = _ONCE_MORE.get(loss.kind, {}).get(end)
    if doubled and seen:
        floor = _floor(loss, end, low, high)
        yield (
            {"end of the network": end, "loss": loss.kind, "outputs": [low, high], "lowest loss in reach": floor},
            f"{loss.kind} applies its own {doubled} to outputs that a {end} keeps within [{low:g}, {high:g}], so the "
            f"loss cannot get below about {floor:.2f}.",
            f"Return what the last layer puts out, without the {end}; {loss.kind} wants raw scores.",
            "warning",
        )
    if loss.kind == "bce_with_logits" and end in ("relu", "relu6", "softplus") and seen:
        yield (
            {"end of the network": end, "loss": loss.kind, "lowest output": outputs.low if outputs else None},
            f'A {end} keeps every score at or above 0, so no answer can be surer of "no" than one half.',
            f"Remove the {end} after the last layer.",
            "warning",
        )
    if loss.kind == "nll" and "log_softmax" not in loss.ops and loss.row_sums is not None:
        smallest, largest = loss.row_sums
        if abs(smallest - 1) > _APART or abs(largest - 1) > _APART:
            yield (
                {"end of the network": end, "sums of exp(output)": [smallest, largest], "must be": 1.0},
                "nll_loss wants log-probabilities, but the exponentials of an example's outputs do not sum to 1"
                + (": the log_softmax runs over another axis." if end == "log_softmax" else ", so it has no floor."),
                "loss = torch.nn.functional.cross_entropy(scores, target)  # or log_softmax(scores, dim=1) before nll",
                "error",
            )
    shares = outputs is not None and outputs.low >= 0 and loss.row_sums is not None
    if loss.kind == "kl_div" and shares and max(abs(one - 1) for one in loss.row_sums or ()) < _APART:
        yield (
            {"end of the network": end, "lowest output": outputs.low if outputs else None, "sums of outputs": 1.0},
            "kl_div wants log-probabilities and is given probabilities: it rewards all for the likeliest answer.",
            "return scores.log_softmax(1)  # instead of softmax, in front of kl_div",
            "error",
        )
    if end == "softmax" and head is not None and loss.output_shape[1:2] == (1,):
        yield (
            {"end of the network": end, "outputs an example": 1},
            "A softmax over one unit is always 1, whatever the weights are.",
            "Use a sigmoid for one unit: return torch.sigmoid(score)",
            "error",
        )
    last = loss.row_sums is None or max(abs(one - 1) for one in loss.row_sums) < _EXACTLY
    if end == "softmax" and loss.kind in ("binary_cross_entropy", *_VALUES) and loss.target_sums and seen and last:
        smallest, largest = loss.target_sums
        if max(abs(smallest - 1), abs(largest - 1)) > 0.5:
            yield (
                {"sums of an example's targets": [smallest, largest], "sums of its outputs": loss.row_sums},
                "A softmax makes the outputs of an example sum to 1, but its targets do not.",
                "Use a sigmoid for answers that do not exclude each other: return torch.sigmoid(scores)",
                "warning",
            )
    yield from _out_of_reach(loss, end, low, high, seen)
    if end == "log_softmax" and loss.kind == "cross_entropy":
        yield (
            {"end of the network": end, "loss": loss.kind},
            "log_softmax is applied twice; the second time changes nothing.",
            "Leave one of them out: nll_loss for log-probabilities, cross_entropy for scores.",
            "info",
        )


def _out_of_reach(loss: Loss, end: str, low: float, high: float, seen: bool) -> Iterator[Any]:
    targets = loss.targets
    if targets is None or loss.kind not in _VALUES or end not in RANGES or not seen or targets.std <= 0:
        return
    beyond = max(low - targets.low, targets.high - high) / targets.std
    if beyond > BEYOND:
        yield (
            {"end": end, "in reach": [low, high], "targets": [targets.low, targets.high], "deviations beyond": beyond}
            | {"threshold": BEYOND},
            f"The {end} at the end puts out values within [{low:g}, {high:g}], and targets run from "
            f"{targets.low:.3g} to {targets.high:.3g}: no weights reach them.",
            f"Remove the {end} after the last layer, or scale the targets into its range.",
            "warning",
        )


def _floor(loss: Loss, end: str, low: float, high: float) -> float:
    if loss.kind == "bce_with_logits":
        yes = min(max(loss.targets.mean, 0.0), 1.0) if loss.targets is not None else 0.5
        return yes * math.log1p(math.exp(-high)) + (1 - yes) * math.log1p(math.exp(low))
    classes = loss.class_count or 2
    return math.log1p((classes - 1) * math.exp(low - high))


RULE = Rule("L102", "loss-output-mismatch", judge)
