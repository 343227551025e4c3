"""L407."""

from __future__ import annotations

import numpy as np

from latih.watch import Record

from .._base import Finding, NotApplicable, Rule, Severity
from .._progress import Curve, kendall, wavering

_ENOUGH = 5
_LATER = 3
_SURE = 2.0
_LOST = 0.2
_LEARNT, _HELD = 0.9, 0.5
"""Share of the best constant's loss that is gone in training, and at most held out, where nothing was understood."""
_MUCH, _BY_HEART = 0.4, 0.95
"""Share of what validation had won that is lost again, while training knows nearly all and no metric improves."""
_EVER = 0.6
"""The same at its best, where the loss rises and a metric holds."""
_VALUES = ("mse", "mae", "huber", "smooth_l1")
"""Losses that do not rise by growing surer of what is right."""
_LOWER_IS_BETTER = ("loss", "error", "mse", "mae", "rmse", "nll", "perplexity", "cer", "wer", "distance")


def judge(record: Record) -> list[Finding] | NotApplicable:
    """Validation gets worse for good while the training loss goes on falling.

    One evaluation that is worse than the last says nothing, so all after the best count: at least three, with a rising
    trend (Kendall's z > 2, or four in a row), and by their median worse than the best by more than four times the
    scatter of neighbouring evaluations, as the best is better than the first: who has won nothing loses nothing. A
    metric alone only wavers while the validation loss, where it is told, holds. Second signal: the training loss now is
    surely below what it was at the best.

    Also found where it never gets worse because it never was good: in training 95 % of the best constant's loss is gone
    and held out less than half (never more than a quarter, where the loss rises and a metric holds).

    A warning where more than a fifth of what validation had won is lost again, by the metric if one is logged beside
    the loss (the loss of a classifier that gets surer of itself rises while its accuracy still improves); info below.
    Needs validation results: latih.train makes them, `w.log(loss=..., accuracy=...)` tells them in your own loop.
    """
    if record.losses[-1:] == [None]:
        return NotApplicable("the loss is not finite")
    series = _series(record)
    if not series:
        return NotApplicable(f"fewer than {_ENOUGH} validation results: tell them with w.log(loss=...)")
    found: dict[str, tuple[float, dict]] = {}
    curve = Curve.of(record)
    for name, (steps, values) in series.items():
        worse = _worse(steps, values, record, curve.baseline if name == "loss" else None)
        if worse:
            found[name] = worse
    if not found or ("loss" in series and "loss" not in found):
        return _by_heart(record, curve, series, 1.0)  # where the validation loss holds, a metric only wavers
    metrics = [name for name in series if name != "loss"]
    name = next((one for one in found if one != "loss"), next(iter(found)))
    lost, evidence = found[name]
    decisive = name != "loss" or not metrics or record.loss.kind in _VALUES
    decisive = decisive or (
        lost > _MUCH and (curve.gain or 0.0) > _BY_HEART and not _improves(record, metrics, evidence)
    )
    severity: Severity = "warning" if decisive and lost > _LOST else "info"
    if severity == "info" and (by_heart := _by_heart(record, curve, series, _EVER)):
        return by_heart
    return [
        Finding(
            "L407",
            "overfitting",
            severity,
            f"update {evidence['best at update']}",
            {"metric": name, **evidence, "threshold": _LOST},
            f"Validation {name} was best at update {evidence['best at update']} and has lost {lost:.0%} "
            "of its gain since, while the training loss goes on falling.",
            "Keep the best weights and stop there; or weight_decay=0.05 with AdamW, Dropout(0.3), more data.",
            ("weight_decay", "early_stop"),
            0.7,
        )
    ]


def _improves(record: Record, metrics: list[str], evidence: dict) -> bool:
    """Whether a metric is better lately than it was around the loss's best."""
    series = _series(record)
    for name in metrics:
        steps, values = series[name]
        place = min(range(len(steps)), key=lambda one: abs(steps[one] - evidence["best at update"]))
        then = float(np.median(values[max(place - 1, 0) : place + 2]))
        if float(np.median(values[-_LATER:])) < then - _resolution(values, then):
            return True
    return False


