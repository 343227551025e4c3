"""How long a run is, and what its learning rate does where it is made longer than it was planned."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from latih._checks import InputError, one_of
from latih._extended import POLICIES, Extension, read, written
from latih._recipe import Recipe, Source, read_toml, write_toml
from latih.schedules import Schedule

from . import run_folder


def planned(recipe: Recipe, folder: Path | None, *, resume: bool, extend: str | None) -> Recipe:
    """The `recipe` of a run in `folder`; what is resumed keeps its length, or is extended as `extend` says.

    Raises `InputError` where a resumed run would change its length without a policy; nothing is written.
    """
    if extend is not None:
        one_of("train", "extend", extend, POLICIES)
    if not resume or folder is None:
        if extend is not None:
            raise InputError(f"train(extend={extend!r}): only a run that is resumed can be extended; resume it.")
        return recipe
    run_folder.refuse_unusable(folder, resume=True)
    before = read_toml(folder / run_folder.RECIPE).recipe
    extensions = read(before.extended, before.epochs)
    if recipe.epochs == before.epochs:
        # the same words again, after an interruption, mean the same run
        if extend is not None and (not extensions or extensions[-1].policy != extend):
            raise InputError(
                f"train(extend={extend!r}): the run is planned for {before.epochs} epochs already; say with --epochs "
                "how many there shall be in all."
            )
        return replace(recipe, extended=before.extended)
    if recipe.epochs < before.epochs:
        raise InputError(
            f"train(resume=True, epochs={recipe.epochs}): the run was planned for {before.epochs} epochs, and its "
            "schedule with it; resume it with as many, or start another run."
        )
    if extend is None:
        raise InputError(
            f"train(resume=True, epochs={recipe.epochs}): the run was planned for {before.epochs} epochs; choose with "
            "--extend what its learning rate does then: 'stretch' (as if planned this long), 'hold' (the last rate "
            "goes on) or 'restart' (the schedule begins again)."
        )
    return replace(recipe, extended=written([*extensions, Extension(extend, before.epochs)]))


def write_plan(recipe: Recipe, folder: Path) -> None:
    """Write the new length of an extended run into its recipe.toml."""
    file = folder / run_folder.RECIPE
    _, source, reuse = read_toml(file)
    # a network of the caller's own has no source
    run_folder.write(file, write_toml(recipe, None if source == Source() else source, reuse))


def over_run(schedule: Schedule, recipe: Recipe, updates: int) -> Schedule:
    """`schedule` over a run of `recipe.epochs` epochs of so many `updates`, each extension by its policy."""
    extensions = read(recipe.extended, recipe.epochs)
    lengths = [*(one.epochs for one in extensions), recipe.epochs]
    stretched = True
    for one, epochs in zip(extensions, lengths[1:], strict=True):
        longer = schedule.extended(one.epochs * updates, epochs * updates, one.policy)  # pyright: ignore
        # stretched, it is as if it had been planned so: what fills the run can be stretched once more
        stretched = stretched and one.policy == "stretch"
        schedule = schedule if stretched else longer
    return schedule.over(recipe.epochs * updates)
