"""L207: nothing but chance connects targets with inputs."""

from __future__ import annotations

import math

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule
from .._progress import Curve

CHANCE = 0.05
"""p-value from which the pairs look like chance."""
_CHANCE_ALONE = 0.2
"""The same before a run, which would be the second signal."""
FEWEST = 96
"""Examples below which a weak relation may hide."""
RARE = 0.2
"""Share of the examples that are not of the most common class; fewer say too little about the others."""
_FEW = 16
"""Columns up to which neighbours are near enough to tell by themselves: in more, all examples are far apart."""
_PATIENCE, _LONG = 96, 192
"""Updates; in many columns where distances say little a plateau may come before anything is found."""
_NOTHING = 0.02
"""Share of the constant's loss that is gone on validation data where something was understood."""
_ALL_DIFFERENT = 8
"""Examples of a batch that hold as many classes only where these are positions."""
LEARNT = 0.3
"""Share of the best constant's loss beyond which the network has found what the test has not."""


def judge(record: Record) -> list[Finding] | NotApplicable:
    """If targets were drawn without regard to inputs, no network can do better on new data than a constant.

    Symptom, asked of the data alone: neither do close inputs have close targets (five nearest neighbours), nor do
    distances between inputs go with those between targets (distance covariance, Székely et al., 2007), compared with
    permuted targets; p >= 0.05 on 96 examples or more. Second signal: after 96 updates (192 for inputs of more than 16
    columns, unless the run ends) the loss is not below what the best constant output costs, by more than what learning
    by heart explains. What learns in training must not do so on validation data, or nothing is said until they are
    told. Before a run: p >= 0.2 instead, and an info for inputs of more than 16 columns. Inputs that are all alike are
    another matter, and so are targets that are sequences, images, or positions in the batch (a class for every
    example).
    """
    loss, inputs = record.loss, record.inputs
    chance, size = loss.association, loss.association_size
    if record.probes is not None and record.probes.association is not None:
        chance, size = record.probes.association, record.probes.association_size
    if chance is None or size < FEWEST:
        return NotApplicable("too few pairs of inputs and targets were seen")
    if len(loss.target_shape) > 2 or (inputs is not None and (inputs.varies < 0.5 or not inputs.feature_stds)):
        return NotApplicable("inputs are alike, or targets are no single answers")
    if _rare(loss.classes) < RARE:
        return NotApplicable("nearly all examples are of one class")
    if inputs is not None and _names(record) and (len(inputs.shape) < 2 or not record.losses):
        return NotApplicable("neighbours say little of tokens: only a run can tell")
    if loss.targets is not None and loss.targets.std == 0:
        return NotApplicable("all targets are the same")
    if _positions(record):
        return NotApplicable("targets are positions in the batch")
    if (
        chance < (CHANCE if record.losses else _CHANCE_ALONE)
        or len(loss.classes) == 1
        or 2 * len(loss.classes) > sum(loss.classes.values())
    ):
        return []
    second = _second(record)
    if second is None:
        return []
    return [
        Finding(
            "L207",
            "labels-unrelated",
            "warning" if record.losses or _columns(record) <= _FEW else "info",
            "targets",
            {"p-value of chance": chance, "threshold": CHANCE, "examples": size} | second,
            f"On {size} examples the targets go with the inputs no better than permuted ones do.",
            "Look at some pairs: for i in range(5): print(x[i], y[i])  # were both sorted, shuffled or cut alike?",
            ("check_data",),
            weight=1.5,
        )
    ]


def _columns(record: Record) -> int:
    return math.prod(record.inputs.shape[1:]) if record.inputs is not None else 0


def _names(record: Record) -> bool:
    return record.inputs is not None and not record.inputs.dtype.startswith(("float", "bfloat"))


def _positions(record: Record) -> bool:
    """Every batch holds every class once, as where the parts of a pair must find each other."""
    batches = [one for one in record.loss.batches if len(one.classes) > 1]
    different = all(max(one.classes.values()) == 1 for one in batches)
    return different and max((one.size for one in batches), default=0) >= _ALL_DIFFERENT


def _rare(classes: dict[int, int]) -> float:
    return 1 - max(classes.values()) / sum(classes.values()) if len(classes) > 1 else 1.0


def _second(record: Record) -> dict[str, float | None] | None:
    if record.losses:
        curve = Curve.of(record)
        gain = curve.gain
        if gain is None or curve.learns is None or gain > LEARNT:
            return None
        held = _held_out(record, curve)
        patience = _PATIENCE if _columns(record) <= _FEW or record.ended else _LONG
        if len(curve) < patience or (curve.learns if held is None else held > _NOTHING):
            return None
        if _names(record) and curve.learns:
            return None
        return {"gain over the best constant": gain, "threshold of the gain": LEARNT}
    probes = record.probes
    if probes is None:
        return None
    return {"no run was watched": None}


def _held_out(record: Record, curve: Curve) -> float | None:
    """Share of the constant's loss that was ever gone on validation data; None where nobody told."""
    told = [one.values.get("loss") for one in record.evaluations if one.part == "valid"]
    gains = [gain for loss in told if loss is not None and (gain := curve.gain_at(loss)) is not None]
    return max(gains, default=None)


RULE = Rule("L207", "labels-unrelated", judge)
