"""Which of torch's kernels an optimizer can use for these parameters: fused, else foreach, else one by one."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._foreach_utils import _get_foreach_kernels_supported_devices, _get_fused_kernels_supported_devices

from latih._shards import by_rows

_DEVICES = {
    "fused": set(_get_fused_kernels_supported_devices()),
    # torch lists devices with kernels of their own; on the CPU it is a loop in C++, which still beats one in Python
    "foreach": {"cpu", *_get_foreach_kernels_supported_devices()},
}


def fast_path(
    make: type[torch.optim.Optimizer], parameters: Iterable[Tensor], options: Mapping[str, Any] | None = None
) -> dict[str, bool]:
    """`{"fused": True}`, `{"foreach": True}` or `{}`: the quickest way that `make` has for these `parameters`.

    A path needs parameters on a device of its list (floating ones if fused), and one real step on a spare tensor has to
    succeed: the lists are common to all optimizers, while a kernel may be missing for one of them, or be forbidden by
    an option.
    `options` that choose a path, or need another one, are left in peace.
    Sparse gradients (`nn.Embedding(sparse=True)`) have no fused kernel: build torch's own optimizer for those.

    >>> fast_path(torch.optim.Adam, nn.Linear(3, 2).parameters())
    {'fused': True}
    >>> fast_path(torch.optim.Adam, nn.Linear(3, 2).parameters(), {"differentiable": True})
    {}
    """
    parameters, options = list(parameters), dict(options or {})
    known = inspect.signature(make).parameters
    if "fused" in options or "foreach" in options or options.get("differentiable") or options.get("capturable"):
        return {}
    plain = all(type(parameter) in (Tensor, nn.Parameter) for parameter in parameters)
    if not parameters or not (plain or all(map(by_rows, parameters))):
        return {}  # another subclass brings its own rules
    kinds = {(parameter.device, parameter.dtype): parameter for parameter in parameters}
    for path in _preferred(make, options):
        allowed = {device.type for device, _ in kinds} <= _DEVICES[path]
        fits = path == "foreach" or all(dtype.is_floating_point for _, dtype in kinds)
        chosen = options | {path: True}
        if path in known and allowed and fits and all(_steps(make, one, chosen) for one in kinds.values()):
            return {path: True}
    return {}


def _preferred(make: type[torch.optim.Optimizer], options: Mapping[str, Any]) -> tuple[str, str]:
    # sgd without momentum is one multiply-add a tensor, where a fused kernel has nothing to fuse
    single = make is torch.optim.SGD and not options.get("momentum")
    return ("foreach", "fused") if single else ("fused", "foreach")


def _steps(make: Any, like: Any, options: Mapping[str, Any]) -> bool:
    spare = torch.zeros(2, device=like.device, dtype=like.dtype)
    if by_rows(like):  # only here: plain tensors need none of it
        from torch.distributed.tensor import DTensor

        spare = DTensor.from_local(spare, like.device_mesh, like.placements, run_check=False)
    spare.requires_grad_()
    spare.grad = torch.zeros_like(spare)
    try:
        make([spare], lr=1.0, **options).step()
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        return False
    return True
