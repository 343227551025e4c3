"""The files of a checkpoint: weights that run no code, and the rest as plain data."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor

from latih._checks import InputError

from ._lasting import Lasting
from ._manifest import Entry

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.float8_e4m3fn: "F8_E4M3",
    torch.float8_e5m2: "F8_E5M2",
    torch.complex64: "C64",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint64: "U64",
    torch.uint32: "U32",
    torch.uint16: "U16",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}
"""As safetensors calls them."""


def weights_written(path: Path, weights: Mapping[str, Tensor], header: dict[str, str] | None = None) -> Entry:
    """Write `weights` as safetensors; raises `OSError`."""
    ordered = wide_first(weights)
    return tensors_written(path, ordered, ordered.values(), header)


def wide_first(weights: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """In an order in which every tensor's numbers can be read in place."""
    return dict(sorted(weights.items(), key=lambda one: -one[1].element_size()))


def tensors_written(
    path: Path, like: Mapping[str, Tensor], values: Iterable[Tensor], header: dict[str, str] | None = None
) -> Entry:
    """Write a safetensors file, tensor after tensor, none of which is copied as a whole.

    safetensors' own writers ask for all of them at once, and keep Python's lock or fill the page cache meanwhile.
    `like` tells shapes and types, `values` comes in its order. Raises `OSError`.
    """
    head: dict[str, Any] = {"__metadata__": header} if header else {}
    end = 0
    for name, one in like.items():
        if one.dtype not in _NAMES:
            raise InputError(f"checkpoint: {name} is {one.dtype}, which safetensors cannot hold; keep it as a float.")
        begin, end = end, end + one.numel() * one.element_size()
        head[name] = {"dtype": _NAMES[one.dtype], "shape": list(one.shape), "data_offsets": [begin, end]}
    text = msgspec.json.encode(head)
    text += b" " * (-len(text) % 8)
    with closing(Lasting(path)) as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for one in values:
            flat = one.detach().cpu().contiguous().reshape(-1)
            if flat.numel():
                file.write(flat.view(torch.uint8).numpy().data)
        return file.end()


def state_written(path: Path, state: dict[str, Any]) -> Entry:
    """Write plain `state` as `torch.load(weights_only=True)` reads it; raises `OSError`."""
    with closing(Lasting(path)) as file:
        try:
            torch.save(state, file)  # pyright: ignore[reportArgumentType] - it has all that torch asks of a file
        except RuntimeError:  # torch forgets what the file said
            if file.failed is None:
                raise
            raise file.failed from None
        return file.end()
