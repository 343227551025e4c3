from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import pairwise
from statistics import median

from latih import _notation
from latih.diagnose import Finding
from latih.watch import Record

from .._base import Case, Cure, Edit, Training

_USUAL = 1.0
_FAR = 3.0


def clip(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Shortens gradients that are longer than usual, so that no single batch throws the weights far away.

    g ← g·min(1, c/‖g‖) over all parameters together. c is the median norm of the updates that were healthy: finite,
    with a loss before and after them of at most twice that of the start; where there was none, 1. Where that median is
    more than 3, a second variant clips at 1.

    It hurts where every step is cut: the learning rate then no longer means what it says. Nothing where the recipe
    clips already as tightly, or by another rule.

    Source: Pascanu, Mikolov and Bengio (2013), algorithm 1.
    """
    healthy = _healthy(case.findings.record)
    first = float(f"{median(healthy):.2g}") if healthy else _USUAL
    limits = [first, _USUAL] if first > _FAR * _USUAL else [first]
    now = _limit(training.recipe.clip)
    yield from (_clipped(training, limit) for limit in limits if now is not None and limit < now)


def _clipped(training: Training, limit: float) -> Training:
    text = f"gradients clipped to a norm of {limit:g} over all parameters"
    code = f"torch.nn.utils.clip_grad_norm_(model.parameters(), {limit!r})  # between loss.backward() and the step"
    return training.edited(Edit("clip", text, code, {"clip": f"norm({limit!r})"}))


def _limit(text: str) -> float | None:
    """The norm to which a recipe clips: infinite without clipping, None where that cannot be compared."""
    (call,) = _notation.parse("clip", text)[:1]
    if call.name == "norm":
        return float((*call.args, call.kwargs.get("limit", _USUAL))[0])
    return math.inf if call.name == "none" else None


def _healthy(record: Record | None) -> list[float]:
    if record is None or not record.losses or record.losses[0] is None:
        return []
    start, norms = record.losses[0], []
    after = dict(enumerate(pairwise(record.losses)))
    for sample in record.samples:
        norm, (loss, later) = sample.grad_norm, after.get(sample.step, (None, None))
        if norm and math.isfinite(norm) and not sample.non_finite and loss is not None and later is not None:
            norms += [norm] if max(loss, later) <= start + abs(start) else []
    return norms


CURE = Cure("clip", clip)
