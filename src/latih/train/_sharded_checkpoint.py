"""Checkpoints of a sharded training: every process writes and reads its own rows, and none ever holds the whole."""

from __future__ import annotations

import io
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from safetensors.torch import load
from torch import Tensor

from latih._checks import InputError

from . import run_folder
from ._checkpoint import Checkpoints, seal
from ._manifest import STATE, Entry
from ._peers import Peers
from ._processes import World
from ._shard_files import Divided, Shards, divide, header, put_together, shard_name
from ._shard_state import cut_all, cut_optimizer, divided_in, own_rows
from ._state import state_of
from ._written import state_written, weights_written

if TYPE_CHECKING:
    from ._trainer import Trainer


class _Part(NamedTuple):
    """What this process writes of a checkpoint."""

    step: int
    epoch: int
    state: Divided


class ShardedCheckpoints(Checkpoints):
    """`Checkpoints` in which the weights, and whatever has their shape, are in one file a process.

    All processes must see the same folder. The checkpoint is there when the first process, which hears of every file
    that is safe, has written the manifest and renamed the folder; a write that fails in one of them fails in all.
    """

    _peers: Peers | None = None
    _world = World()

    def on_fit_start(self, trainer: Trainer) -> None:
        """Let the writers know each other."""
        super().on_fit_start(trainer)
        self._world, self._peers = trainer.world, Peers(trainer.world)

    def on_fit_end(self, trainer: Trainer) -> None:
        """Wait for what is still being written; raises `InputError` if that failed, in all processes."""
        try:
            super().on_fit_end(trainer)
        finally:
            peers, self._peers = self._peers, None
            if peers is not None:
                peers.close()

    def _begin(self, trainer: Trainer, history: bytes | None = None) -> None:
        trainer.notify("on_use")
        seen = {} if trainer.meter is None else trainer.meter.state()
        self._writer.wait()
        self._started_now()
        target, best = self._place(trainer), self._best(trainer)
        # one that a resumed run finds there is of the same moment
        missing = trainer.world.once(lambda: not target.exists() and _begun(target))
        part = self._own(trainer, seen) if missing else None

        def work() -> None:
            if part is not None:
                self._write_own(target, part)
            if self._world.first:
                self._tidy(best, history)

        self._writer.start(work)

    def _own(self, trainer: Trainer, seen: dict[str, Any]) -> _Part:
        plain, rows, pieces = divide({"weights": trainer.step.model.state_dict(), "state": state_of(trainer, seen)})
        copied = self._buffers.copy({"plain": plain if trainer.world.first else None, "rows": rows})
        return _Part(trainer.step.count, trainer.epoch, Divided(copied["plain"], copied["rows"], pieces))

    def _write_own(self, target: Path, part: _Part) -> None:
        """This process's files; then, in the first one, what makes all of them a checkpoint."""
        self._buffers.arrived()
        assert self._peers is not None
        temporary, files, failed = _temporary(target), {}, None
        try:
            with run_folder.writing(target):
                files = self._files(temporary, part.state)
        except InputError as error:
            failed = str(error)
        told = self._peers.all((files, failed))
        failed = next((why for _, why in told if why is not None), None)
        if failed is None and self._world.first:
            every = {name: entry for names, _ in told for name, entry in names.items()}
            try:
                with run_folder.writing(target):
                    seal(temporary, target, every, part.step, part.epoch)
            except InputError as error:
                failed = str(error)
        failed = self._peers.all(failed)[0]
        if failed is not None:
            if self._world.first:
                shutil.rmtree(temporary, ignore_errors=True)
            raise InputError(failed)

    def _files(self, folder: Path, state: Divided) -> dict[str, Entry]:
        name = shard_name(self._world.rank, self._world.size)
        files = {name: weights_written(folder / name, state.rows, header(state.pieces))}
        if self._world.first:
            files[STATE] = state_written(folder / STATE, state.plain)
        return files

    def _read(self, trainer: Trainer, contents: dict[str, bytes | Path]) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The rows of this process, from shards of any number of processes, or from the checkpoint of one."""
        model, known = trainer.step.model, contents[STATE]
        assert isinstance(known, bytes)
        state = torch.load(io.BytesIO(known), weights_only=True, map_location="cpu")
        wanted = divided_in(model)
        plain = contents.get(run_folder.WEIGHTS)
        if plain is None:
            shards = Shards(one for one in contents.values() if isinstance(one, Path))
            like = next(iter(wanted.values()))
            both = put_together(state, lambda name: own_rows(shards, name, like))
            return both["weights"], both["state"]
        assert isinstance(plain, bytes)
        groups = trainer.step.optimizer.param_groups
        state["optimizer"] = cut_optimizer(state["optimizer"], [one for group in groups for one in group["params"]])
        state["callbacks"] = cut_all(state["callbacks"], wanted)
        return cut_all(load(plain), wanted), state


def _temporary(target: Path) -> Path:
    return target.with_name(f".{target.name}.tmp")


def _begun(target: Path) -> bool:
    temporary = _temporary(target)
    with run_folder.writing(target):
        shutil.rmtree(temporary, ignore_errors=True)
        temporary.mkdir(parents=True)
    return True
