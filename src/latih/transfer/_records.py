"""What a finished phase leaves in its folder, so that the phases after it can go on from there."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import Any

import msgspec
import torch
from safetensors.torch import load
from torch import nn

from latih._checks import InputError
from latih.train import run_folder, save_weights

_RECORD, _OPTIMIZER, _PHASES = "phase.json", "optimizer.pt", "phases"


class Record(msgspec.Struct, frozen=True):
    """A phase that is done."""

    rows: list[dict[str, float]]
    losses: list[float]
    updates: int
    best: tuple[float, float] | None
    """Rank of the best weights so far, over all phases; lower is better."""
    kept: dict[str, Any] | None
    """The row of the epoch that they come from."""
    watched: str
    """The column that decided."""
    clipped: dict[str, int] = {}
    """How often the gradient of each parameter lost the most to the clip."""


def place(folder: Path, number: int, name: str) -> Path:
    """The folder of one phase."""
    return folder / _PHASES / f"{number}-{name}"


def begun(folder: Path) -> bool:
    """Whether there is a fine-tuning to go on with."""
    return (folder / _PHASES).is_dir()


def finished(folder: Path | None) -> int:
    """How many phases are done."""
    return 0 if folder is None else len(list((folder / _PHASES).glob(f"*-*/{_RECORD}")))


def can_resume(folder: Path) -> bool:
    """Whether the phase was interrupted in its middle."""
    return any((folder / run_folder.CHECKPOINTS).glob("step-*"))


def clear(folder: Path) -> None:
    """Remove what a phase left that was killed before its first checkpoint."""
    with run_folder.writing(folder):
        if folder.exists():
            shutil.rmtree(folder)


def finish(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer, record: Record) -> None:
    """Write weights and optimizer, and last the record that makes them count."""
    save_weights(folder, model)
    buffer = io.BytesIO()
    torch.save(optimizer.state_dict(), buffer)
    run_folder.write(folder / _OPTIMIZER, buffer.getvalue())
    run_folder.write(folder / _RECORD, msgspec.json.encode(record))


def read(folder: Path) -> Record:
    """The record of a phase that is done."""
    try:
        return msgspec.json.decode((folder / _RECORD).read_bytes(), type=Record)
    except (OSError, msgspec.DecodeError, RecursionError) as error:
        raise InputError(f"{folder}: cannot be read ({error}); delete it to train this phase again.") from None


def restore(folder: Path, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    """Put weights and optimizer back to where the phase left them."""
    try:
        model.load_state_dict(load((folder / run_folder.WEIGHTS).read_bytes()))
        optimizer.load_state_dict(torch.load(folder / _OPTIMIZER, weights_only=True, map_location="cpu"))
    except Exception as error:  # a damaged pickle raises anything, one that would run code UnpicklingError
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise InputError(f"{folder}: does not fit or is damaged ({reason}); delete it to train it again.") from None
