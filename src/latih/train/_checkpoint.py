"""Checkpoints: where a run stood, written atomically after each epoch and when it is interrupted."""

from __future__ import annotations

import io
import shutil
from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch
from safetensors.torch import load, save

from latih._checks import InputError
from latih.clip import Clipped

from . import run_folder
from ._callbacks import Callback
from ._early import EarlyStopping

if TYPE_CHECKING:
    from ._trainer import Trainer

_STATE = "state.pt"


class Checkpoints(Callback):
    """Write `folder/checkpoints/step-N` after each epoch, keep the newest few, and continue history.jsonl."""

    def __init__(self, folder: Path, keep: int, early: EarlyStopping | None) -> None:
        self.folder, self.keep, self.early = folder, keep, early

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Save the epoch; an epoch that ends the run by early stopping has been saved by then."""
        self.save(trainer)
        run_folder.write(self.folder / run_folder.HISTORY, trainer.history.lines())

    def save(self, trainer: Trainer) -> Path:
        """Write one checkpoint whole or not at all, then drop the oldest ones."""
        target = self.folder / run_folder.CHECKPOINTS / f"step-{trainer.step.count:09d}"
        if target.exists():
            return target
        temporary = target.with_name(f".{target.name}.tmp")
        with run_folder.writing(target):
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
        try:
            weights = {key: value.contiguous() for key, value in trainer.step.model.state_dict().items()}
            run_folder.write(temporary / run_folder.WEIGHTS, save(weights))
            run_folder.write(temporary / _STATE, _packed(_state(trainer, self.early)))
            with run_folder.writing(target):
                temporary.rename(target)
        except InputError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        for old in found(self.folder)[: -self.keep]:
            shutil.rmtree(old, ignore_errors=True)
        return target

    def restore(self, trainer: Trainer) -> None:
        """Put the trainer back to where the newest checkpoint left it."""
        checkpoints = found(self.folder)
        if not checkpoints:
            raise InputError(f"{self.folder}: no checkpoint to resume from; start the run without --resume.")
        newest = checkpoints[-1]
        try:
            trainer.step.model.load_state_dict(load((newest / run_folder.WEIGHTS).read_bytes()))
            state = torch.load(newest / _STATE, weights_only=True, map_location="cpu")
        except Exception as error:
            raise InputError(
                f"{newest}: cannot be read ({type(error).__name__}: {str(error).splitlines()[0]}); delete it to resume "
                f"from the one before, and resume with the model and data that the run began with."
            ) from error
        _put_back(trainer, state, self.early)


def found(folder: Path) -> list[Path]:
    """The complete checkpoints of a run folder, oldest first."""
    return sorted((folder / run_folder.CHECKPOINTS).glob("step-*"))


def _state(trainer: Trainer, early: EarlyStopping | None) -> dict[str, Any]:
    step, history = trainer.step, trainer.history
    return {
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "count": step.count,
        "scores": step.scores,
        "optimizer": step.optimizer.state_dict(),
        "clip": step.clip.state(),
        "scaler": None if step.scaler is None else step.scaler.state_dict(),
        "losses": torch.stack(trainer.losses).cpu() if trainer.losses else torch.zeros(0),
        "cuts": [torch.stack(part).cpu() for part in zip(*trainer.cuts, strict=True)],
        "history": {
            "rows": history.rows,
            "losses": torch.tensor(history.losses, dtype=torch.float64),
            "clipped": dict(history.clipped),
        },
        "meter": {} if trainer.meter is None else trainer.meter.state(),
        "early": None if early is None else early.state(),
        "rng": torch.get_rng_state(),
        "cuda_rng": torch.cuda.get_rng_state_all() if trainer.device.type == "cuda" else [],
    }


def _put_back(trainer: Trainer, state: dict[str, Any], early: EarlyStopping | None) -> None:
    step, history = trainer.step, trainer.history
    trainer.epoch, trainer.batch = state["epoch"], state["batch"]
    step.count, step.scores = state["count"], tuple(map(tuple, state["scores"]))
    step.optimizer.load_state_dict(state["optimizer"])
    step.clip.load(state["clip"])
    if step.scaler is not None and state["scaler"] is not None:
        step.scaler.load_state_dict(state["scaler"])
    trainer.losses = list(state["losses"].to(trainer.device))
    trainer.cuts = [Clipped(*cut) for cut in zip(*(part.to(trainer.device) for part in state["cuts"]), strict=True)]
    history.rows, history.losses = state["history"]["rows"], state["history"]["losses"].tolist()
    if trainer.meter is not None:
        trainer.meter.load(state["meter"])
    history.clipped = Counter(state["history"]["clipped"])
    if early is not None and state["early"] is not None:
        early.load(state["early"])
    torch.set_rng_state(state["rng"])
    if state["cuda_rng"]:
        torch.cuda.set_rng_state_all(state["cuda_rng"])


def _packed(state: dict[str, Any]) -> bytes:
    buffer = io.BytesIO()
    torch.save(state, buffer)
    return buffer.getvalue()
