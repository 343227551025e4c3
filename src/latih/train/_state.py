"""Everything that decides how a run goes on, besides the weights: taken from a trainer, and put back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from latih._checks import InputError
from latih.clip import Clipped

from ._callbacks import Callback

if TYPE_CHECKING:
    from ._trainer import Trainer


def state_of(trainer: Trainer, meter: dict[str, Any]) -> dict[str, Any]:
    """Plain data and tensors, still the trainer's own: copy them before it goes on. `meter` is its meter's state."""
    step, history = trainer.step, trainer.history
    callbacks = {key: state for key, one in keyed(trainer.callbacks) if (state := one.state())}
    return {
        "epoch": trainer.epoch,
        "batch": trainer.batch,
        "examples": [len(trainer.train), trainer.batch_size],
        "count": step.count,
        "scores": step.scores,
        "optimizer": step.optimizer.state_dict(),
        "clip": step.clip.state(),
        "scaler": None if step.scaler is None else step.scaler.state_dict(),
        "losses": torch.stack(trainer.losses) if trainer.losses else torch.zeros(0),
        "cuts": [torch.stack(part) for part in zip(*trainer.cuts, strict=True)],
        "history": {
            "rows": history.rows,
            "losses": torch.from_numpy(np.array(history.losses, dtype=np.float64)),
            "clipped": dict(history.clipped),
        },
        "meter": meter,
        "callbacks": callbacks,
        "rng": torch.get_rng_state(),
        "device_rng": _device_rng(trainer.device),
    }


def put_back(trainer: Trainer, state: dict[str, Any]) -> list[str]:
    """Give the trainer what `state_of` took; returns the callbacks whose state nobody takes."""
    step, history = trainer.step, trainer.history
    _refuse_other_data(trainer, *state["examples"])
    trainer.epoch, trainer.batch = state["epoch"], state["batch"]
    step.count, step.scores = state["count"], tuple(map(tuple, state["scores"]))
    step.optimizer.load_state_dict(state["optimizer"])
    step.clip.load(state["clip"])
    if step.scaler is not None and state["scaler"] is not None:
        step.scaler.load_state_dict(state["scaler"])
    trainer.losses = list(state["losses"].to(trainer.device))
    trainer.cuts = [Clipped(*cut) for cut in zip(*(part.to(trainer.device) for part in state["cuts"]), strict=True)]
    history.rows, history.losses = state["history"]["rows"], state["history"]["losses"].tolist()
    history.clipped = Counter(state["history"]["clipped"])
    if trainer.meter is not None:
        trainer.meter.load(state["meter"])
    left = dict(state["callbacks"])
    for key, one in keyed(trainer.callbacks):
        if key in left:
            one.load(left.pop(key))
    torch.set_rng_state(state["rng"])
    _set_device_rng(trainer.device, state["device_rng"])
    return list(left)


def keyed(callbacks: Sequence[Callback]) -> Iterator[tuple[str, Callback]]:
    """Callbacks under the name of their class, numbered where there are several of one."""
    seen: Counter[str] = Counter()
    for one in callbacks:
        name = type(one).__qualname__
        seen[name] += 1
        yield (name if seen[name] == 1 else f"{name} {seen[name]}"), one


def _refuse_other_data(trainer: Trainer, examples: int, batch_size: int) -> None:
    # where a run stands is counted in batches: among others it would be somewhere else
    if (len(trainer.train), trainer.batch_size) != (examples, batch_size):
        raise InputError(
            f"resume: the run began with {examples} examples in batches of {batch_size}, not {len(trainer.train)} in "
            f"batches of {trainer.batch_size}; resume with the data and the batch size that it began with."
        )


def _device_rng(device: torch.device) -> list[torch.Tensor]:
    if device.type == "cuda":
        return torch.cuda.get_rng_state_all()
    return [torch.mps.get_rng_state()] if device.type == "mps" else []


def _set_device_rng(device: torch.device, states: list[torch.Tensor]) -> None:
    # of a run that goes on on another kind of device, or on other devices, the numbers cannot be the same
    if device.type == "cuda" and len(states) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(states)
    elif device.type == "mps" and len(states) == 1:
        torch.mps.set_rng_state(states[0])
