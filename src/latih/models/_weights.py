"""Put pretrained weights into a model, by name and shape."""

from __future__ import annotations

from collections.abc import Mapping
from os import PathLike
from typing import Any

import torch
from torch import Tensor, nn

from ._weights_checks import check_match, ready, tensors_of
from ._weights_file import read_entries
from ._weights_names import Prefix, find_prefix
from ._weights_report import Loaded


def load_weights(
    model: nn.Module,
    source: str | PathLike[str] | Mapping[str, Any],
    *,
    prefix: str | None = None,
    partial: bool = False,
) -> Loaded:
    """Copy the weights of `source` into the tensors of `model` that have their name and shape; return what was done.

    The model keeps its dtype, device, modes and parameter objects; whatever is not copied stays as it was. A missing
    `num_batches_tracked`, and a weight that is tied to a loaded one, do not count as missing.

    Args:
        model: any module; `torch.compile`, `DataParallel` and DDP are looked through.
        source: a .safetensors file; a state dict in .pt, .pth, .bin or .ckpt, read without running code; an index of
            shards (*.safetensors.index.json); or a dict of tensors. A state dict under "state_dict",
            "model_state_dict" or "model" is found.
        prefix: "module." leaves that out of the source's names, "-> backbone." puts it before them, "module. ->
            backbone." does both, "" takes them as they are. None takes what makes most names and shapes match, and
            the report says so.
        partial: also accept less than half of the model's weights, counted in numbers.

    Raises `InputError`, the model then being untouched, for a file that is absent, unreadable, a Git LFS pointer or
    would run code; where nothing matches, or less than half; for several prefixes that match equally well; for weights
    that are not finite in the model's dtype or are quantised; and for a model on the meta device or with lazy layers.

    >>> from torch import nn
    >>> pretrained, net = nn.Linear(8, 4), nn.Sequential(nn.Linear(8, 4), nn.Linear(4, 2))
    >>> print(load_weights(net, {f"module.0.{name}": value for name, value in pretrained.state_dict().items()}))
    loaded 2 of 4 tensors; the file's names taken without 'module.'; not in the file: 1.weight, 1.bias
    """
    call = f"load_weights(source={str(source)!r})" if isinstance(source, str | PathLike) else "load_weights(source=...)"
    state = tensors_of(model)
    entries = read_entries(call, source)
    tensors = {name: value for name, value in entries.items() if isinstance(value, Tensor)}
    chosen = find_prefix(call, tensors, state) if prefix is None else Prefix.read(prefix)
    values, report = _matched(entries, tensors, state, chosen)
    check_match(call, model, tensors, state, report, partial=partial)
    filled = [(state[name], ready(call, name, value, state[name])) for name, value in values.items()]
    with torch.no_grad():
        for target, value in filled:
            target.copy_(value)
    return report


def _matched(
    entries: Mapping[str, Any], tensors: Mapping[str, Tensor], state: Mapping[str, Tensor], prefix: Prefix
) -> tuple[dict[str, Tensor], Loaded]:
    found = {prefix.of(name): value for name, value in tensors.items()}
    values = {name: found[name] for name in state if name in found and found[name].shape == state[name].shape}
    known = {id(state[name]) for name in values}  # a tied weight has two names
    reshaped = [
        (name, tuple(found[name].shape), tuple(state[name].shape))
        for name in state
        if name in found and name not in values
    ]
    missing = [
        name
        for name, target in state.items()
        if name not in found and id(target) not in known and not name.endswith("num_batches_tracked")
    ]
    unexpected = [name for name in entries if name not in tensors or prefix.of(name) not in state]
    return values, Loaded(tuple(values), tuple(missing), tuple(unexpected), tuple(reshaped), str(prefix))
