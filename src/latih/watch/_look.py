"""Samples: when one is due, what it sees from forward pass to update, and when it is better begun anew."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from latih.tape import tensors

from ._guard import Guard, guarded
from ._losses import LossReader
from ._pace import Pace
from ._record import Record, Sample
from ._sampling import Sampling
from ._structure import Structure

_BLIND = 2
"""Updates without a visible forward pass until a sample makes do without activations."""


class Look:
    """Takes the samples of one model. `due` says that the next update is to be looked at."""

    def __init__(
        self, model: nn.Module, optimizer: Any, record: Record, guard: Guard, pace: Pace, losses: LossReader
    ) -> None:
        self.record, self.guard, self.losses = record, guard, losses
        self.due = True
        self.on_due: Callable[[bool], None] = lambda due: None
        """Told when a sample becomes due, and when it has been taken."""
        self.outputs: list[Tensor] = []
        """Of the sampled forward pass."""
        self.pace, self._structure = pace, Structure(model, optimizer, record, guard)
        self._has_optimizer = optimizer is not None
        device = next(model.parameters()).device
        self._device = None if device.type in ("cpu", "meta") else device
        self._sampling: Sampling | None = None
        self._inputs: Tensor | None = None
        self._seconds = 0.0
        self._blind = 0

    @property
    def scene(self) -> object:
        """Another one after every change of the model."""
        return self._structure.scene

    @property
    def open(self) -> bool:
        """A sample is being taken."""
        return self._sampling is not None

    def forward(self, training: bool, inputs: tuple[tuple, dict], thrown_away: bool, stepping: bool) -> None:
        """A forward pass begins in an update that is to be looked at."""
        sampling = self._sampling
        if sampling is not None:
            # begun on what never moved a weight: a gradient that was thrown away, a validation with gradients on
            if not thrown_away and (sampling.differentiated or sampling.training or not training):
                return
            self.abandon()
        self._begin(training, inputs)
        if stepping and self._sampling is not None:  # inside a closure: weights are still as they were
            self._sampling.before_step()

    def forward_done(self, output: Any) -> None:
        """The forward pass is over, or has failed."""
        sampling = self._sampling
        if sampling is None or not sampling.capturing:
            return
        with self._clock():
            sampling.close()
            self.outputs = [one for one in tensors(output) if one.requires_grad][:4]
            if not sampling.seen:
                self._say_blind()

    def backward(self, loss: Tensor, first: bool, scale: Tensor | None) -> None:
        """A loss that reaches the model is about to be differentiated."""
        if self._sampling is None:
            self._blind += 1
            if self._blind < _BLIND:
                return
            self._say_blind()
            self._begin(self.record.training, None)
        sampling = self._sampling
        if sampling is not None:
            with self._clock():
                if first and sampling.differentiated:
                    self.abandon()
                    return
                sampling.before_backward(first, scale)
                if not self.record.samples and first and self.outputs:
                    self._structure.find_unregistered(self.outputs, self._inputs)
                if not self.losses.done:
                    self.losses.read(loss, self.outputs, self._inputs, first)

    def backward_done(self) -> None:
        """Gradients have been added."""
        if self._sampling is not None:
            with self._clock():
                self._sampling.after_backward()
                if not self._has_optimizer:
                    self._sampling.before_step()

    def gradient_is_lost(self) -> bool:
        """Whether the gradient of the sampled update is not finite; on the CPU, where looking costs nothing."""
        raw = None if self._sampling is None else self._sampling.gradients.raw
        return raw is not None and not bool(raw.isfinite())

    def step(self, scale: Tensor | None) -> None:
        """The optimizer is about to move the weights; its gradients are still multiplied by `scale`."""
        if self._sampling is not None:
            with self._clock():
                self._sampling.before_step(scale)

    def updated(self, update: int) -> Sample | None:
        """The weights have moved: fetch the numbers, if this update was looked at."""
        if self._sampling is None or not self._sampling.differentiated:
            return None
        with self._clock():
            sample = self._sampling.finish(update)
        self._sampling, self.outputs, self._inputs, self._blind = None, [], None, 0
        if sample is not None:
            self.record.samples.append(sample)
        if self._device is not None:  # all of the step was waited for
            self._seconds = max(time.perf_counter() - self._opened - self.pace.step(update), 0.0)
        self.pace.taken(update, self._seconds)
        return sample

    def plan(self, update: int) -> None:
        """Whether `update`, which is the next one, is to be looked at."""
        due = "layers" not in self.guard.stopped and self.pace.due(update)
        if due != self.due:
            self.due = due
            self.on_due(due)

    def alarm(self, update: int) -> None:
        """Something looks wrong."""
        self.pace.alarm(update)

    def abandon(self) -> None:
        """Forget the sample that is being taken."""
        sampling, self._sampling, self.outputs, self._inputs = self._sampling, None, [], None
        if sampling is not None:
            sampling.abandon()

    def stop(self) -> None:
        """Take no samples any more."""
        self.due = False
        self.abandon()

    def _begin(self, training: bool, inputs: tuple[tuple, dict] | None) -> None:
        known = self.scene
        scene = self._structure.look(inputs)
        self._inputs = next((one for one in tensors(inputs) if one.dim()), None)
        if known is None:
            self.pace.began(self.record.updates)
        if self._device is not None:
            torch.get_device_module(self._device).synchronize(self._device)
        self._opened, self._seconds = time.perf_counter(), 0.0
        self.record.training = training if not self.record.samples else self.record.training
        with self._clock():
            self._sampling = Sampling(scene, self.guard, training)
            if inputs is not None and not self._structure.compiled:
                self._sampling.open()
            elif inputs is not None:
                self._say_blind()

    @guarded("notes")
    def _say_blind(self) -> None:
        self.guard.note(
            "activations could not be seen: the model runs compiled, in shards, or on other tensors than its "
            "parameters; weights and their gradients were measured"
        )

    @contextmanager
    def _clock(self) -> Iterator[None]:
        started = time.perf_counter()
        yield
        self._seconds += time.perf_counter() - started
