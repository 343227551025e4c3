"""Checkpoints: where a run stood, copied between two steps and written whole or not at all by another thread."""

from __future__ import annotations

import io
import math
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor

from latih._checks import InputError
from latih._every import every

from . import run_folder
from ._buffers import Buffers
from ._callbacks import Callback
from ._intact import found, newest_intact, place, remember_best, remove_leftovers
from ._manifest import MANIFEST, STATE, Entry, manifest
from ._shard_files import Shards, put_together
from ._state import put_back, state_of
from ._writer import Writer
from ._written import state_written, weights_written

if TYPE_CHECKING:
    from ._trainer import Trainer


_EVERY = 10  # updates after which the first of several processes looks at the clock


class _Snapshot(NamedTuple):
    """A trainer's copy; valid until the next one is made."""

    step: int
    epoch: int
    weights: dict[str, Tensor]
    state: dict[str, Any]


class Checkpoints(Callback):
    """Write `folder/checkpoints/step-N` after each epoch and as `save_every` says; keep the newest few and the best.

    The training thread only copies; at most one checkpoint is being written. One that is due by steps or time while
    the last is still being written is left out; those of an epoch and of an interruption wait. Put it behind every
    callback whose state it is to save.
    """

    def __init__(
        self, folder: Path, keep: int, save_every: str = "epoch", say: Callable[[str], object] | None = None
    ) -> None:
        self.folder, self.keep, self.say = folder, keep, say or _to_stderr
        self.every = every(save_every)
        self._buffers, self._writer = Buffers(), Writer()
        self._saved_at = time.monotonic()

    def on_fit_start(self, trainer: Trainer) -> None:
        """Time counts from here."""
        self._started_now()

    def on_step_end(self, trainer: Trainer) -> None:
        """Save if it is due, and nothing is being written."""
        if self._now(trainer):
            self._begin(trainer)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Save the epoch; an epoch that ends the run by early stopping has been saved by then."""
        self._begin(trainer, history=trainer.history.lines())

    def on_fit_end(self, trainer: Trainer) -> None:
        """Wait for what is still being written; raises `InputError` if that failed."""
        self._writer.wait()

    def save(self, trainer: Trainer) -> Path:
        """Write one checkpoint now, and return when it is safe."""
        self._begin(trainer)
        self._writer.wait()
        return self._place(trainer)

    def restore(self, trainer: Trainer) -> None:
        """Put the trainer back to where the newest intact checkpoint left it; without any it begins at the beginning.

        Raises `InputError` where none is intact, and where it does not fit the trainer.
        """
        contents: dict[str, bytes | Path] | None = trainer.world.once(self._newest)
        if contents is None:
            self.say(f"{self.folder}: stopped before its first checkpoint; beginning again")
            return
        try:
            weights, state = self._read(trainer, contents)
            trainer.step.model.load_state_dict(weights)
            left = put_back(trainer, state)
        except InputError:
            raise
        except Exception as error:
            raise InputError(
                f"{self.folder}: its checkpoint does not fit this run ({type(error).__name__}: "
                f"{str(error).splitlines()[0].rstrip('.:')}); resume with the model that the run began with."
            ) from error
        if left:
            self.say(f"{self.folder}: the saved state of {', '.join(left)} is not used, this run has no such callback")

    def _read(self, trainer: Trainer, contents: dict[str, bytes | Path]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The weights and the rest, put together where they were saved in shards."""
        known, plain = contents[STATE], contents.get(run_folder.WEIGHTS)
        assert isinstance(known, bytes)
        state = torch.load(io.BytesIO(known), weights_only=True, map_location="cpu")
        if isinstance(plain, bytes):
            return load(plain), state
        shards = Shards(one for one in contents.values() if isinstance(one, Path))
        both = put_together(state, shards.whole)
        return both["weights"], both["state"]

    def _newest(self) -> dict[str, bytes | Path] | None:
        remove_leftovers(self.folder)
        return newest_intact(self.folder, self.say)

    def _place(self, trainer: Trainer) -> Path:
        return place(self.folder, trainer.step.count)

    def _now(self, trainer: Trainer) -> bool:
        """Whether to save; of several processes the first one decides, at updates that all of them know."""
        if trainer.world.size > 1:
            count, steps = trainer.step.count, self.every.steps
            if (steps is None and self.every.seconds is None) or count % (steps or _EVERY):
                return False
        return trainer.world.once(lambda: self._due(trainer) and not self._writer.busy)

    def _due(self, trainer: Trainer) -> bool:
        if self.every.steps is not None and trainer.step.count % self.every.steps == 0:
            # the end of an epoch saves right away, with its validation
            return trainer.batch * trainer.batch_size < len(trainer.train)
        return self.every.seconds is not None and time.monotonic() - self._saved_at >= self.every.seconds

    def _begin(self, trainer: Trainer, history: bytes | None = None) -> None:
        """Copy the trainer, and leave the rest to the writer; raises `InputError` if its last work failed."""
        trainer.notify("on_use")
        seen = {} if trainer.meter is None else trainer.meter.state()
        if not trainer.world.first:
            return
        self._writer.wait()
        self._started_now()
        target, best = self._place(trainer), self._best(trainer)
        # one that a resumed run finds there is of the same moment
        snapshot = None if target.exists() else self._copy(trainer, seen)

        def work() -> None:
            if snapshot is not None:
                self._write(target, snapshot)
            self._tidy(best, history)

        self._writer.start(work)

    def _started_now(self) -> None:
        self._saved_at = time.monotonic()

    def _tidy(self, best: Path | None, history: bytes | None) -> None:
        """Point at the best, and remove what is old."""
        kept = remember_best(self.folder, best)
        for old in found(self.folder)[: -self.keep]:
            if old != kept:
                shutil.rmtree(old, ignore_errors=True)
        if history is not None:
            run_folder.write(self.folder / run_folder.HISTORY, history)

    def _copy(self, trainer: Trainer, seen: dict[str, Any]) -> _Snapshot:
        copied = self._buffers.copy({"weights": trainer.step.model.state_dict(), "state": state_of(trainer, seen)})
        return _Snapshot(trainer.step.count, trainer.epoch, copied["weights"], copied["state"])

    def _write(self, target: Path, snapshot: _Snapshot) -> None:
        """Every file made to last, then the folder renamed, then that: at no moment is there half a checkpoint."""
        self._buffers.arrived()
        temporary = target.with_name(f".{target.name}.tmp")
        try:
            with run_folder.writing(target):
                shutil.rmtree(temporary, ignore_errors=True)
                temporary.mkdir(parents=True)
                files = {
                    run_folder.WEIGHTS: weights_written(temporary / run_folder.WEIGHTS, snapshot.weights),
                    STATE: state_written(temporary / STATE, snapshot.state),
                }
                seal(temporary, target, files, snapshot.step, snapshot.epoch)
        except InputError:
            shutil.rmtree(temporary, ignore_errors=True)
            raise

    def _best(self, trainer: Trainer) -> Path | None:
        ranked = [(trainer.rank(row), row) for row in trainer.history.rows]
        finite = [(rank, row) for rank, row in ranked if math.isfinite(rank[0])]
        return place(self.folder, int(min(finite, key=lambda one: one[0])[1]["step"])) if finite else None


def seal(temporary: Path, target: Path, files: dict[str, Entry], step: int, epoch: int) -> None:
    """Make a checkpoint of `files` that are safe: the manifest, then the folder's name."""
    run_folder.write_through(temporary / MANIFEST, manifest(files, step, epoch))
    run_folder.sync(temporary)
    temporary.rename(target)
    run_folder.sync(target.parent)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"latih: {line}\n")