def _by_heart(
    record: Record, curve: Curve, series: dict[str, tuple[list[int], np.ndarray]], most: float
) -> list[Finding]:
    """Of the best constant's loss nearly all is gone in training, and more than half is left on held-out data.

    `most`: what may have been gone on held-out data at its best. A classifier that grows too sure loses in its loss
    what it had understood.
    """
    told = series.get("loss")
    if told is None or curve.gain is None or not curve.exact or curve.gain < _LEARNT or len(told[1]) < _ENOUGH:
        return []
    held = max(curve.gain_at(float(one)) or 0.0 for one in told[1][-_LATER:])
    smooth = [float(np.median(told[1][max(place - 1, 0) : place + 2])) for place in range(len(told[1]))]
    ever = curve.gain_at(min(smooth)) or 0.0
    if held > _HELD or ever > most:
        return []
    return [
        Finding(
            "L407",
            "overfitting",
            "warning",
            "",
            {
                "gain in training": curve.gain,
                "threshold of that": _LEARNT,
                "gain held out": held,
                "at its best": ever,
                "threshold": _HELD,
            },
            f"In training {curve.gain:.0%} of the best constant's loss is gone, on held-out data {max(held, 0.0):.0%}: "
            "the examples were learned by heart.",
            "More data or augmentation; a smaller network, weight_decay=0.05 with AdamW, Dropout(0.3).",
            ("weight_decay", "early_stop"),
            0.7,
        )
    ]


def _series(record: Record) -> dict[str, tuple[list[int], np.ndarray]]:
    """Metric -> steps and values, turned so that lower is better."""
    found: dict[str, tuple[list[int], list[float]]] = {}
    for one in record.evaluations:
        if one.part == "valid":
            for name, value in one.values.items():
                if value is not None and np.isfinite(value):  # a file holds null for what was not finite
                    steps, values = found.setdefault(name, ([], []))
                    steps.append(one.step)
                    values.append(value if any(word in name.lower() for word in _LOWER_IS_BETTER) else -value)
    return {name: (steps, np.array(values)) for name, (steps, values) in found.items() if len(values) >= _ENOUGH}


def _worse(steps: list[int], values: np.ndarray, record: Record, baseline: float | None) -> tuple[float, dict] | None:
    # a single lucky evaluation is no turning point: the best of three neighbours' medians is
    smooth = np.array([np.median(values[max(place - 1, 0) : place + 2]) for place in range(len(values))])
    best = int(smooth.argmin())
    later = values[best + 1 :]
    if len(later) < _LATER:
        return None
    scatter = wavering(values)
    now = float(np.median(later[-3:]))
    rise, won = now - float(smooth[best]), max(float(values[0]), baseline or -np.inf) - float(smooth[best])
    rising = kendall(values[best:]) > _SURE or (len(later) <= 4 and bool((np.diff(values[best:]) > 0).all()))
    least = max(4 * scatter, _resolution(values, now))
    if rise <= least or won <= 4 * scatter or not rising or not _still_falls(record, steps[best]):
        return None
    lost = rise / max(won, 1e-12 + 0.1 * abs(float(smooth[best])))
    return lost, {
        "best": abs(float(smooth[best])),
        "now": abs(now),
        "best at update": steps[best],
        "lost": round(lost, 3),
    }


def _resolution(values: np.ndarray, level: float) -> float:
    """Two standard errors of a share of few examples: the smallest step of an accuracy tells how many there are."""
    if np.abs(values).max() > 1 or level > 0:
        return 0.0
    steps = np.abs(np.diff(np.unique(np.round(values, 9))))
    grain = float(steps.min()) if len(steps) else 0.0
    whole = np.abs(values / grain - np.round(values / grain)) if grain > 1e-4 else np.ones(1)
    return 2 * float(np.sqrt(-level * (1 + level) * grain)) if whole.max() < 1e-3 else 0.0


def _still_falls(record: Record, step: int) -> bool:
    """Training losses now against those before `step`, as many on either side."""
    curve = Curve.of(record)
    if not len(curve):
        return False
    width = max(min(step, len(curve) - step, len(curve) // 6), 1)
    then, now = np.array(curve.losses[max(step - width, 0) : step]), np.array(curve.losses[-width:])
    if not len(then):
        return False
    error = np.hypot(then.std() / np.sqrt(len(then)), now.std() / np.sqrt(len(now)))
    return bool(then.mean() - now.mean() > 2 * error)


RULE = Rule("L407", "overfitting", judge)
