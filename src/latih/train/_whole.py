"""The weights of a sharded model as the one plain file that every run leaves."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from torch import Tensor, nn

from latih._shards import divided

from . import run_folder
from ._processes import World
from ._written import tensors_written, wide_first


def save_whole(folder: Path, model: nn.Module, world: World) -> None:
    """Write model.safetensors; every process must call it. One weight at a time is whole, and none stays so."""
    state = wide_first(model.state_dict())
    temporary = folder / f".{run_folder.WEIGHTS}.{os.getpid()}.tmp"
    failed: list[BaseException] = []

    def tensors() -> Iterator[Tensor]:
        for one in state.values():
            yield one.full_tensor() if divided(one) else one  # pyright: ignore[reportCallIssue, reportAttributeAccessIssue]

    whole = tensors()
    if world.first:
        try:
            with run_folder.writing(folder / run_folder.WEIGHTS):
                tensors_written(temporary, state, whole)
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
