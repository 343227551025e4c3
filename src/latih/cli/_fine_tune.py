"""`latih fine-tune`: data and a pretrained network in, a network for the data out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Annotated, Literal

import tyro

from latih._checks import InputError
from latih._recipe import Recipe, Source, read_toml
from latih._reuse import Reuse

from ._arguments import fresh_folder, method, read, refuse_unnamed_code


@dataclass(frozen=True)
class DataFlags(Source):
    """The data."""

    data: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="DATA")] = Source.data
    """A folder with one subfolder a class, a table with a text column, .npz images, or a named set."""
    model: tyro.conf.Suppress[str] = Source.model
    activation: tyro.conf.Suppress[str | None] = None
    norm: tyro.conf.Suppress[str | None] = None
    size: int | None = None
    """Height and width that images are brought to; default: the backbone's own. Smaller is faster."""
    color: Literal["auto", "grey", "rgb"] = "auto"
    """rgb gives grey images three equal channels; a folder's images are read as the backbone wants them."""


@dataclass(frozen=True)
class ReuseFlags(Reuse):
    """The pretrained network, and how it becomes the new one."""

    phases: Annotated[str, method("phases", "What is trained in turn, joined by >>")] = Reuse.phases


@dataclass(frozen=True)
class RecipeFlags(Recipe):
    """How to train. `latih methods` explains each method."""

    optimizer: Annotated[str, method("optim", "How a gradient becomes a step")] = Recipe.optimizer
    schedule: Annotated[str, method("schedules", "The rate over each phase, joined by >>")] = Recipe.schedule
    clip: Annotated[str, method("clip", "What is cut off large gradients")] = Recipe.clip
    augment: Annotated[str, method("augment", "How training images vary, joined by >>")] = Recipe.augment
    init: tyro.conf.Suppress[str] = Recipe.init
    extended: tyro.conf.Suppress[str] = Recipe.extended


@dataclass(frozen=True)
class FineTune:
    """Reuse a pretrained network for DATA and leave a run folder that predicts.

    First a new output layer is trained alone, on features that are computed once.

    Then the layers below it are unfrozen, with rates that fall towards the input.

    The default network needs: pip install 'latih[pretrained]'; a text: 'latih[hf]'.
    """

    source: DataFlags = field(default_factory=DataFlags)
    reuse: ReuseFlags = field(default_factory=ReuseFlags)
    settings: RecipeFlags = field(default_factory=RecipeFlags)
    recipe: Path | None = None
    """A TOML file with any of these settings, such as the recipe.toml of an earlier run."""
    out: Path | None = None
    """The run folder to write; default: runs/NAME-1, -2, ..."""
    resume: bool = False
    """Go on in --out, in whatever phase the run was interrupted."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = _read(words)
    folder = asked.out or fresh_folder(asked.source)
    print(f"latih  {asked.reuse.backbone} on {asked.source.data} -> {folder}", flush=True)
    from latih.report import summary_lines, write_report
    from latih.train import Reporter, describe
    from latih.train.run_folder import refuse_unusable
    from latih.transfer import Told, begun, prepare, run_job

    if asked.resume and not begun(folder):
        raise InputError(f"--out {folder}: no fine-tuning to go on with; start it without --resume.")
    if not asked.resume:
        refuse_unusable(folder, resume=False)
    prepared = prepare(asked.source, asked.reuse, asked.settings)
    print("\n".join(describe(prepared.data, prepared.model)), flush=True)
    told = Told(folder, asked.resume, [Reporter()], lambda line: print(line, flush=True))
    result = run_job(prepared, asked.source, asked.reuse, asked.settings, told)
    if result.interrupted:
        code = f" --backbone {asked.reuse.backbone}" if asked.reuse.is_factory else ""
        updates = result.summary["updates"]
        print(f"stopped after {updates} updates; go on: latih fine-tune --out {folder} --resume{code}")
        return 1
    write_report(result)
    print("\n".join(summary_lines(result)))
    return 0


def _read(words: Sequence[str]) -> FineTune:
    """Flags over recipe file (or, to resume, the run's own recipe) over defaults."""
    asked = read(FineTune, words, "fine-tune")
    file = asked.recipe
    if asked.resume:
        if asked.out is None:
            raise InputError("--resume needs --out: name the run folder to go on with.")
        file = asked.out / "recipe.toml"
    if file is None:
        return asked
    settings, source, reuse = read_toml(file)
    defaults = replace(
        asked,
        settings=RecipeFlags(**vars(settings)),
        source=DataFlags(**vars(source)),
        reuse=ReuseFlags(**vars(reuse or Reuse())),
    )
    final = read(FineTune, words, "fine-tune", defaults)
    if final.reuse.is_factory:
        refuse_unnamed_code(file, "--backbone", final.reuse.backbone, asked.reuse.backbone)
    return final
