"""Healing where `latih.train` stands: of a job by names, or of parts; and the training that follows it."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace

import msgspec
from torch import nn

from latih._checks import InputError
from latih.train import Options, Parts, Prepared, Recipe, Run, Source, loss_of, run_folder, run_job, save_weights

from ._healing import Healing
from ._midway import watched_fit
from ._verb import heal

HEALING = "healing.json"
"""In the run folder: what was found, tried and changed."""


def heal_job(
    recipe: Recipe, prepared: Prepared, *, budget: float = 0.25, say: Callable[[str], None] | None = None
) -> Healing:
    """What `latih.heal` makes of a prepared job, on its own validation part."""
    data, model, _ = prepared
    return heal(
        model,
        data.train,
        data.valid,
        loss=loss_of(recipe, data),
        recipe=recipe,
        budget=budget,
        seed=recipe.seed,
        progress=say,
    )


def train_job(
    source: Source,
    recipe: Recipe,
    options: Options,
    prepared: Prepared,
    say: Callable[[str], None] | None = None,
) -> Run:
    """Heal a prepared job and train what comes of it; the run folder rebuilds it only if its layers are the same."""
    _refuse_resuming(options)
    healing = heal_job(recipe, prepared, say=say)
    if say is not None:
        say(str(healing))
    data, model, card = prepared
    if healing.verdict == "healed":
        rebuilt = card if _same_layers(model, healing.model) else None
        prepared = data, healing.model, rebuilt
        options = replace(options, loss=healing.loss, optimizer=healing.optimizer(healing.model))
    parts = Parts(prepared[1], data.train, data.valid, healing.loss, data.test)
    run = watched_fit(
        parts,
        healing.recipe,
        options,
        say or _to_stderr,
        lambda watching: run_job(source, healing.recipe, watching, prepared),
    )
    run.healing = run.healing or healing
    if run.folder is not None:
        plain = msgspec.json.encode(run.healing.to_dict())
        run_folder.write(run.folder / HEALING, msgspec.json.format(plain, indent=2))
    if run.folder is not None and run.healing is not healing:  # healed again on the way
        run_folder.write(run.folder / run_folder.HISTORY, run.history.lines())
        save_weights(run.folder, run.model)
        if not _same_layers(model, run.model):
            (run.folder / run_folder.CARD).unlink(missing_ok=True)
    return run


def train_parts(parts: Parts, recipe: Recipe, options: Options) -> Run:
    """Heal a training of the caller's own parts and train what comes of it."""
    _refuse_resuming(options)
    healing = heal(
        parts.model,
        parts.train,
        parts.valid,
        loss=parts.loss,
        recipe=recipe,
        optimizer=options.optimizer,
        seed=recipe.seed,
    )
    if healing.verdict == "healed":
        options = replace(options, optimizer=healing.optimizer(healing.model))
        parts = replace(parts, model=healing.model, loss=healing.loss)
    run = watched_fit(parts, healing.recipe, options, _to_stderr)
    run.healing = run.healing or healing
    return run


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"{line}\n")


def _refuse_resuming(options: Options) -> None:
    if options.resume:
        raise InputError("train(heal=True, resume=True): a run is healed before it begins; resume it without heal.")


def _same_layers(before: nn.Module, after: nn.Module) -> bool:
    """Whether a description of the one builds the other: the same modules under the same names."""
    return str(before) == str(after)
