"""Sentences on what an initialisation left alone or could not do."""

from __future__ import annotations

import math

from latih.tape import Tape

from ._plan import Plan


def refusals(plans: list[Plan]) -> list[str]:
    """The layers left alone, by reason."""
    reasons: dict[str, list[str]] = {}
    for plan in plans:
        if plan.initializer is None:
            reasons.setdefault(plan.why, []).append(plan.label)
    forced = ("frozen", "the model looks trained")
    return [
        f"Left alone: {_listed(labels)}: {why}" + ("; force=True changes it." if why.startswith(forced) else ".")
        for why, labels in reasons.items()
    ]


def outside_layers(tape: Tape, names: dict[int, str], settled: set[int]) -> list[str]:
    """Parameters that belong to no layer: class tokens, positions, slopes, and what the loss never reaches."""
    layers = {id(parameter) for layer in tape.layers for parameter in (layer.weight, layer.bias)}
    rest = [name for key, name in names.items() if key not in settled | layers]
    lost = [name for name in rest if name in tape.unreached]
    other = [name for name in rest if name not in tape.unreached]
    return [f"Not in any layer, left as they were: {_listed(other)}."] * bool(other) + [
        f"Never reached by this batch, left as they were: {_listed(lost)}."
    ] * bool(lost)


def gradients(plans: list[Plan]) -> list[str]:
    """The layers at which keeping the signal changes the gradient by more than a factor 2."""
    odd: dict[float, list[str]] = {}
    for plan in plans:
        if not (0.5 <= plan.backward <= 2.0 and math.isfinite(plan.backward)):
            odd.setdefault(round(plan.backward, 2), []).append(plan.label)
    return [
        f"At {_listed(labels)} the gradient's variance changes by a factor {factor:g} each, which no scale of the "
        "weights can mend; put a norm after the layer or change the activation."
        for factor, labels in odd.items()
    ]


def _listed(names: list[str], most: int = 6) -> str:
    return ", ".join(names[:most]) + (f" and {len(names) - most} more" if len(names) > most else "")
