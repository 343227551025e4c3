"""One phase after the other: what is frozen, how fast the rest learns, and what is kept of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from latih import optim
from latih._checks import InputError
from latih._notation import build, parse
from latih._recipe import Recipe
from latih._reuse import Reuse
from latih.train import Callback, History, Options, Parts, Run, evaluate, fit, pick_device, summarize

from . import _records
from ._blocks import blocks_below
from ._heads_only import HeadOnly
from ._regime import regime
from .phases import Phase


@dataclass
class Job:
    """A fine-tuning: `parts` with the output layer at the path `head` of the model."""

    parts: Parts
    head: str
    recipe: Recipe
    reuse: Reuse
    folder: Path | None = None
    resume: bool = False
    callbacks: Sequence[Callback] = ()
    say: Callable[[str], None] = print


class Phased:
    """Runs the phases of a job; after each the model holds the best weights so far."""

    def __init__(self, job: Job) -> None:
        self.job = job
        self.model = job.parts.model.to(pick_device(job.recipe.device))
        self.phases = build("phases", job.reuse.phases).over(job.recipe.epochs)
        self.blocks = blocks_below(self.model, job.head)
        self.history = History()
        self.updates = 0
        self.best: tuple[float, float] | None = None
        self.optimizer: torch.optim.Optimizer | None = None
        self.kept: dict[str, Any] | None = None
        self.watched = "valid_loss"

    def run(self) -> Run:
        """All phases that are not done yet, then the test part."""
        job = self.job
        done = _records.finished(job.folder) if job.resume else 0
        for number, phase in enumerate(self.phases, start=1):
            with regime(self.model, phase, self.blocks, job.head, job.reuse.norms, job.recipe.batch_size) as line:
                if number <= done:
                    self._take_up(number, phase, last=number == done)
                    continue
                job.say(f"phase {number}/{len(self.phases)} {phase.name}: {line}")
                if (run := self._train(number, phase)).interrupted:
                    self.history.stopped = run.history.stopped
                    return self._finished(run)
        return self._finished(None)

    def _train(self, number: int, phase: Phase) -> Run:
        job = self.job
        parts, cached = replace(job.parts, test=None, source=None), None
        if phase.share == 0 and job.reuse.cache:
            cached = HeadOnly.of(job.parts, job.head, job.recipe, job.reuse, job.say)
            parts = parts if cached is None else cached.parts
        optimizer = self._optimizer(phase)
        folder = None if job.folder is None else _records.place(job.folder, number, phase.name)
        resume = job.resume and folder is not None and _records.can_resume(folder)
        if folder is not None and not resume:
            _records.clear(folder)
        callbacks = [*job.callbacks, *(cached.callbacks if cached is not None else ())]
        before = {name: value.clone() for name, value in self.model.state_dict().items()}
        options = Options(None, optimizer, folder, resume, callbacks=callbacks)
        run = fit(parts, self._recipe(number, phase, cached is not None), options)
        if run.interrupted:
            return run
        self._judge(number, phase, run, before)
        self._append(number, run.history, run.summary["updates"])
        self.optimizer = optimizer
        if folder is not None:
            rows, losses, clipped = run.history.rows, run.history.losses, dict(run.history.clipped)
            record = _records.Record(rows, losses, run.summary["updates"], self.best, self.kept, self.watched, clipped)
            _records.finish(folder, self.model, optimizer, record)
        return run

    def _judge(self, number: int, phase: Phase, run: Run, before: dict[str, Tensor]) -> None:
        """Keep what the phase learned only if validation says that it is the best so far."""
        rank, self.watched = run.rank, run.summary["watched"]
        if self.best is not None and rank is not None and not rank < self.best:
            self.model.load_state_dict(before)
            self.job.say(f"phase {number} ({phase.name}) was no better than before it; its weights are not kept")
        elif rank is not None:
            row = run.summary["kept"]
            epochs, updates = len(self.history.rows), self.updates
            self.best, self.kept = rank, row | {"epoch": row["epoch"] + epochs, "step": row["step"] + updates}

    def _take_up(self, number: int, phase: Phase, *, last: bool) -> None:
        """Go on from a phase that was done before the interruption."""
        assert self.job.folder is not None
        folder = _records.place(self.job.folder, number, phase.name)
        record = _records.read(folder)
        if last:
            self.optimizer = self._optimizer(phase)
            _records.restore(folder, self.model, self.optimizer)
        self.best, self.kept = record.best, record.kept
        self._append(number, History(record.rows, record.losses, Counter(record.clipped)), record.updates)
        self.watched = record.watched

    def _append(self, number: int, history: History, updates: int) -> None:
        epochs = len(self.history.rows)
        for row in history.rows:
            moved = {"epoch": row["epoch"] + epochs, "step": row["step"] + self.updates}
            self.history.rows.append(row | moved | {"phase": number})
        self.history.losses += history.losses
        self.history.clipped += history.clipped
        for one in history.rollbacks:
            moved = {name: one[name] + self.updates for name in ("step", "back_to")}
            self.history.rollbacks.append(one | moved | {"epoch": one["epoch"] + epochs, "phase": number})
        self.updates += updates

    def _finished(self, run: Run | None) -> Run:
        job = self.job
        summary = {"phases": [phase.name for phase in self.phases]} | summarize(self.history, self.kept, self.updates)
        summary["watched"] = self.watched
        if job.parts.test is not None and run is None:
            summary["test"] = evaluate(job.parts, job.recipe, job.parts.test, "test")
        return Run(self.model, self.history, job.recipe, summary, job.folder, self.best)

    def _optimizer(self, phase: Phase) -> torch.optim.Optimizer:
        """Rates by depth, and the state that the last phase's optimizer had for what it trained."""
        recipe = self.job.recipe
        spec = build("optim", recipe.optimizer).with_(lr=recipe.lr, weight_decay=recipe.weight_decay)
        rate = spec.lr * phase.rate
        if spec.groups is not optim.decay_groups:
            made = spec.with_(lr=rate)(self.model)  # it parts the weights by its own rule
        else:
            blocks = [self.model.get_submodule(path) for path in (*self.blocks, self.job.head)]
            made = spec.with_(lr=rate)(
                optim.groups(
                    self.model,
                    lr=rate * phase.reused / phase.decay,
                    weight_decay=spec.weight_decay,
                    layer_decay=phase.decay,
                    head_scale=phase.decay / phase.reused,
                    blocks=blocks,
                )
            )
        if self.optimizer is not None:
            optim.migrate(self.optimizer, made, self.model)
        return made

    def _recipe(self, number: int, phase: Phase, cached: bool) -> Recipe:
        recipe = self.job.recipe
        assert phase.epochs is not None
        updates = phase.epochs * -(-len(self.job.parts.train) // recipe.batch_size)
        warmup = int(phase.warmup * updates)
        warm = warmup > 0 and parse("schedules", recipe.schedule)[0].name != "warmup"
        return replace(
            recipe,
            epochs=phase.epochs,
            schedule=f"warmup({warmup}) >> {recipe.schedule}" if warm else recipe.schedule,
            patience=min(phase.patience, recipe.patience),
            # another order of the examples than in the phase before
            seed=(recipe.seed + number - 1) % 2**63,
            init="auto",
            extended="",
            augment="none()" if cached else recipe.augment,
        )


def refuse_strange_labels(parts: Parts, classes: Sequence[str] = ()) -> None:
    """Refuse validation labels that training never sees: nothing can be learned of them."""
    if parts.valid is None or parts.train.targets.is_floating_point():
        return
    strange = sorted(set(parts.valid.targets.unique().tolist()) - set(parts.train.targets.unique().tolist()))
    if strange:
        named = [str(classes[label]) if label < len(classes) else str(label) for label in strange[:3]]
        raise InputError(
            f"valid: {len(strange)} of its classes never occur in training ({', '.join(named)}); training and "
            "validation must hold the same classes."
        )
