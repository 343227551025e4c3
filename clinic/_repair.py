"""Heal a program and train it again; beside it the baselines that anyone could run instead."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import msgspec
import torch

from latih import Recipe
from latih._checks import InputError
from latih.diagnose import Finding, Findings, check
from latih.heal import Training, heal
from latih.heal._base import Case
from latih.heal._candidates import _USUAL, Candidate, Dose
from latih.heal._prepare import Parts, bench_of, case_of, first_batch, parts_of, sample_of, training_of
from latih.heal._procedure import Course, begin
from latih.heal._race import race
from latih.heal._trial import Trial
from latih.heal.cures import CURES

from ._autotrainer import solutions
from ._base import Program, Setup
from ._run import run

FEWEST = 200
"""Training examples below which the program's own validation part is what a cure is proven on."""
BUDGET = 0.25


class Repair(msgspec.Struct):
    """What came of one program with one seed: scores on its validation part, after a whole training each."""

    program: str
    seed: int
    half: str
    fault: str | None
    faulty: float | None = None
    fixed: float | None = None
    """The human fix."""
    scores: dict[str, float | None] = {}
    """heal, usual, random, autotrainer."""
    costs: dict[str, float] = {}
    """Examples seen in search and training, in whole trainings."""
    verdict: str = ""
    edits: list[str] = []
    """Names of the cures that were kept."""
    findings: list[str] = []
    failed: str = ""


def repair(program: Program, seed: int, methods: tuple[str, ...]) -> Repair:
    """Run every method on a fresh copy of the program."""
    torch.set_num_threads(1)
    found = Repair(program.name, seed, program.half, program.fault)
    if "heal" in methods:
        _heal(program, seed, found)
    for name, method in (("usual", _usual), ("random", _random), ("autotrainer", _autotrainer)):
        if name in methods:
            try:
                found.scores[name], found.costs[name] = method(program.make(seed), seed)
            except (InputError, RuntimeError, ValueError, IndexError, TypeError) as error:
                found.scores[name], found.costs[name] = None, 1.0
                found.failed += f"{name}: {_line(error)} "
    return found


def _heal(program: Program, seed: int, found: Repair) -> None:
    setup = program.make(seed)
    try:
        healing = heal(
            setup.model,
            setup.train,
            None if len(setup.train[0]) >= FEWEST else setup.valid,
            loss=setup.loss,
            recipe=recipe_of(setup, seed),
            optimizer=setup.optimizer(setup.model),
            metric=setup.score,
            budget=BUDGET,
            seed=seed,
        )
    except (InputError, RuntimeError, ValueError, IndexError) as error:
        found.failed += f"heal: {_line(error)} "
        found.scores["heal"], found.verdict = None, "failed"
        return
    found.verdict, found.edits = healing.verdict, [edit.cure for edit in healing.edits]
    found.findings = [one.name for one in healing.findings if one.severity != "info"]
    found.costs["heal"] = 1.0 + healing.cost
    if program.fault is not None:
        found.scores["heal"] = trained(setup, healing.training, seed)


def recipe_of(setup: Setup, seed: int) -> Recipe:
    """The program's loop as a recipe; a scheduler of its own becomes the factors that it gives."""
    updates = setup.epochs * -(-len(setup.train[0]) // setup.batch_size)
    return Recipe(
        epochs=setup.epochs,
        batch_size=min(setup.batch_size, len(setup.train[0])),
        schedule=_schedule(setup, updates),
        clip=f"norm({setup.clip})" if setup.clip else "none()",
        accumulate=setup.accumulate,
        seed=seed,
        patience=0,
    )


def _schedule(setup: Setup, updates: int) -> str:
    if setup.schedule is None:
        return "constant()"
    optimizer = setup.optimizer(setup.model)
    base = optimizer.param_groups[0]["lr"]  # which some schedulers replace
    scheduler, rates = setup.schedule(optimizer, updates), []
    for _ in range(updates):
        rates.append(optimizer.param_groups[0]["lr"])
        optimizer.step()  # without gradients
        scheduler.step()
    places = sorted({round(place * (updates - 1) / 63) for place in range(64)})
    factors = ", ".join(str(rates[one] / base) for one in places)
    return f"piecewise(({', '.join(str(one) for one in places[1:])},), ({factors}))"


def trained(setup: Setup, training: Training, seed: int) -> float | None:
    """Score of a whole training in the plain loop, which shuffles and clears its gradients."""
    recipe = training.recipe
    clip = recipe.clip.partition("(")[2].rstrip(")") if recipe.clip.startswith("norm(") else ""
    changed = replace(
        setup,
        model=training.model,
        loss=training.loss,
        optimizer=training.optimizer,
        batch_size=recipe.batch_size,
        epochs=recipe.epochs,
        clip=float(clip.partition("=")[2] or clip) if clip else None,
        schedule=_as_torch(recipe),
        shuffle=True,
        zero_grad=True,
        update=None,
        accumulate=1,
    )
    try:
        outcome = run(changed, seed)
    except (RuntimeError, ValueError, IndexError):
        return None
    scores = [one for one in outcome.scores if math.isfinite(one)]
    if recipe.patience:  # the best weights are kept
        return max(scores, default=None)
    return outcome.final if math.isfinite(outcome.final) else None


def _as_torch(recipe: Recipe) -> Any:
    from latih._notation import build

    if recipe.schedule == "constant()":
        return None

    def make(optimizer: torch.optim.Optimizer, updates: int) -> Any:
        schedule = build("schedules", recipe.schedule).over(updates)
        return torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: schedule(step, ()))

    return make


