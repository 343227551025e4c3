"""The weights of a sharded model as the one plain file that every run leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import msgspec
import torch
from torch import Tensor, nn

from latih._shards import divided

from . import run_folder
from ._processes import World

_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


def save_whole(folder: Path, model: nn.Module, world: World) -> None:
    """Write model.safetensors; every process must call it. One weight at a time is whole, and none stays so."""
    # wide ones first, so that every one lies where its numbers can be read in place
    state = dict(sorted(model.state_dict().items(), key=lambda one: -one[1].element_size()))
    temporary = folder / f".{run_folder.WEIGHTS}.{os.getpid()}.tmp"
    failed: list[BaseException] = []

    def tensors() -> Iterator[Tensor]:
        for one in state.values():
            yield one.full_tensor() if divided(one) else one  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]

    whole = tensors()
    if world.first:
        try:
            with run_folder.writing(folder / run_folder.WEIGHTS):
                _write(temporary, state, whole)
                temporary.replace(folder / run_folder.WEIGHTS)
                run_folder.sync(folder)
        except Exception as error:  # the others must not wait for what will not come
            failed.append(error)
        finally:
            temporary.unlink(missing_ok=True)
    for _ in whole:
        pass

    def outcome() -> None:
        if failed:
            raise failed[0]

    world.once(outcome)


def _write(path: Path, state: dict[str, Tensor], whole: Iterator[Tensor]) -> None:
    """A safetensors file, tensor after tensor: the length of its header, the header, the values."""
    head, end = {}, 0
    for name, one in state.items():
        begin, end = end, end + one.numel() * one.element_size()
        head[name] = {"dtype": _NAMES[one.dtype], "shape": list(one.shape), "data_offsets": [begin, end]}
    text = msgspec.json.encode(head)
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        file.write(len(text).to_bytes(8, "little") + text)
        for one in whole:
            values = one.detach().cpu().contiguous().reshape(-1)
            file.write(values.view(torch.uint8).numpy().data if values.numel() else b"")
        file.flush()
        os.fsync(file.fileno())
