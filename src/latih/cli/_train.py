"""`latih train`: data in, a trained network and its run folder out."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from latih._checks import InputError
from latih._recipe import Recipe, Source, read_toml

from ._arguments import fresh_folder, method, read, refuse_unnamed_code
from ._processes import restarts, several, speaks


@dataclass(frozen=True)
class SourceFlags(Source):
    """The data and the model."""

    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DATA")] = Source.data
    """fashion-mini, fashion-mnist, mnist, a CSV, Parquet or .npz file, or a folder with one subfolder a class."""
    model: Annotated[str, method("models", "package.module:factory for your own, or one of")] = Source.model
    activation: Annotated[str | None, method("activations", "For latih's own models")] = None
    norm: Annotated[str | None, method("norm", "For latih's own models")] = None


@dataclass(frozen=True)
class RecipeFlags(Recipe):
    """How to train. Methods are calls with named arguments, such as 'nag(lr=0.01)'; `latih methods` explains each."""

    optimizer: Annotated[str, method("optim", "How a gradient becomes a step")] = Recipe.optimizer
    schedule: Annotated[str, method("schedules", "The rate over the run, joined by >>")] = Recipe.schedule
    clip: Annotated[str, method("clip", "What is cut off large gradients")] = Recipe.clip
    init: Annotated[str, method("init", '"auto" fits own models to their activation; or one of')] = Recipe.init
    augment: Annotated[str, method("augment", "How training images vary, joined by >>")] = Recipe.augment
    extended: tyro.conf.Suppress[str] = Recipe.extended


@dataclass(frozen=True)
class Train:
    """Train a network on DATA and leave a run folder that predicts and resumes.

    A flag beats the recipe file, the file beats the default.

    Ctrl-C finishes the step, saves, and says how to go on.
    """

    source: SourceFlags = field(default_factory=SourceFlags)
    settings: RecipeFlags = field(default_factory=RecipeFlags)
    recipe: Path | None = None
    """A TOML file with any of these settings, such as the recipe.toml of an earlier run."""
    out: Path | None = None
    """The run folder to write; default: runs/NAME-1, -2, ..."""
    check: bool = True
    """Look for what keeps the network from learning, before and while it trains."""
    heal: bool = False
    """Cure the training first, if it does not learn, and train what has been proven to."""
    log: Literal["none", "tensorboard", "wandb"] = "none"
    """Also send each epoch's numbers there; needs the extra latih[log]."""
    shard: bool = False
    """Under torchrun: each process holds a part of weights, gradients and optimizer state, not all of them."""
    resume: bool = False
    """Go on from the newest checkpoint in --out, with the settings that the run began with."""
    extend: Literal["stretch", "hold", "restart"] | None = None
    """With --resume and more --epochs: plan the rate anew, keep the last rate, or begin the schedule again."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = _read(words)
    source, folder = asked.source.resolved(), asked.out or fresh_folder(asked.source)
    # said before torch is loaded, which takes seconds
    if speaks():
        print(f"latih  {source.model} on {source.data} -> {folder}", flush=True)
    if not several():
        return _train(source, asked, folder)
    from latih.train import joined

    with joined() as world:
        return _train(source, asked, world.once(lambda: folder))


def _read(words: Sequence[str]) -> Train:
    """Flags over recipe file (or, to resume, the run's own recipe) over defaults."""
    asked = _restarted(read(Train, words, "train"))
    file = asked.recipe
    if asked.resume:
        if asked.out is None:
            raise InputError("--resume needs --out: name the run folder to go on with.")
        file = asked.out / "recipe.toml"
    if file is None:
        return asked
    settings, source, reuse = read_toml(file)
    if asked.resume and reuse is not None:
        raise InputError(f"--out {asked.out}: it began with a pretrained network; go on with latih fine-tune --resume.")
    defaults = replace(asked, settings=RecipeFlags(**vars(settings)), source=SourceFlags(**vars(source)))
    final = read(Train, words, "train", defaults)
    if final.source.is_factory:
        refuse_unnamed_code(file, "--model", final.source.model, asked.source.model)
    return final


def _restarted(asked: Train) -> Train:
    """Where torchrun starts it anew, the same command goes on with the run that it began."""
    if several() and asked.heal:
        raise InputError(f"--heal works in one process, and there are {several()}; latih heal shows what to change.")
    if asked.shard and not several():
        raise InputError(
            "--shard divides the model among processes, and there is one; start it with torchrun --nproc-per-node 2 -m "
            "latih train, or leave --shard out."
        )
    done, most = restarts()
    if most and asked.out is None:
        raise InputError("--max-restarts needs --out: name the run folder that a restart shall go on with.")
    begun = done and asked.out is not None and (asked.out / "recipe.toml").is_file()
    return replace(asked, resume=True) if begun else asked


def _train(source: Source, asked: Train, folder: Path) -> int:
    from latih.report import summary_lines, write_report
    from latih.train import (
        Callback,
        Log,
        Options,
        Reporter,
        Watcher,
        check_job,
        current,
        describe,
        planned,
        prepare,
        run_job,
    )
    from latih.train.run_folder import refuse_unusable

    world = current()
    world.once(lambda: refuse_unusable(folder, resume=asked.resume))
    world.once(lambda: planned(asked.settings, folder, resume=asked.resume, extend=asked.extend))
    prepared = prepare(source, asked.settings)
    callbacks: list[Callback] = []
    if world.first:
        for line in describe(*prepared[:2]):
            print(line)
        callbacks = [Reporter()]
        if asked.check and not asked.heal:
            before = check_job(asked.settings, prepared)
            if not before.healthy:
                print(before)
            callbacks.append(Watcher(folder, print, before))
        sys.stdout.flush()
        if asked.log != "none":
            callbacks.append(Log(asked.log, folder))
    world.wait()
    options = Options(folder=folder, resume=asked.resume, extend=asked.extend, callbacks=callbacks, shard=asked.shard)
    if asked.heal:
        from latih.heal import train_job

        run = train_job(source, asked.settings, options, prepared, print)
    else:
        run = run_job(source, asked.settings, options, prepared)
    if not world.first:
        return int(run.interrupted)
    if run.interrupted:
        code = f" --model {source.model}" if source.is_factory else ""
        print(f"stopped after {run.summary['updates']} updates; go on with: latih train --out {folder} --resume{code}")
        return 1
    write_report(run)
    print("\n".join(summary_lines(run)))
    return 0
