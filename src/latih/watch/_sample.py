"""From numbers on the device to plain data, with one wait."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from latih._shards import local

from ._record import Reading, Sample
from ._statistics import effective_rank

if TYPE_CHECKING:
    from ._sampling import Scene

Numbers = dict[str, dict[str, Tensor]]
"""Layer -> name of a `Reading`'s field -> scalar on the device."""
Spectra = dict[str, tuple[Tensor, int]]
"""Layer -> products of its examples with each other, and how many features they have."""
_SCALED = frozenset(("grad_mean", "grad_std", "grad_norm", "weight_grad"))
_FIELDS = frozenset(Reading.__struct_fields__) - {"layer"}


@dataclass
class Gradients:
    """Norms of all gradients together at the moments of an update."""

    stale: Tensor | None = None
    """Before its first backward pass."""
    raw: Tensor | None = None
    """After its last one."""
    final: Tensor | None = None
    """When the optimizer took them."""
    scale: Tensor | None = None
    """By which a `GradScaler` multiplied the loss."""
    final_scale: Tensor | None = None
    """By which the final ones are still multiplied, where the optimizer divides by it."""


def sample_of(
    step: int, training: bool, numbers: Numbers, spectra: Spectra, gradients: Gradients, scene: Scene
) -> Sample:
    """Fetch everything that was gathered."""
    for layer, seen in scene.window.items():
        if layer in numbers:
            numbers[layer]["dead"] = 1 - torch.stack(seen).any(0).float().mean()
    whole = [getattr(gradients, name) for name in ("raw", "final", "stale", "scale", "final_scale")]
    places = [(layer, key) for layer, found in numbers.items() for key in found if key in _FIELDS]
    tensors = [numbers[layer][key] for layer, key in places]
    fetched = iter(_fetch([*(one for one in whole if one is not None), *tensors]))
    raw, final, stale, scale, final_scale = (None if one is None else next(fetched) for one in whole)
    scale, final_scale = scale or 1.0, final_scale or 1.0
    by_layer: dict[str, dict[str, float | None]] = {}
    for (layer, key), value in zip(places, fetched, strict=True):
        by_layer.setdefault(layer, {})[key] = _finite(value / scale if key in _SCALED else value)
    ranks = {id(products): effective_rank(products.cpu(), features) for products, features in spectra.values()}
    for layer, (products, _) in spectra.items():
        by_layer[layer]["rank"] = ranks[id(products)]
    raw, final = _over(raw, scale), _over(final, final_scale)
    names = dict.fromkeys([*scene.layers, *by_layer])
    return Sample(
        step=step,
        readings=[Reading(layer=one, **by_layer[one]) for one in names if one in by_layer],  # pyright: ignore
        grad_norm=raw,
        clipped=None if not raw or final is None else max(1.0 - final / raw, 0.0),
        training=training,
        stale_gradient=None if not raw or stale is None else _over(stale, raw * scale),
        non_finite=_non_finite(scene) if raw is None else [],
    )


def _fetch(tensors: list[Tensor]) -> list[float]:
    """Values of scalars: one by one where that is fastest, else all at once."""
    if all(one.device.type == "cpu" for one in tensors):
        return [float(one) for one in tensors]
    device = next(one.device for one in tensors if one.device.type != "cpu")
    return torch.stack([one.detach().to(device, torch.float32).reshape(()) for one in tensors]).tolist()


def _over(value: float | None, scale: float) -> float | None:
    return None if value is None else _finite(value / scale)


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def _all_finite(tensor: Tensor) -> bool:
    return bool(local(tensor.detach()).isfinite().all())


def _non_finite(scene: Scene) -> list[str]:
    return [
        name
        for name, one in scene.parameters
        if not _all_finite(one) or (one.grad is not None and not _all_finite(one.grad))
    ][:20]
