"""A healing in words: what was found, changed and proven; on 80 columns."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from latih._plot import sparkline

if TYPE_CHECKING:
    from ._healing import Healing, Tried

_WIDTH = 80
_LAYERS = 12
_BAR = 20


def text(healing: Healing) -> str:
    """Everything, the verdict first."""
    parts = [_verdict(healing), _found(healing)]
    if healing.edits:
        parts += [_changed(healing), _curves(healing), _profile(healing), _code(healing)]
    if len(healing.trials) > 1:
        parts.append(_tried(healing))
    if not healing.after.healthy:
        parts.append(_left(healing))
    parts.append(_cost(healing))
    return "\n\n".join(part for part in parts if part)


def as_plain(healing: Healing) -> dict[str, Any]:
    """Plain data: no tensors, nothing that is not in JSON."""
    return {
        "verdict": healing.verdict,
        "findings": healing.findings.to_dict(),
        "after": healing.after.to_dict(),
        "edits": [
            {"cure": one.cure, "text": one.text, "code": one.code, "recipe": one.recipe} for one in healing.edits
        ],
        "recipe": {one.name: getattr(healing.recipe, one.name) for one in fields(healing.recipe)},
        "trials": [_finite(asdict(one)) for one in healing.trials],
        "cost": healing.cost,
        "notes": list(healing.notes),
    }


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(one) for key, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return value


def _verdict(healing: Healing) -> str:
    if healing.verdict == "healthy":
        return "healthy: nothing was found, and nothing was changed."
    chosen = healing.chosen
    if chosen is None:
        return "not healed: nothing that was tried is surely better than the training as it is; nothing was changed."
    count = len(healing.edits)
    lines = f"healed: {count} change{'s' if count > 1 else ''}, after {chosen.updates} updates on held-out data "
    lines += _better(chosen) + "."
    return textwrap.fill(lines, _WIDTH)


def _better(one: Tried) -> str:
    if one.better_by is None or one.errors is None:
        return "not compared"
    if not math.isfinite(one.better_by):
        return "better than a training that fails"
    errors = f"{one.errors:.1f}" if math.isfinite(one.errors) else "very many"
    said = f"{one.better_by:+.3f} ({errors} standard errors) in units of what a constant output leaves"
    return said + (f", metric {one.metric_by:+.3f}" if one.metric_by is not None else "")


def _found(healing: Healing) -> str:
    rows = [f"{one.severity} {one.code} {one.name}{_at(one.where)}: {one.why}" for one in _grave(healing.findings)]
    return "found\n" + _listed(rows) if rows else ""


def _left(healing: Healing) -> str:
    rows = [f"{one.code} {one.name}{_at(one.where)}. Try: {one.advice}" for one in _grave(healing.after)]
    return ("still there\n" if healing.edits else "to do by hand\n") + _listed(rows)


def _grave(findings: Any) -> list[Any]:
    return [one for one in findings if one.severity != "info"]


def _at(where: str) -> str:
    return f" at {where}" if where else ""


def _changed(healing: Healing) -> str:
    return "changed\n" + _listed([edit.text for edit in healing.edits])


def _curves(healing: Healing) -> str:
    chosen = healing.chosen
    assert chosen is not None
    rows = [("as it was", healing.control), ("cured", chosen)]
    lines = [f"  {name:<10} {_ends(one.losses):<22} {sparkline(one.losses, 44)}" for name, one in rows]
    return "training loss, update by update\n" + "\n".join(lines)


def _ends(losses: Sequence[float]) -> str:
    return f"{losses[0]:.3g} -> {losses[-1]:.3g}" if losses else "none"


def _profile(healing: Healing) -> str:
    chosen = healing.chosen
    assert chosen is not None
    sides = [healing.control.gradients, chosen.gradients]
    sizes = [math.log10(size) for side in sides for _, size in side if size > 0 and math.isfinite(size)]
    if not sizes or max(len(side) for side in sides) < 2:
        return ""
    low, high = min(sizes), max(sizes)
    lines = ["gradient / weight by layer, first layer first (bars are logarithms)"]
    for name, side in zip(("as it was", "cured"), sides, strict=True):
        lines.append(f"  {name}")
        lines += [f"    {layer[-24:]:<24} {_size(size):>9} {_bar(size, low, high)}" for layer, size in _some(side)]
    return "\n".join(lines)


def _some(side: Sequence[tuple[str, float]]) -> Iterator[tuple[str, float]]:
    """All layers, or as many spread over the depth as fit."""
    if len(side) <= _LAYERS:
        yield from side
    else:
        yield from (side[round(place * (len(side) - 1) / (_LAYERS - 1))] for place in range(_LAYERS))


def _size(size: float) -> str:
    return f"{size:.1e}"


def _bar(size: float, low: float, high: float) -> str:
    if not (size > 0 and math.isfinite(size)):
        return ""
    return "█" * (1 + round((_BAR - 1) * (math.log10(size) - low) / max(high - low, 1e-9)))


def _code(healing: Healing) -> str:
    changes = {key: value for edit in healing.edits for key, value in edit.recipe.items()}
    lines = ["in your own program"]
    lines += [f"  {line}" for line in healing.code.splitlines()]
    lines += [f"  recipe: {key} = {value!r}" for key, value in changes.items()]
    return "\n".join(lines)


def _tried(healing: Healing) -> str:
    rows = ["tried (updates, gain over the unchanged training, standard errors)"]
    for one in healing.trials[1:]:
        mark = "*" if one.kept else " "
        gain = "failed" if one.failed else "-" if one.better_by is None else f"{one.better_by:+.3f}"
        sure = "" if one.failed or one.errors is None else f"{one.errors:+.1f}"
        words = textwrap.shorten("; ".join(one.edits), _WIDTH - 28, placeholder=" ...")
        rows.append(f" {mark} {one.updates:>5} {gain:>8} {sure:>7}  {words}")
    return "\n".join(rows)


def _cost(healing: Healing) -> str:
    lines = [f"cost: {healing.cost:.0%} of the examples that the whole training will see"]
    return "\n".join(
        [*lines, *(textwrap.fill(f"note: {note}", _WIDTH, subsequent_indent="      ") for note in healing.notes)]
    )


def _listed(rows: Sequence[str]) -> str:
    return "\n".join(
        textwrap.fill(" ".join(row.split()), _WIDTH, initial_indent="  - ", subsequent_indent="    ") for row in rows
    )
