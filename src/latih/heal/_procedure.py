"""Check, probe, race, prove, trim: from a training that does not learn to one that does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

from latih._checks import InputError
from latih.diagnose import Finding, Findings, check

from ._base import Case, Cure, Training
from ._candidates import SYMPTOMS, Candidate, grave, treatments
from ._corrections import corrected
from ._race import Purse, compare, race
from ._trial import Bench, Trial

_PROBE = 0.32
"""Share of the budget that the control is watched for."""
_LONGER = 0.6
"""Share of what is left of the budget that a second look may cost."""
_STAGES = (4, 2, 1)
"""Parts of the probe after which it is measured; the race has its rungs there."""
_SHORTEST = 6
"""Updates that a trial must have before it is judged."""
_MOST = 6
"""Candidates in the first rung."""
_OF_STEPS = frozenset(("lower_lr", "raise_lr", "warm_up", "batch_size", "clip"))
_FAR_REACHING = ("change_optimizer",)
"""What decides most about the rest of the training, of which a short trial shows least: tried first to be left out."""


@dataclass
class Course:
    """Everything that one healing has tried and spent."""

    bench: Bench
    purse: Purse
    control: Trial
    rungs: list[int]
    """Examples after which trials are compared."""
    say: Callable[[str], None]
    tried: dict[tuple[str, ...], Trial] = field(default_factory=dict)
    """By the words of their edits."""
    kept: Trial | None = None
    """The best that is proven so far."""
    notes: list[str] = field(default_factory=list)

    @property
    def held_out(self) -> int:
        """Examples that each look at the held-out part costs, as forward passes."""
        return len(self.bench.valid[1])

    def trial(self, training: Training) -> Trial:
        """The trial of a training, made anew or taken up where it stood."""
        key = words(training)
        if key not in self.tried:
            self.tried[key] = Trial(training, self.bench)
        return self.tried[key]

    def reach(self, trial: Trial, examples: int) -> None:
        """Take it on, measured at every rung on the way."""
        for rung in self.rungs:
            if rung <= examples:
                self.purse.advance(trial, rung, self.held_out)


def words(training: Training) -> tuple[str, ...]:
    """What tells one edited training from another."""
    return tuple(edit.text for edit in training.edits)


def begin(training: Training, bench: Bench, budget: float, say: Callable[[str], None]) -> Course:
    """Watch the unchanged training for a third of the budget, measured where the race will have its rungs."""
    total = bench.updates * training.recipe.batch_size
    probe, shortest = _PROBE * budget * total, _SHORTEST * training.recipe.batch_size
    rungs = sorted({round(probe / part) for part in _STAGES if probe / part >= shortest} or {round(probe)})
    course = Course(bench, Purse(budget * total), Trial(training, bench), rungs, say)
    say(f"probing: {max(1, rungs[-1] // training.recipe.batch_size)} updates of the training as it is")
    for examples in rungs:
        course.purse.advance(course.control, examples, course.held_out)
    return course


def look_longer(course: Course) -> None:
    """Watch the control for as long again: much that is wrong does not show in the first twelfth of a training.

    Two fifths of what is left of the budget then remain for what is found.
    """
    examples = 2 * course.rungs[-1]
    if examples - course.rungs[-1] + course.held_out / 3 > _LONGER * course.purse.left:
        return
    course.say(f"nothing found: probing {examples // course.control.training.recipe.batch_size} updates")
    course.purse.advance(course.control, examples, course.held_out)
    course.rungs.append(examples)


def cure(course: Course, case: Case, cures: Mapping[str, Cure]) -> Trial | None:
    """The best training that is proven to be better than the control; None where none is.

    What corrects a contradiction is taken first and only has to do no harm; what treats has to help. After a round that
    helped, the findings of its winner are treated in turn while the budget lasts.
    """
    best = course.kept = corrected(course, case, cures)
    start, now = course.control.training, case
    if best is not None:
        start, now = best.training, replace(case, findings=still(case.findings, best.findings, best.training))
    while grave(now):
        winner = _round(course, start, now, cures, best or course.control)
        if winner is None:
            break
        best = course.kept = winner
        start, now = winner.training, replace(now, findings=still(now.findings, winner.findings, winner.training))
    return best


def _round(course: Course, start: Training, case: Case, cures: Mapping[str, Cure], control: Trial) -> Trial | None:
    """One race over the variants of `start`: its winner, in its simplest form that is as good."""
    made: list[tuple[Candidate, Trial]] = []
    known = {words(start)}
    rungs = course.rungs
    for candidate in treatments(case, cures):
        if len(made) == _affordable(course):
            break
        training = candidate.made(start, case)
        if training is None or words(training) in known or words(training) in course.tried:
            continue
        known.add(words(training))
        made.append((candidate, course.trial(training)))
    if not made:
        return None
    trials = [trial for _, trial in made]
    ranked = race(
        trials,
        control,
        rungs,
        course.purse,
        course.held_out,
        lambda left, examples: course.say(f"racing: {left} candidates, {examples // start.recipe.batch_size} updates"),
    )
    proven = [one for one in ranked if not one.failed and _proof(one, control, rungs, len(trials))]
    if not proven:
        return _settled(course, case, trials, control)
    winner = _simplest(proven, rungs)
    candidate = next(one for one, trial in made if trial is winner)
    return _trimmed(course, start, case, candidate, winner)


def _settled(course: Course, case: Case, trials: list[Trial], control: Trial) -> Trial | None:
    """Where nothing is learned yet on either side: the first trial of which nothing is found any more, and no harm.

    Only for what the check of the unchanged training has found already: the check of the cured one, which fits a small
    batch, is then the paired experiment.
    """
    if all(one.severity == "info" or one.name in SYMPTOMS for one in case.before):
        return None
    for trial in trials:
        if trial.failed or not trial.reached:
            continue
        seen = compare(trial, control, _last(trial, course.rungs))
        if seen.harms or seen.errors < -1.0 or any(one.severity != "info" for one in trial.findings):
            continue
        course.say(f"checking: {trial.training.edits[-1].cure}")
        if recheck(trial.training, case).healthy:
            updates = len(trial.losses)
            course.notes.append(
                f"held-out data do not tell the two trainings apart yet after {updates} updates; the changes were kept "
                "because the check, which fits a small batch, finds nothing any more"
            )
            return trial
    return None


def recheck(training: Training, case: Case) -> Findings:
    """What the check says of an edited training."""
    try:
        live, size = training.optimizer(training.model), training.recipe.batch_size
        batch, device = case.batch, case.batch[1].device
        if len(batch[1]) != size:
            batch = case.inputs[:size].to(device), case.targets[:size].to(device)
        return check(training.model, batch, training.loss, optimizer=live, train=(case.inputs, case.targets))
    except InputError as error:
        return Findings([Finding("", "check", "error", "", {}, str(error), "")])


def _affordable(course: Course) -> int:
    """How many candidates the rest of the budget takes through the first rung, with the halving after it."""
    first, held_out = course.rungs[0], course.held_out / 3
    count = 0
    # the last rung is for the best alone, and only if something is left
    rungs = course.rungs[:-1] or course.rungs
    while count < _MOST and _race_cost(count + 1, rungs, held_out) <= course.purse.left:
        count += 1
    return count or int(course.purse.left >= first + held_out)


def _race_cost(count: int, rungs: list[int], held_out: float) -> float:
    cost, before = 0.0, 0
    for rung in rungs:
        cost += count * (rung - before + held_out)
        before, count = rung, max(1, -(-count // 2))
    return cost


def _proof(trial: Trial, control: Trial, rungs: list[int], tried: int) -> bool:
    """Better than the control at the last rung that it reached."""
    return compare(trial, control, _last(trial, rungs)).helps(tried)


def _last(trial: Trial, rungs: list[int]) -> int:
    return max((one for one in rungs if one <= trial.examples), default=rungs[0])


def _simplest(proven: list[Trial], rungs: list[int]) -> Trial:
    """Of the winner and those that are not surely worse, the one with the fewest edits."""
    winner = proven[0]
    as_good = [winner]
    for other in proven[1:]:
        examples = min(_last(other, rungs), _last(winner, rungs))
        seen = compare(other, winner, examples)
        if seen.errors > -1.0 and seen.better_by > -0.01:
            as_good.append(other)
    return min(as_good, key=lambda one: (len(one.training.edits), proven.index(one)))


def _trimmed(course: Course, start: Training, case: Case, candidate: Candidate, winner: Trial) -> Trial:
    """Without the edits that it does as well without, as far as the budget allows to try."""
    for dose in sorted(candidate.doses, key=lambda one: one.cure.name not in _FAR_REACHING):
        rung = next((one for one in course.rungs[:-1][::-1] if one + course.held_out / 3 <= course.purse.left), None)
        if len(candidate.doses) == 1 or rung is None or winner.at(rung) is None:
            break
        less = candidate.without(candidate.doses.index(dose))
        training = less.made(start, case)
        if training is None or len(training.edits) >= len(winner.training.edits):
            continue
        trial = course.trial(training)
        course.say(f"trimming: without {dose.cure.name}")
        course.reach(trial, rung)
        seen = compare(trial, winner, rung)
        if not trial.failed and seen.errors > -1.0 and seen.better_by > -0.01:
            candidate, winner = less, trial
    return winner


def still(before: Findings, now: Findings, training: Training) -> Findings:
    """What is left to cure: what the watched trial shows, and of `before` what no edit has answered.

    Findings that a run shows are judged by the run; those of the check alone count as answered once a cure of theirs
    was given.
    """
    given = {edit.cure for edit in training.edits}
    seen = {one.name for one in now}

    def open_(one: Finding) -> bool:
        if given and (set(one.cures) <= _OF_STEPS or one.name == "not-learning"):
            return False  # said of steps that were replaced, or of a standstill that what was kept has ended
        return one.name not in seen and one.name not in now.passed and given.isdisjoint(one.cures)

    return Findings([*now.found, *(one for one in before if open_(one))], now.passed, now.skipped, now.record)