def _course(setup: Setup, seed: int) -> tuple[Course, Case, Training, Findings]:
    recipe = recipe_of(setup, seed)
    parts: Parts = parts_of(setup.train, None if len(setup.train[0]) >= FEWEST else setup.valid, seed)
    sample = sample_of(parts.train, seed)
    training = training_of(setup.model, setup.loss, recipe, setup.optimizer(setup.model), sample[1])
    batch = first_batch(parts.train, recipe.batch_size, seed, torch.device("cpu"))
    found = check(training.model, batch, training.loss, optimizer=training.optimizer(training.model), train=sample)
    kind = found.record.loss.kind if found.record is not None else "unknown"
    bench = bench_of(training, parts, kind, setup.score, seed)
    course = begin(training, bench, BUDGET, lambda line: None)
    findings = found | course.control.findings
    return course, case_of(training, findings, found, batch, sample, bench), training, findings


def _usual(setup: Setup, seed: int) -> tuple[float | None, float]:
    """Standardise, He, batch norm, Adam at 0.001, clip at 1: the recipe that everyone tries, without looking."""
    recipe = recipe_of(setup, seed)
    sample = setup.train[0][:2000], setup.train[1][:2000]
    training = training_of(setup.model, setup.loss, recipe, setup.optimizer(setup.model), sample[1])
    batch = setup.train[0][: recipe.batch_size], setup.train[1][: recipe.batch_size]
    parts = Parts(*(parts_of(setup.train, setup.valid, seed)))
    bench = bench_of(training, parts, "unknown", None, seed)
    case = case_of(training, Findings(), Findings(), batch, sample, bench)
    names = ("standardise_inputs", "reinitialise", "insert_norm")
    made = Candidate(tuple(Dose(CURES[name], _ANY) for name in names)).made(training, case) or training
    made = replace(
        made,
        optimizer=made.optimizer.with_method("adam(lr=0.001)"),
        recipe=replace(made.recipe, clip="norm(1.0)", schedule="constant()"),
    )
    return trained(setup, made, seed), 1.0


_ANY = Finding("", "usual", "warning", "", {}, "", "")


def _random(setup: Setup, seed: int) -> tuple[float | None, float]:
    """Random cures in random variants, raced within the same budget; the best on held-out data is trained."""
    course, case, training, _ = _course(setup, seed)
    chance = random.Random(seed)
    trials: list[Trial] = []
    for _ in range(60):
        if len(trials) == 4:
            break
        names = chance.sample(sorted(CURES), chance.randint(1, 3))
        made = Candidate(tuple(Dose(CURES[name], _ANY, chance.randint(0, 2)) for name in names)).made(training, case)
        if made is not None and all(made.edits != one.training.edits for one in trials):
            trials.append(Trial(made, course.bench))
    if not trials:
        return trained(setup, training, seed), 1.0
    ranked = race(trials, course.control, course.rungs, course.purse, course.held_out)
    total = course.bench.updates * training.recipe.batch_size
    return trained(setup, ranked[0].training, seed), 1.0 + course.purse.spent / total


def _autotrainer(setup: Setup, seed: int) -> tuple[float | None, float]:
    """The published order of solutions, each a whole training, until its symptom is gone."""
    _, case, training, findings = _course(setup, seed)
    score, cost = trained(setup, training, seed), 1.0
    for made in solutions(training, case, findings):
        cost += 1.0
        tried = trained(setup, made, seed)
        if tried is not None and (score is None or tried > score):
            score = tried
            if _symptom_gone(made, setup, seed):
                break
    return score, cost


def _symptom_gone(training: Training, setup: Setup, seed: int) -> bool:
    """Whether a check of the repaired training finds none of the problems that it knows."""
    batch = setup.train[0][: training.recipe.batch_size], setup.train[1][: training.recipe.batch_size]
    try:
        found = check(training.model, batch, training.loss, optimizer=training.optimizer(training.model))
    except InputError:
        return False
    return found.healthy


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "")[:160] or type(error).__name__


assert set(_USUAL) <= set(CURES)
