"""`latih.heal`: a training that does not learn becomes one that does, and the proof of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import nn

from latih._checks import InputError, within
from latih.diagnose import Findings, check
from latih.optim import OptimizerSpec
from latih.train import LossFunction, Recipe, alone, seeded

from ._base import Training
from ._healing import Healing, Tried, Verdict
from ._planned import planned_end
from ._prepare import bench_of, case_of, first_batch, parts_of, sample_of, training_of
from ._procedure import Course, begin, cure, look_longer, still
from ._race import compare
from ._standstill import standstill
from ._trial import Trial
from ._yardstick import Metric
from .cures import CURES

_FEWEST = 16
"""Updates that the probe must have."""


def heal(
    model: nn.Module,
    train: Any,
    valid: Any = None,
    *,
    loss: str | LossFunction | None = None,
    recipe: Recipe | None = None,
    optimizer: str | OptimizerSpec | torch.optim.Optimizer | None = None,
    metric: Metric | None = None,
    budget: float = 0.25,
    seed: int = 0,
    progress: Callable[[str], None] | None = None,
) -> Healing:
    """Find out why `model` does not learn, try the remedies that fit, and keep those that are proven to help.

    The training is checked and watched for a few updates. Every warning names its remedies; these, and compositions of
    them, are raced against the unchanged training from the same seed and over the same batches. A change is kept only
    if held-out data get better beyond the noise of paired examples (a chance of 1 % over all that are tried, and by 2 %
    of what a constant output leaves); what removes a contradiction in the program is kept unless it does harm. A
    training of which nothing is found, and which has begun to learn, comes back as it was. Your model, optimizer and
    random state are not touched.

    Args:
        model: Any module, as it is before training. It must be possible to copy it.
        train: A pair (x, y) of arrays or tensors, a torch Dataset or DataLoader of such pairs.
        valid: The same, held out; a fifth of the training data where it is None.
        loss: `(output, target) -> scalar`, or a name; None fits the targets.
        recipe: Epochs, batch size, schedule, clip; see `latih.train.Recipe`.
        optimizer: Notation, a spec, or a live optimizer over the model's parameters; replaces the recipe's.
        metric: `(outputs, targets) -> number`, higher is better, of many examples at once. Beside the likelihood or the
            error, by which small gains show sooner, nothing is kept that makes it surely worse.
        budget: Share of the planned training examples that all trials together may see.
        seed: Decides order, dropout and new weights.
        progress: Called with a line at every stage.

    Returns:
        `Healing`: print it. `.model`, `.loss`, `.recipe` and `.optimizer(model)` are the cured program.

    Raises:
        InputError: For what `latih.check` refuses, for too small a budget, and for held-out data that prove nothing.

    >>> x = torch.randn(400, 8, generator=torch.Generator().manual_seed(0)) * 100 + 1000
    >>> net = nn.Sequential(nn.Linear(8, 32), nn.Tanh(), nn.Linear(32, 1))
    >>> data = (x, (x[:, :1] - 1000) / 100)
    >>> healing = heal(net, data, recipe=Recipe(epochs=40), optimizer="sgd(lr=0.01)")
    >>> healing.verdict, healing.edits[0].cure
    ('healed', 'standardise_inputs')
    """
    alone("heal", "heal in one process, then train the recipe in several")
    within("heal", "budget", budget, 0.01, 10.0)
    recipe = recipe or Recipe()
    say = progress or _silent
    parts = parts_of(train, valid, seed)
    with seeded(seed):
        sample = sample_of(parts.train, seed)
        training = training_of(model, loss, recipe, optimizer, sample[1])
        batch = first_batch(parts.train, recipe.batch_size, seed, next(training.model.parameters()).device)
        say("checking the model on one batch")
        found = check(training.model, batch, training.loss, optimizer=training.optimizer(training.model), train=sample)
        kind = found.record.loss.kind if found.record is not None else "unknown"
        bench = bench_of(training, parts, kind, metric, seed)
        _affordable(budget, bench.updates)
        _metric_works(metric, training, batch)
        course = begin(training, bench, budget, say)
        course.notes += parts.notes
        ends = planned_end(training.recipe.schedule, bench.updates)
        if ends is not None:
            found = replace(found, found=[ends, *found.found])
        findings = found | course.control.findings
        if findings.healthy:
            stuck = standstill(course)
            if stuck is None:
                look_longer(course)
                findings = found | course.control.findings
                stuck = standstill(course) if findings.healthy else None
            if stuck is not None:
                findings = replace(findings, found=[*findings.found, stuck])
        if findings.healthy:
            return _healing("healthy", findings, course, None)
        best = None
        try:
            best = cure(course, case_of(training, findings, found, batch, sample, bench), CURES)
        except KeyboardInterrupt:
            best = course.kept
            course.notes.append("interrupted: this is the best that was proven by then")
        return _healing("not healed" if best is None else "healed", findings, course, best)


def _affordable(budget: float, updates: int) -> None:
    if budget * updates < _FEWEST:
        raise InputError(
            f"heal(budget={budget:g}): of {updates} planned updates that leaves {int(budget * updates)} to try cures "
            f"in, and {_FEWEST} are needed; plan more epochs or pass budget={_FEWEST / max(updates, 1):.2g}."
        )


def _metric_works(metric: Metric | None, training: Training, batch: tuple[Any, Any]) -> None:
    if metric is None:
        return
    with torch.no_grad():
        output = training.model(batch[0])
    try:
        float(metric(output.cpu(), batch[1].cpu()))
    except Exception as error:  # the user's own code
        line = next(iter(str(error).splitlines()), "") or type(error).__name__
        raise InputError(
            f"heal(metric=...): it fails on a batch of outputs {tuple(output.shape)} and targets "
            f"{tuple(batch[1].shape)} ({line}); pass a function of both that returns a number."
        ) from None


def _healing(verdict: Verdict, findings: Findings, course: Course, best: Trial | None) -> Healing:
    control = course.control
    trials = [_tried(control, None, False)]
    trials += [_tried(one, control, one is best) for one in course.tried.values() if one.examples]
    training = control.training if best is None else best.training
    after = findings if best is None else still(findings, best.findings, best.training)
    total = course.bench.updates * control.training.recipe.batch_size
    return Healing(verdict, findings, after, training, trials, course.purse.spent / total, tuple(course.notes))


def _tried(trial: Trial, control: Trial | None, kept: bool) -> Tried:
    edits = tuple(edit.text for edit in trial.training.edits)
    seen = None if control is None or not trial.reached else compare(trial, control, trial.reached[-1].examples)
    return Tried(
        edits,
        len(trial.losses),
        trial.losses,
        None if seen is None else seen.better_by,
        None if seen is None else seen.errors,
        None if seen is None else seen.metric_by,
        trial.failed,
        kept,
        trial.gradients,
    )


def _silent(line: str) -> None:
    """Nobody asked."""
