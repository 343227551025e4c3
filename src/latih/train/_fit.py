"""From model, examples and recipe to a finished run."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih._notation import build
from latih._recipe import Recipe, Source, write_toml
from latih.data import Examples, TensorExamples, peek_targets
from latih.optim import OptimizerSpec

from . import run_folder
from ._callbacks import Callback
from ._checkpoint import Checkpoints
from ._device import pick_device
from ._early import EarlyStopping
from ._history import History
from ._interrupt import Interrupt
from ._metrics import Meter
from ._parts import check_parts
from ._plan import over_run, planned, write_plan
from ._probe import probe
from ._processes import current
from ._remedy import Treat
from ._rollback import Rollback
from ._seed import seeded
from ._sharded import refuse_sharded, refuse_unshardable, shard
from ._sharded_checkpoint import ShardedCheckpoints
from ._step import LossFunction, Step
from ._together import refuse_apart, shared_norms, together
from ._trainer import Trainer
from ._whole import save_whole


@dataclass
class Run:
    """A finished training: the trained `model`, its `history`, and `summary` with the best epoch's numbers."""

    model: nn.Module
    history: History
    recipe: Recipe
    summary: dict[str, Any]
    folder: Path | None = None
    rank: tuple[float, float] | None = None
    """What decided which weights are kept, lower is better: the watched value, and the loss where that is equal."""
    healing: Any = None
    """What `latih.heal` found and changed before, where it was asked."""

    @property
    def interrupted(self) -> bool:
        """True when the run was asked to stop and can be resumed."""
        return self.history.stopped == "interrupted"

    @torch.no_grad()
    def predict(self, inputs: Tensor, batch_size: int = 256) -> Tensor:
        """Outputs (n, ...) of the trained model for raw `inputs` (n, *shape), on the CPU."""
        self.model.eval()
        device = next(self.model.parameters()).device
        return torch.cat([self.model(part.to(device)).cpu() for part in torch.as_tensor(inputs).split(batch_size)])


@dataclass
class Parts:
    """What is trained, on what, against which loss."""

    model: nn.Module
    train: Examples
    valid: Examples | None
    loss: LossFunction
    test: Examples | None = None
    source: Source | None = None
    """Where model and data came from, for the run folder's recipe.toml."""


@dataclass
class Options:
    """What a caller may set beyond the recipe."""

    loss: str | LossFunction | None = None
    optimizer: str | OptimizerSpec | torch.optim.Optimizer | None = None
    folder: Path | None = None
    resume: bool = False
    extend: str | None = None
    """What the learning rate does where a resumed run is longer than planned: "stretch", "hold" or "restart"."""
    callbacks: Sequence[Callback] = ()
    shard: bool = False
    """Whether weights, gradients and optimizer state are divided among the processes."""
    treat: Treat | None = None
    """Asked for a treatment of a run that diverges, before its learning rate is cut."""


def fit(parts: Parts, recipe: Recipe, options: Options) -> Run:
    """Train, evaluate on the test part if there is one, and leave the caller's random state as it was."""
    started = time.perf_counter()
    world = current()
    recipe = world.once(lambda: planned(recipe, options.folder, resume=options.resume, extend=options.extend))
    with seeded(recipe.seed):
        trainer = make_trainer(parts, recipe, options)
        trainer.fit()
        kept = _kept(trainer)
        summary = _summary(trainer, kept, parts.test)
    if options.shard and options.folder is not None and not trainer.interrupted:
        save_whole(options.folder, parts.model, world)
    summary["seconds"] = round(time.perf_counter() - started, 2)
    folder = options.folder if world.first else None
    if folder is not None:
        run_folder.write(folder / run_folder.HISTORY, trainer.history.lines())
        run_folder.write(folder / run_folder.SUMMARY, msgspec.json.format(msgspec.json.encode(summary), indent=2))
    rank = None if kept is None else trainer.rank(kept)
    return Run(parts.model, trainer.history, recipe, summary, folder, rank)


