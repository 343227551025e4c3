"""Which of torch's kernels an optimizer can use for these parameters: fused, else foreach, else one by one."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._foreach_utils import _get_foreach_kernels_supported_devices, _get_fused_kernels_supported_devices


def fast_path(
    make: type[torch.optim.Optimizer], parameters: Iterable[Tensor], options: Mapping[str, Any] | None = None
) -> dict[str, bool]:
    """`{"fused": True}`, `{"foreach": True}` or `{}`: the quickest way that `make` has for these `parameters`.

    Fused needs floating parameters on a device of torch's list, and one real step on a spare tensor has to succeed:
    the list is common to all optimizers, while a kernel may be missing for one of them, or be forbidden by an option.
    `options` that choose a path, or need another one, are left in peace.
    Sparse gradients (`nn.Embedding(sparse=True)`) have no fused kernel: build torch's own optimizer for those.

    >>> fast_path(torch.optim.SGD, nn.Linear(3, 2).parameters())
    {'fused': True}
    >>> fast_path(torch.optim.SGD, nn.Linear(3, 2).parameters(), {"differentiable": True})
    {}
    """
    parameters, options = list(parameters), dict(options or {})
    known = inspect.signature(make).parameters
    if "fused" in options or "foreach" in options or options.get("differentiable") or options.get("capturable"):
        return {}
    if not parameters or any(type(parameter) not in (Tensor, nn.Parameter) for parameter in parameters):
        return {}  # a subclass, such as a sharded tensor, brings its own rules
    kinds = {(parameter.device, parameter.dtype) for parameter in parameters}
    devices = {device.type for device, _ in kinds}
    floating = all(dtype.is_floating_point for _, dtype in kinds)
    if "fused" in known and floating and devices <= set(_get_fused_kernels_supported_devices()):
        options["fused"] = True
        if all(_steps(make, device, dtype, options) for device, dtype in kinds):
            return {"fused": True}
    if "foreach" in known and devices <= set(_get_foreach_kernels_supported_devices()):
        return {"foreach": True}
    return {}


def _steps(make: Any, device: torch.device, dtype: torch.dtype, options: Mapping[str, Any]) -> bool:
    spare = torch.zeros(2, device=device, dtype=dtype, requires_grad=True)
    spare.grad = torch.zeros_like(spare)
    try:
        make([spare], lr=1.0, **options).step()
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        return False
    return True
