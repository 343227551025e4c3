from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from latih.diagnose import Finding
from latih.norm import is_pinned
from latih.tape import call_model, mapped, split_batch, untouched

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._trained import trained

_GROUPS = 8
_FEWEST = 4
"""Channels a group, and features a layer norm, below which there is too little to standardise over."""


def swap_norm(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Replaces batch norm by a norm that needs no batch: group norm for images, layer norm for vectors.

    Batch norm's estimates from m values are off by about sqrt(1 / (2 (m - 1))); statistics within each example do not
    depend on how many there are, and are the same in training and evaluation. Scale and shift are kept. Up to 8 groups,
    of at least 4 channels.

    It hurts with large batches, where batch norm is usually better, and on trained weights, which rely on its running
    statistics: those are left alone, as are pinned norms, norms on the inputs (features of one example may have
    different units), and vectors of fewer than 4 features.

    Source: Wu and He (2018); Ba, Kiros and Hinton (2016).
    """
    if trained(training.model, case):
        return
    model, loss = copied(training)
    done = []
    for norm, dims in _hidden_norms(model, case.batch).items():
        paths = [path for path, module in model.named_modules(remove_duplicate=False) if module is norm]
        new = _replacement(norm, dims)
        if new is not None and all(paths):
            for path in paths:
                model.set_submodule(path, new)
            done.append((paths[0], new))
    if done:
        names = ", ".join(dict.fromkeys(type(new).__name__ for _, new in done))
        shown = ", ".join(path for path, _ in done[:4]) + (", ..." if len(done) > 4 else "")
        text = f"{len(done)} batch norm{'s' * (len(done) > 1)} ({shown}) -> {names}"
        code = "\n".join(f"model.set_submodule({path!r}, nn.{_written(new)})" for path, new in done)
        yield training.edited(Edit("swap_norm", text, code), model=model, loss=loss)


def _hidden_norms(model: nn.Module, batch: Any) -> dict[_BatchNorm, int]:
    """Norm -> dimensions of its input, of those behind some weight."""
    found: dict[_BatchNorm, int] = {}
    weighted: list[nn.Module] = []

    def look(module: nn.Module, args: tuple[Any, ...]) -> None:
        if isinstance(module, _BatchNorm) and weighted and args and isinstance(args[0], Tensor):
            found.setdefault(module, args[0].dim())
        if any(one is not None and one.dim() > 1 for one in module._parameters.values()):
            weighted.append(module)

    modules = list(model.modules())
    inputs, _ = split_batch(batch)
    devices = {one.device for one in model.parameters()}
    with untouched(modules, devices), torch.no_grad():
        for module in modules:
            module.register_forward_pre_hook(look)
            module.training = False  # a batch of one would be refused
        call_model(model, mapped(inputs, torch.clone))
    return {norm: dims for norm, dims in found.items() if not is_pinned(norm)}


def _replacement(norm: _BatchNorm, dims: int) -> nn.Module | None:
    width = norm.num_features
    if width < _FEWEST and dims == 2:
        return None
    if dims == 2:
        new: nn.Module = nn.LayerNorm(width, elementwise_affine=norm.affine, eps=norm.eps)
    else:
        new = nn.GroupNorm(_groups(width), width, affine=norm.affine, eps=norm.eps)
    if norm.affine:
        new.weight, new.bias = norm.weight, norm.bias
    return new.train(norm.training)


def _groups(width: int) -> int:
    most = max(min(_GROUPS, width // _FEWEST), 1)
    return max(groups for groups in range(1, most + 1) if width % groups == 0)


def _written(norm: nn.Module) -> str:
    """The call that makes the norm."""
    if isinstance(norm, nn.GroupNorm):
        return f"GroupNorm({norm.num_groups}, {norm.num_channels}, eps={norm.eps}, affine={norm.affine})"
    assert isinstance(norm, nn.LayerNorm)
    affine = norm.elementwise_affine
    return f"LayerNorm({norm.normalized_shape[-1]}, eps={norm.eps}, elementwise_affine={affine})"


CURE = Cure("swap_norm", swap_norm)
