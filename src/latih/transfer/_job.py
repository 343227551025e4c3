"""A fine-tuning from what was prepared to its run folder."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import torch

from latih import norm
from latih._checks import InputError
from latih._recipe import Recipe, Source, write_toml
from latih._reuse import Reuse
from latih.data import Examples
from latih.train import (
    Callback,
    Card,
    LossFunction,
    Parts,
    Run,
    Scaled,
    loss_function,
    run_folder,
    save_card,
    save_weights,
)

from . import _records
from ._phased import Job, Phased, refuse_strange_labels
from ._prepare import Prepared


@dataclass
class Told:
    """Where a run writes and whom it tells."""

    folder: Path | None
    resume: bool = False
    callbacks: Sequence[Callback] = ()
    say: Callable[[str], None] = print


def run_job(
    prepared: Prepared,
    source: Source,
    reuse: Reuse,
    recipe: Recipe,
    told: Told,
    loss: str | LossFunction | None = None,
) -> Run:
    """Train what `prepare` made, phase by phase, and leave a run folder that predicts and resumes."""
    data = prepared.data
    compared = loss_function(loss or recipe.loss, data.train.targets)
    if data.task == "regression" and loss is None:
        compared = Scaled(compared, data.train.targets.double().std(0, correction=0))
    parts = Parts(prepared.model, data.train, data.valid, compared, data.test)
    job = Job(parts, prepared.head, recipe, reuse, told.folder, told.resume, told.callbacks, told.say)
    return carry_out(job, source, prepared.card)


def carry_out(job: Job, source: Source | None = None, card: Card | None = None) -> Run:
    """All phases, and the run folder; `source` and `card` are known for data and backbone by name."""
    started = time.perf_counter()
    refuse_strange_labels(job.parts, () if card is None else card.classes)
    phased = Phased(job)  # everything that can be wrong is, before anything is written
    if job.folder is not None:
        _claim(job.folder, job.resume)
        if not job.resume:
            run_folder.write(job.folder / run_folder.RECIPE, write_toml(job.recipe, source, job.reuse))
    if job.reuse.recalibrate:
        changed = norm.recalibrate(job.parts.model, _batches(job.parts.train))
        job.say(f"{len(changed)} batch norms took the statistics of the new data")
    run = phased.run()
    run.summary["seconds"] = round(time.perf_counter() - started, 2)
    if job.folder is not None:
        run_folder.write(job.folder / run_folder.HISTORY, run.history.lines())
        run_folder.write(job.folder / run_folder.SUMMARY, msgspec.json.format(msgspec.json.encode(run.summary)))
        if not run.interrupted:
            save_weights(job.folder, run.model)
            if card is not None:
                save_card(job.folder, card)
    return run


def _claim(folder: Path, resume: bool) -> None:
    if resume and not _records.begun(folder):
        raise InputError(f"--out {folder}: no fine-tuning to go on with; start it without --resume.")
    if not resume:
        run_folder.claim(folder, resume=False)


def _batches(examples: Examples) -> Any:
    return examples.batches(torch.arange(len(examples)), 64)