def make_trainer(parts: Parts, recipe: Recipe, options: Options) -> Trainer:
    """Check that everything fits and put it together; with `resume`, as the newest checkpoint left it."""
    world, device = current(), pick_device(recipe.device)
    train, valid = on_device(parts.train, device), on_device(parts.valid, device)
    size = getattr(train, "batch_size", recipe.batch_size)
    if size > len(train):
        raise InputError(
            f"recipe(batch_size={size}): only {len(train)} examples to train on; take a batch size of at most that."
        )
    check_parts(world, train, valid, size)
    refuse_sharded(parts.model)
    if options.shard:
        refuse_unshardable(world, parts, recipe, _method(recipe, options))
    outputs, measurable = probe(parts.model.to(device), train, valid, parts.loss, min(size, 32), device)
    meter = Meter(recipe.metric, peek_targets(train), outputs, device, world) if measurable else None
    notices = shared_norms(world, parts.model, device)
    if options.shard:
        refuse_apart(world, parts, size, device)
    step = _step(parts, recipe, options, device, updates=-(-len(train) // size))
    early = EarlyStopping(recipe.patience) if recipe.patience and valid is not None else None
    checkpoints = None
    if options.folder is not None:
        # only now, when everything fits, is anything written
        world.once(lambda: _begin_folder(parts, recipe, options))
        say = None if world.first else _say_nothing
        kind = ShardedCheckpoints if options.shard else Checkpoints
        checkpoints = kind(options.folder, recipe.keep_checkpoints, recipe.save_every, say)
    # checkpoints come last: what the others remember of the moment is saved with it
    rollback = Rollback(recipe.rollback, options.treat) if recipe.rollback else None
    ordered = (rollback, early, *options.callbacks, *notices, Interrupt(checkpoints), checkpoints)
    augment = build("augment", recipe.augment)
    callbacks = [one for one in ordered if one is not None]
    trainer = Trainer(step, train, valid, meter, recipe, augment, device, size, callbacks, world=world)
    if checkpoints is not None and options.resume:
        checkpoints.restore(trainer)
        if options.extend is not None:
            world.once(lambda: write_plan(recipe, checkpoints.folder))
    if world.size > 1 and not options.shard:
        step.network = together(world, parts, size, device)
    return trainer


def _begin_folder(parts: Parts, recipe: Recipe, options: Options) -> None:
    assert options.folder is not None
    run_folder.claim(options.folder, resume=options.resume)
    if not options.resume:
        run_folder.write(options.folder / run_folder.RECIPE, write_toml(recipe, parts.source))


def _say_nothing(line: str) -> None:
    """The first process speaks."""


def on_device(examples: Examples | None, device: torch.device) -> Any:
    """Examples in memory move to the device once; others are moved batch by batch."""
    return examples.to(device) if isinstance(examples, TensorExamples) else examples


def _step(parts: Parts, recipe: Recipe, options: Options, device: torch.device, updates: int) -> Step:
    chosen = _method(recipe, options)
    if options.shard:
        optimizer = shard(current(), parts, chosen, device)
    else:
        optimizer = chosen if isinstance(chosen, torch.optim.Optimizer) else chosen(parts.model)
    return Step(
        parts.model,
        parts.loss,
        optimizer,
        schedule=over_run(build("schedules", recipe.schedule), recipe, updates),
        clip=build("clip", recipe.clip),
        accumulate=recipe.accumulate,
        precision=recipe.precision,
        compiled=recipe.compile,
    )


def _method(recipe: Recipe, options: Options) -> Any:
    """A spec, or the caller's live optimizer."""
    chosen = options.optimizer
    if isinstance(chosen, torch.optim.Optimizer):
        return chosen
    spec = chosen if isinstance(chosen, OptimizerSpec) else build("optim", chosen or recipe.optimizer)
    return spec.with_(lr=recipe.lr, weight_decay=recipe.weight_decay)


def evaluate(parts: Parts, recipe: Recipe, examples: Examples, part: str) -> dict[str, float]:
    """Loss and metric of the model as it is on `examples`, as the trainer takes them."""
    trainer = make_trainer(parts, recipe, Options())
    trainer.step.mode(training=False)
    return trainer.evaluate(on_device(examples, trainer.device), part)


def summarize(history: History, kept: dict[str, Any] | None, updates: int) -> dict[str, Any]:
    """The numbers that every run has."""
    summary: dict[str, Any] = {"epochs": len(history.rows), "updates": updates, "stopped": history.stopped}
    summary["kept"] = kept
    if history.rollbacks:
        summary["rollbacks"] = history.rollbacks
    if history.diverged is not None:
        summary["diverged"] = history.diverged
    if history.clipped:
        summary["clipped"] = dict(history.clipped.most_common(5))
    return summary


def _kept(trainer: Trainer) -> dict[str, float] | None:
    """The row of the epoch whose weights the model ended with."""
    rows, early = trainer.history.rows, any(isinstance(one, EarlyStopping) for one in trainer.callbacks)
    finite = [row for row in rows if math.isfinite(trainer.rank(row)[0])]
    return min(finite, key=trainer.rank, default=None) if early else (rows or [None])[-1]


def _summary(trainer: Trainer, kept: dict[str, float] | None, test: Examples | None) -> dict[str, Any]:
    summary = summarize(trainer.history, kept, trainer.step.count) | {"watched": trainer.watched[0]}
    if trainer.recipe.extended:
        summary["extended"] = trainer.recipe.extended
    if test is not None and not trainer.interrupted:
        summary["test"] = trainer.evaluate(on_device(test, trainer.device), "test")
    return summary
