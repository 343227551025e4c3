"""The moments of a step: forward pass, backward passes, the optimizer's step, and what is done at each."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from latih._shards import is_sharded
from latih.tape import unwrap

from ._alarm import Alarm
from ._guard import Guard, guarded, is_quiet, quiet
from ._intercept import unscaled
from ._ledger import Ledger
from ._look import Look
from ._origin import Suspect
from ._reach import Reach, hides_parameters
from ._record import Record
from ._unsuspecting import Unsuspecting
from ._updates import Rates, Versions


class Loop:
    """Follows one model through somebody's loop. Between samples there is little here, and it runs at every step."""

    def __init__(self, model: nn.Module, optimizer: Any, record: Record, guard: Guard, look: Look) -> None:
        self.model, self.record, self.guard, self.look = model, record, guard, look
        self._sharded = is_sharded(model)
        self.ledger, self.suspect = Ledger(), (Unsuspecting if self._sharded else Suspect)(unwrap(model))
        self._versions = Versions(unwrap(model)) if optimizer is None else None
        self._alarm, self._reach = Alarm(), Reach()
        self._rates = Rates(optimizer, record.rates)
        self._counts = self._lost = self._watch_gradient = False
        self._mine: dict[int, Tensor] = {}
        self.look_at_model()

    def look_at_model(self) -> None:
        """Parameters may have come or gone."""
        self._know_parameters()
        self.suspect.choose_probe(self._mine.values())
        self._rates.look_at_groups()
        if self._versions is not None:
            self._versions.look_at_model()

    def _know_parameters(self) -> None:
        if self._sharded and self._mine:
            return  # inside a forward pass some are gathered
        own: dict[int, Tensor] = {id(one): one for one in self.model.parameters() if isinstance(one, nn.Parameter)}
        self._mine = own or self._mine  # inside a functional call there may be none

    def before_forward(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        """A forward pass begins; one without gradients is none of a training."""
        if torch.compiler.is_compiling() or is_quiet() or not torch.is_grad_enabled():
            return
        self.suspect.batch = args, kwargs
        if self._versions is not None and self.ledger.gathering and self._versions.moved():
            self.updated()
        if self.look.due:
            self._look(module, args, kwargs)

    def after_forward(self, module: nn.Module, args: tuple, output: Any) -> None:
        """A forward pass is over, or has failed."""
        if not torch.compiler.is_compiling() and not is_quiet():
            self._forward_done(output)

    def before_backward(self, losses: Sequence[Tensor]) -> None:
        """Something is about to be differentiated."""
        self._counts = False
        if not is_quiet():
            for loss in losses:
                self._count(loss)

    def after_backward(self, losses: Sequence[Tensor]) -> None:
        """Gradients have been added."""
        if self._counts:
            self._differentiated()

    def before_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """The optimizer is about to move the weights."""
        self.ledger.stepping = True
        if self.look.open:
            self._step(optimizer)

    def after_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """It has moved them."""
        self.ledger.stepping = False
        self.updated()

    @guarded("updates")
    def after_any_step(self, optimizer: Any, args: Any, kwargs: Any) -> None:
        """Without an optimizer to follow: some optimizer has made a step."""
        if self._versions is not None:
            self._versions.after_step(optimizer, args, kwargs)

    @guarded("updates")
    def updated(self) -> None:
        """An update is complete."""
        self.record.stale_updates += self.ledger.stale
        if not self.ledger.updated():
            self.guard.note("no loss was seen for some updates: one counts when backward() is called on it")
            self._know_parameters()
        if self.look.open:
            self._close()
        self.record.updates += 1
        self._rates.note(self.record.updates - 1)
        if self.look.due or self.record.updates >= self.look.pace.next:
            self.look.plan(self.record.updates)

    def end(self) -> None:
        """The block ends: an update that nobody has seen yet, and a sample that will not come to its end."""
        if self._versions is not None and self.ledger.gathering and self._versions.moved():
            self.updated()
        self.look.abandon()

    # -- guarded parts: what fails is noted once and left out from then on

    @guarded("losses")
    def _count(self, loss: Tensor) -> None:
        reached = None if self._sharded else self._reach.first(loss, self._mine)
        if reached is None:
            if not self._sharded and not hides_parameters(loss):
                return
            reached = next(iter(self._mine.values()))
        scaled = unscaled(loss)
        # of several losses that are differentiated at once, the first decides
        first = not self._counts and self.ledger.begins(reached)
        self._counts = not self.ledger.closed
        if not self._counts:
            return
        value = self.ledger.add(loss if scaled is None else scaled.loss)
        # with a scaler, gradients that overflow are found by it, and the step is left out
        self._watch_gradient = value is not None and scaled is None
        if value is not None and not math.isfinite(value):
            self._lose(loss)
        if self.look.due:
            self._backward(loss, first, None if scaled is None else scaled.scale)

    @guarded("losses")
    def _differentiated(self) -> None:
        self.ledger.differentiated()
        if self.look.open:
            self._backward_done()
        look = self._watch_gradient and not self._lost
        if look and (self.suspect.gradient_is_lost() or self.look.gradient_is_lost()):
            self._lose(None)

    @guarded("layers")
    def _look(self, module: nn.Module, args: tuple, kwargs: dict) -> None:
        known = self.look.scene
        self.look.forward(module.training, (args, kwargs), self.ledger.thrown_away(), self.ledger.stepping)
        device = next(iter(self._mine.values())).device.type
        self.suspect.autocast = (
            (device, torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else None
        )
        if self.look.scene is not known:
            self.look_at_model()

    @guarded("layers")
    def _forward_done(self, output: Any) -> None:
        self.look.forward_done(output)

    @guarded("layers")
    def _backward(self, loss: Tensor, first: bool, scale: Tensor | None) -> None:
        self.look.backward(loss, first, scale)

    @guarded("layers")
    def _backward_done(self) -> None:
        self.look.backward_done()

    @guarded("layers")
    def _step(self, optimizer: Any) -> None:
        self.look.step(getattr(optimizer, "grad_scale", None))

    @guarded("layers")
    def _close(self) -> None:
        sample = self.look.updated(self.record.updates)
        if sample is not None:
            self.record.losses = self.ledger.flush()
            if self._alarm.rings(sample, self.record.losses):
                self.look.alarm(sample.step)
            if sample.grad_norm is None:
                self.suspect.in_sampled(sample.step, sample.non_finite)

    @guarded("the origin of values that are not finite")
    def _lose(self, loss: Tensor | None) -> None:
        """The loss, or without one its gradient, is not finite: find out where that began, before the update."""
        if self._lost:
            return
        self._lost = True
        self.look.alarm(self.record.updates)
        with quiet():
            if loss is not None:
                self.suspect.search(self.record.updates, loss, self.look.outputs)
            else:
                self.suspect.search_backward(self.record.updates, self.look.losses.facts.ops)
