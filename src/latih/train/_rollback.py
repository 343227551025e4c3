"""A run that diverges goes back to its last good state by itself."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from latih._shards import divided, local
from latih.data import Batch
from latih.watch import Origin

from ._blame import loss_on, origin_of
from ._callbacks import Callback, StopTraining
from ._feed import refetch
from ._last_good import LastGood, all_finite
from ._remedy import MUCH_SLOWER, SLOWER, Remedy, Treat, note, of_batch, reason, slower
from ._spike import WINDOW, Level, Spike

if TYPE_CHECKING:
    from ._trainer import Trainer

DIVERGED = "diverged"
TREATED = "treated"
"""Why a fit ends whose rest somebody else takes over."""
_SHARE, _SHORTEST, _LONGEST = 10, 2 * WINDOW, 500
"""A copy is due after a tenth of the updates so far, but not before 50 and at the latest after 500: in the long run it
costs next to nothing, and what going back costs is in proportion to what was learned."""


class Rollback(Callback):
    """Go back to the last good state when the loss is not finite or has left its level; at most `tries` times.

    Losses are read from the device every 25 updates and before weights are validated or saved; on the CPU, where
    reading is free, after every update. The last two good states are kept in memory. When a run goes back, data and
    schedule go on: the updates since are lost, and their batches skipped. For the rest of the run,

    - examples that are not finite themselves are left out, and others take their places;
    - otherwise, a batch whose loss is not finite on good weights either is only skipped;
    - otherwise, the steps were too large: the base learning rate is halved, or divided by ten where the loss had grown
      up to the point where it was lost.

    After the last try the run ends at its last good state with `history.stopped == "diverged"`, and
    `history.diverged` says where the first value that was not finite came from.
    """

    def __init__(self, tries: int, treat: Treat | None = None) -> None:
        self.tries, self.treat = tries, treat
        self.used, self.factor = 0, 1.0
        self.done: list[dict[str, Any]] = []
        self.left_out: tuple[int, ...] = ()
        self.level = Level()
        self.good: list[LastGood] = []
        self._spare: LastGood | None = None
        self._pending = self._kept_at = self._alert_until = 0
        self._look_after = WINDOW
        self._reads_free = self._infinite = False
        self._origin: Origin | None = None

    def on_fit_start(self, trainer: Trainer) -> None:
        """Make true what a checkpoint remembers."""
        self._reads_free = trainer.device.type == "cpu"
        trainer.history.rollbacks[:] = self.done
        trainer.left_out = self.left_out
        self._slow_down(trainer, self.factor)
        self._look_after = self._updates_ahead(trainer)

    def on_epoch_start(self, trainer: Trainer) -> None:
        """The state that training begins with is good until it is shown not to be."""
        if not self.good:
            self._keep(trainer)

    def on_loss(self, trainer: Trainer) -> None:
        """Where losses are read at once, the weights that made one that is not finite can still be asked."""
        if trainer.world.size > 1:
            return  # of a part: all processes look at the whole batch, when it is lost
        if self._reads_at_once(trainer) and not math.isfinite(float(trainer.step.loss)):
            self._infinite = True
            self._origin = self._origin or origin_of(trainer.step, *trainer.last[:2])

    def on_step_end(self, trainer: Trainer) -> None:
        """Count, and look when it is time."""
        self._pending += 1
        if self._pending >= self._look_after or self._infinite:
            self._look(trainer)

    def on_use(self, trainer: Trainer) -> None:
        """What is validated or saved has been looked at, weights included."""
        # in evaluation mode an optimizer may have other weights in place, of a state that was looked at
        if trainer.step.model.training and trainer.step.count > self._kept_at and not self._look(trainer):
            self._look_at_weights(trainer, least=1)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Mark the epoch in which it happened."""
        row = trainer.history.rows[-1]
        if here := sum(one["epoch"] == row["epoch"] for one in self.done):
            row["rollbacks"] = here

    def state(self) -> dict[str, Any]:
        """What a checkpoint needs to go on; the state that is saved with it is the one to go back to."""
        return {
            "used": self.used,
            "factor": self.factor,
            "done": [dict(one) for one in self.done],
            "left_out": list(self.left_out),
            "level": self.level.state(),
        }

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.used, self.factor = state["used"], state["factor"]
        self.done, self.left_out = list(state["done"]), tuple(state["left_out"])
        self.level.load(state["level"])

    # -- looking; each says whether the run went back

    def _look(self, trainer: Trainer) -> bool:
        """At the losses since the last look, and at the weights when a copy is due."""
        went_back = self._look_at_losses(trainer)
        self._look_after = self._updates_ahead(trainer)
        return went_back

    def _look_at_losses(self, trainer: Trainer) -> bool:
        count, self._pending, self._infinite = self._pending, 0, False
        for place, loss in enumerate(_read(trainer.losses[-count:] if count else [])):
            if not math.isfinite(loss):
                return self._lost(trainer, count - place, "the loss is not finite")
            self.level.add(loss)
        if not self.level.full:
            return False
        spike = self.level.risen()
        if spike is not None:
            return self._rose(trainer, spike)
        return self._due(trainer, _SHORTEST) and self._look_at_weights(trainer, _SHORTEST)

    def _look_at_weights(self, trainer: Trainer, least: int) -> bool:
        if self._due(trainer, least):
            finite = self._keep(trainer)
        else:
            finite = _everywhere(trainer, all_finite([local(one.detach()) for one in trainer.step.parameters]))
        return not finite and self._lost(trainer, 0, "a weight is not finite")

    def _rose(self, trainer: Trainer, spike: Spike) -> bool:
        """Ask the last batch whether it is the weights, or only the batches, that are to blame."""
        middle = (spike.usual + spike.now) / 2
        if float(trainer.losses[-1]) <= middle:
            return False  # this one says nothing: the next may
        batch = refetch(trainer, trainer.batch - 1) or trainer.last
        before = loss_on(self._before(trainer, spike.updates), trainer.step, *batch[:2])
        if not before < middle:
            self.level.accept()  # it was as hard before
            return False
        why = f"the loss rose from {spike.usual:.3g} to {spike.now:.3g}"
        return self._go_back(trainer, spike.updates, why, None, SLOWER)

    def _lost(self, trainer: Trainer, updates: int, why: str) -> bool:
        """Something is not finite since so many updates (0: nobody knows)."""
        began = self.level.began()
        batch = refetch(trainer, trainer.batch - updates) if updates else None
        return self._go_back(trainer, updates + (began or 0), why, batch, SLOWER if began is None else MUCH_SLOWER)

    def _due(self, trainer: Trainer, least: int) -> bool:
        since = trainer.step.count - self._kept_at
        return since >= max(least, min(trainer.step.count // _SHARE, _LONGEST)) and not self.level.rising

    def _updates_ahead(self, trainer: Trainer) -> int:
        """How many may pass until losses are looked at, if none of those that are read at once says otherwise."""
        if not self._reads_at_once(trainer):
            return WINDOW
        return max(1, WINDOW - len(self.level.window)) if trainer.world.size == 1 else 1

    def _reads_at_once(self, trainer: Trainer) -> bool:
        return self._reads_free or trainer.step.count < self._alert_until

    def _keep(self, trainer: Trainer) -> bool:
        """Copy the state over the older of the two; whether it was finite."""
        spare = self._spare or (self.good.pop(0) if len(self.good) == 2 else LastGood())
        finished = trainer.batch * trainer.batch_size >= len(trainer.train)
        finite = _everywhere(trainer, spare.take(trainer.step, trainer.epoch + finished))
        if not finite and self.good:
            self._spare = spare
            return False
        self.good.append(spare)
        self._spare, self._kept_at = None, trainer.step.count
        return True

    # -- going back

    def _before(self, trainer: Trainer, updates: int) -> LastGood:
        """The newest state from before the last so many updates; the oldest if all are younger."""
        first = trainer.step.count - updates
        return next((one for one in reversed(self.good) if one.count <= first), self.good[0])

    def _go_back(self, trainer: Trainer, updates: int, why: str, batch: Batch | None, factor: float) -> bool:
        step, good = trainer.step, self._before(trainer, updates)
        # where it was once before, it came to the same end from there
        good = self.good[0] if good.used else good
        self.good = self.good[: self.good.index(good) + 1]
        good.put_back(step)
        self.level.undo()
        self._kept_at, self._pending, self._alert_until = step.count, 0, step.count + WINDOW
        trainer.forget(min(updates, trainer.batch))
        found = None if batch is None else origin_of(step, *batch[:2])
        why, self._origin = reason(why, self._origin or found), None
        if self.used >= self.tries:
            times = f"{self.used} time{'s' * (self.used != 1)}"
            trainer.history.diverged = f"update {step.count}, after going back {times}: {why}"
            raise StopTraining(DIVERGED)
        remedy = of_batch(trainer, batch) if batch is not None and found is not None else self._remedy(trainer, factor)
        self._change(trainer, remedy)
        record = {"epoch": trainer.epoch + 1, "step": step.count, "why": why, "back_to": good.count}
        self.done.append(record | {"changed": remedy.text, "rate_factor": remedy.factor})
        trainer.history.rollbacks.append(self.done[-1])
        trainer.say(note(record, good, remedy, f"{self.used} of {self.tries}"))
        if remedy.treated:
            raise StopTraining(TREATED)
        return True

    def _remedy(self, trainer: Trainer, factor: float) -> Remedy:
        text = None if self.treat is None else self.treat(trainer, self.good[-1])
        self.treat = None  # what has no answer now is not asked again
        return slower(factor) if text is None else Remedy(text, treated=True)

    def _change(self, trainer: Trainer, remedy: Remedy) -> None:
        self.used += 1
        self.factor *= remedy.factor
        self._slow_down(trainer, remedy.factor)
        if remedy.left_out:
            self.left_out = trainer.left_out = (*self.left_out, *remedy.left_out)

    def _slow_down(self, trainer: Trainer, factor: float) -> None:
        trainer.step.base_rates = [base * factor for base in trainer.step.base_rates]


def _everywhere(trainer: Trainer, finite: bool) -> bool:
    """Of shards, each process has seen its own."""
    return not trainer.world.any(not finite) if divided(trainer.step.parameters[0]) else finite


def _read(losses: list[Tensor]) -> list[float]:
    """The values, with one wait for the device."""
    if len(losses) == 1:
        return [float(losses[0])]
    return torch.stack(losses).tolist() if losses else []
