"""The loop."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor

from latih._recipe import Recipe
from latih.clip import Clipped
from latih.data import Batch, Examples
from latih.data.augment import Augment

from ._callbacks import Callback, StopTraining, reactions
from ._feed import feed
from ._history import History
from ._metrics import Meter
from ._parts import begin_part, even_part
from ._processes import World
from ._step import Step


def _say_nothing(line: str) -> None:
    """Nobody listens."""


@dataclass
class Trainer:
    """Runs `step` over `train` for `recipe.epochs` epochs, validating after each; callbacks see every moment.

    `epoch` and `batch` say where the run stands (both counted from 0), so that a checkpoint can put it back there.
    """

    step: Step
    train: Examples
    valid: Examples | None
    meter: Meter | None
    recipe: Recipe
    augment: Augment
    device: torch.device
    batch_size: int
    callbacks: Sequence[Callback] = ()
    history: History = field(default_factory=History)
    epoch: int = 0
    batch: int = 0
    interrupted: bool = False
    """Set when the run was asked to stop and will be resumed."""
    left_out: Sequence[int] = ()
    """Examples that are not trained on."""
    say: Callable[[str], object] = _say_nothing
    """Where a line for the user goes."""
    world: World = field(default_factory=World)
    """The processes that train together; batch sizes, losses and metrics are those of all of them."""

    def __post_init__(self) -> None:
        self._reactions = reactions(self.callbacks)
        self.step.notify = self.notify
        # of this epoch, left on the device
        self.losses: list[Tensor] = []
        self.cuts: list[Clipped] = []

    def notify(self, event: str) -> None:
        """Tell every callback that overrides `event`; one that stops the run does not silence the others."""
        stop: StopTraining | None = None
        for react in self._reactions[event]:
            try:
                react(self)
            except StopTraining as asked:
                stop = stop or asked
        if stop is not None:
            raise stop

    def fit(self) -> History:
        """Train until the last epoch or until a callback raises `StopTraining`."""
        try:
            self.notify("on_fit_start")
            while self.epoch < self.recipe.epochs:
                self.run_epoch()
        except StopTraining as stop:
            self.history.stopped = str(stop)
        finally:
            self.step.mode(training=False)
            self.notify("on_fit_end")
        return self.history

    def run_epoch(self) -> None:
        """The batches that are left of this epoch, then validation."""
        started, first = time.perf_counter(), self.batch
        self.step.mode(training=True)
        self.notify("on_epoch_start")
        for batch in feed(self):
            self.train_batch(self.prepared(batch))
        self.notify("on_use")
        row = self._training_row(time.perf_counter() - started, len(self.train) - first * self.batch_size)
        self.step.mode(training=False)
        # running statistics differ between processes; the first one's are saved
        self.world.share(self.step.model.buffers())
        if self.valid is not None:
            row |= self.evaluate(self.valid, "valid")
        self.history.rows.append(row)
        self.epoch, self.batch, self.losses, self.cuts = self.epoch + 1, 0, [], []
        self.step.scores += ((self.step.count, self.rank(row)[0]),)
        self.notify("on_epoch_end")

    def prepared(self, batch: Batch) -> Batch:
        """The batch as the step sees it: on the device, augmented."""
        inputs, targets, index = batch
        inputs = inputs.to(self.device)
        if self.augment.steps:
            inputs = self.augment(inputs, index, self.recipe.seed, self.epoch)
        return Batch(inputs, targets.to(self.device), index)

    def train_batch(self, batch: Batch) -> None:
        """One update from a prepared batch; nothing here waits for the device."""
        self.last = batch
        inputs, targets, _ = batch
        counted = len(targets) if self.world.size == 1 else begin_part(self)
        self.step(inputs, targets)
        if self.world.size > 1:
            self.step.loss = self.world.sum(self.step.loss) / self.world.size
        self.losses.append(self.step.loss)
        if self.step.clipped is not None:
            self.cuts.append(self.step.clipped)
        if self.meter is not None:
            self.meter.add(self.step.output[:counted], targets[:counted])
        self.batch += 1
        self.notify("on_step_end")

    def forget(self, updates: int) -> None:
        """Leave the last `updates` of this epoch out of its row: they were undone."""
        if updates:
            del self.losses[-updates:], self.cuts[-updates:]
            if self.meter is not None:
                self.meter.forget(updates)

    @torch.no_grad()
    def evaluate(self, examples: Examples, part: str) -> dict[str, float]:
        """Loss and metric over `examples`, as columns named after the `part`; the step is in evaluation mode."""
        model = self.step.model
        meter, total = self.meter, torch.zeros((), device=self.device)
        if meter is not None:
            meter.reset()
        with self.step.autocast:
            part_of_it, left = even_part(len(examples), self.world)
            for inputs, targets, _ in examples.batches(part_of_it, self.evaluation_batch):
                output = model(inputs.to(self.device))
                targets, output, left = targets[:left].to(self.device), output[:left], left - len(targets)
                if not len(targets):
                    break  # what makes the parts even does not count
                total += self.step.loss_function(output, targets) * len(targets)
                if meter is not None:
                    meter.add(output, targets)
        row = {f"{part}_loss": float(self.world.sum(total)) / len(examples)}
        if meter is not None:
            row[f"{part}_{meter.name}"] = meter.compute()
            meter.reset()
        return row

    @property
    def evaluation_batch(self) -> int:
        """Validation keeps no activations for a backward pass, so its batches may be larger."""
        return max(self.batch_size, 256)

    @property
    def watched(self) -> tuple[str, bool]:
        """The column that decides what is best, and whether higher is better."""
        part = "train" if self.valid is None else "valid"
        if self.recipe.watch == "loss" or self.meter is None:
            return f"{part}_loss", False
        return f"{part}_{self.meter.name}", self.meter.higher_is_better

    def rank(self, row: dict[str, float]) -> tuple[float, float]:
        """What decides which epoch is best, lower is better: the watched value, and the loss where that is equal."""
        name, higher_is_better = self.watched
        value, loss = row[name], row[f"{name.partition('_')[0]}_loss"]
        ranked = (-value if higher_is_better else value, loss)
        return tuple(math.inf if math.isnan(one) else one for one in ranked)  # pyright: ignore

    def _training_row(self, seconds: float, examples: int) -> dict[str, float]:
        # one transfer for the whole epoch's losses
        losses = torch.stack(self.losses).float().cpu() if self.losses else torch.full((1,), float("nan"))
        self.history.losses.extend(losses.tolist())
        row = {"epoch": self.epoch + 1, "step": self.step.count, "lr": self.step.lr, "train_loss": float(losses.mean())}
        if self.meter is not None:
            row[f"train_{self.meter.name}"] = self.meter.compute()
            self.meter.reset()
        if self.cuts:
            row |= self._clip_columns()
        return row | {"seconds": round(seconds, 4), "examples_per_second": round(examples / max(seconds, 1e-9), 1)}

    def _clip_columns(self) -> dict[str, float]:
        removed, where = (torch.stack(part).cpu() for part in list(zip(*self.cuts, strict=True))[1:])
        names = {id(parameter): name for name, parameter in self.step.model.named_parameters()}
        for place in where[removed > 0].tolist():
            self.history.clipped[names[id(self.step.parameters[place])]] += 1
        return {"clipped_steps": float((removed > 0).float().mean()), "clipped_share": float(removed.mean())}
