"""The block in which a training is watched."""

from __future__ import annotations

import importlib
from contextlib import ExitStack
from typing import Any

import torch
from torch import nn
from torch.optim.optimizer import register_optimizer_step_post_hook

from latih._checks import InputError
from latih.tape import unwrap

from ._guard import Guard, guarded
from ._hook import Hook
from ._intercept import listening
from ._look import Look
from ._loop import Loop
from ._losses import LossReader
from ._pace import Pace
from ._record import Evaluation, Record


class Watching:
    """What `latih.watch` gives: `record` fills while the block runs, `findings()` judges it at any time."""

    def __init__(self, model: nn.Module, optimizer: torch.optim.Optimizer | None, loss: Any, every: int | None) -> None:
        self.model, self.optimizer, self.loss = model, optimizer, loss
        self._record = Record(model=type(unwrap(model)).__name__, planned=None)
        self.guard = Guard(self._record.notes)
        self._losses = LossReader()
        self._look = Look(model, optimizer, self._record, self.guard, Pace(every), self._losses)
        self._look.on_due = self._arm
        self.guard.on_failure = self._failed
        self._loop = Loop(model, optimizer, self._record, self.guard, self._look)
        self._stack: ExitStack | None = None
        self._armed: list[Any] = []

    def __enter__(self) -> Watching:
        if self._stack is not None:
            raise InputError("watch(...): this block is already open; make a new one with latih.watch(...).")
        with ExitStack() as stack:
            stack.callback(self._disarm)
            for hook in self._every_step():
                stack.callback(hook.remove)
            stack.enter_context(listening(self._loop))
            self._arm(self._look.due)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *reason: object) -> None:
        stack, self._stack = self._stack, None
        if stack is not None:
            with stack:
                self._finish_block()

    @property
    def record(self) -> Record:
        """Everything that was seen by now, as plain data."""
        self._flush()
        return self._record

    def findings(self) -> Any:
        """What keeps the network from learning, as far as it can be told by now: `latih.diagnose.Findings`."""
        # judging is the room above this one, and only asked for here
        return importlib.import_module("latih.diagnose").judge(self.finish())

    def log(self, part: str = "valid", **values: float) -> None:
        """Tell of a result that cannot be seen from here: `w.log(loss=0.4, accuracy=0.9)` after each validation."""
        if not isinstance(part, str):
            raise InputError(f"log(part={part!r}): part must be a name such as 'valid'; pass values as accuracy=0.9.")
        try:
            plain: dict[str, float | None] = {name: float(one) for name, one in values.items()}
        except (TypeError, ValueError):
            raise InputError(f"log(**{values!r}): values must be numbers; pass them as accuracy=0.9.") from None
        self._record.evaluations.append(Evaluation(step=self._record.updates, part=part, values=plain))

    def finish(self) -> Record:
        """The record as it stands, with what is computed only when somebody asks."""
        self._flush()
        self._sum_up()
        return self._record

    def _every_step(self) -> list[Any]:
        """The hooks that stay for all of the block."""
        loop, optimizer = self._loop, self.optimizer
        on_cpu = next(self.model.parameters()).device.type == "cpu"
        # elsewhere a loss is read too late for the batch to be of use
        self._sees_every_batch = optimizer is None or on_cpu
        hooks: list[Any] = []
        if self._sees_every_batch:
            hooks.append(self.model.register_forward_pre_hook(Hook(loop.before_forward), with_kwargs=True))
        if optimizer is not None:
            hooks.append(optimizer.register_step_pre_hook(Hook(loop.before_step)))
            hooks.append(optimizer.register_step_post_hook(Hook(loop.after_step)))
        else:
            hooks.append(register_optimizer_step_post_hook(loop.after_any_step))
        return hooks

    @guarded("layers")
    def _arm(self, due: bool) -> None:
        """Put in the hooks that only samples need, or take them out."""
        if due and not self._armed:
            if not self._sees_every_batch:
                before = Hook(self._loop.before_forward)
                self._armed.append(self.model.register_forward_pre_hook(before, with_kwargs=True))
            self._armed.append(self.model.register_forward_hook(Hook(self._loop.after_forward), always_call=True))
            if isinstance(self.loss, nn.Module):
                self._armed.append(self.loss.register_forward_hook(Hook(self._loss_seen)))
        elif not due:
            self._disarm()

    def _disarm(self) -> None:
        armed, self._armed = self._armed, []
        for hook in armed:
            hook.remove()

    def _failed(self, part: str) -> None:
        if part == "layers":
            self._look.stop()
            self._disarm()

    @guarded("targets")
    def _loss_seen(self, module: nn.Module, args: tuple, output: Any) -> None:
        if len(args) >= 2 and not self._losses.done and torch.is_grad_enabled():
            self._losses.told(args[0], args[1])

    @guarded("the end of the block")
    def _finish_block(self) -> None:
        self._loop.end()
        self._record.ended = True
        self.finish()

    @guarded("losses")
    def _flush(self) -> None:
        """Fetch the losses that are still on the device, all at once."""
        self._record.losses = self._loop.ledger.flush()

    @guarded("the loss")
    def _sum_up(self) -> None:
        self._record.loss = self._losses.finish()
        self._record.origin = self._loop.suspect.origin
