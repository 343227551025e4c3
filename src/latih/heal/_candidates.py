"""From findings to the variants that shall race: their cures alone, all of them together, and the usual defaults."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import islice

from latih.diagnose import Finding

from ._base import Case, Cure, Training

_VARIANTS = 3
"""Of one cure."""
_USUAL = ("standardise_inputs", "standardise_targets", "reinitialise", "insert_norm", "change_optimizer", "clip")
"""What practitioners do first when a network does not learn."""
SYMPTOMS = frozenset(("not-learning", "underfitting"))
_OF_THE_RATE = frozenset(("raise_lr", "lower_lr", "warm_up", "batch_size"))
_RATES = frozenset(("raise_lr", "lower_lr"))


@dataclass(frozen=True)
class Dose:
    """One cure for one finding, in one of its variants."""

    cure: Cure
    finding: Finding
    variant: int = 0

    def give(self, training: Training, case: Case) -> Training | None:
        """The edited training; None where the cure does not fit it."""
        return next(islice(self.cure.apply(training, case, self.finding), self.variant, None), None)


@dataclass(frozen=True)
class Candidate:
    """Doses given one after the other; those that do not fit what the earlier ones have made are left out."""

    doses: tuple[Dose, ...]

    def made(self, training: Training, case: Case) -> Training | None:
        """The training with all that fit; None where none does."""
        made = training
        for dose in self.doses:
            made = dose.give(made, case) or made
        return None if made is training else made

    def otherwise(self) -> Iterator[Candidate]:
        """With another variant of one of them."""
        for place, dose in enumerate(self.doses):
            for variant in range(1, _VARIANTS):
                yield Candidate((*self.doses[:place], replace(dose, variant=variant), *self.doses[place + 1 :]))

    def without(self, place: int) -> Candidate:
        """All but one dose."""
        return Candidate(self.doses[:place] + self.doses[place + 1 :])


def grave(case: Case) -> list[Finding]:
    """The findings that ask for a cure, the most telling first."""
    return [one for one in case.findings if one.severity != "info"]


def corrections(case: Case, cures: Mapping[str, Cure]) -> Candidate:
    """Every contradiction that was found, removed."""
    named = [(one, cures[name]) for one in grave(case) for name in one.cures if name in cures]
    return Candidate(tuple(Dose(cure, one) for one, cure in named if cure.corrects))


def treatments(case: Case, cures: Mapping[str, Cure]) -> Iterator[Candidate]:
    """What might help, the likeliest first: that of the gravest finding, the first of each at once, others.

    The last one does what is usually done, whatever was found. Where all that is known is that nothing is learned, what
    was only worth an info comes first.
    """
    yield from _suspected(case, cures)
    named = [[cures[name] for name in one.cures if name in cures and not cures[name].corrects] for one in grave(case)]
    told = [(one, mine) for one, mine in zip(grave(case), named, strict=True) if mine]
    if not told:
        return
    leader, mine = told[0]
    together = _once(tuple(Dose(theirs[0], one) for one, theirs in told))
    yield Candidate((Dose(mine[0], leader),))
    if mine[0].name in _RATES:  # nothing but a trial tells which one
        yield Candidate((Dose(mine[0], leader, 1),))
    if len(together) > 1:
        yield Candidate(together)
    if "change_optimizer" in cures:
        yield Candidate(_once((*together, Dose(cures["change_optimizer"], leader))))
    if len(mine) > 1:
        yield Candidate(_once(tuple(Dose(cure, leader) for cure in mine)))
    usual = Finding("", "usual", "warning", "", {}, "", "")
    yield Candidate(tuple(Dose(cures[name], usual) for name in _USUAL if name in cures))
    for variant in range(_VARIANTS):
        for one, mine in told:
            for cure in mine:
                yield Candidate((Dose(cure, one, variant),))


def _suspected(case: Case, cures: Mapping[str, Cure]) -> Iterator[Candidate]:
    """The first cure of each info, where the gravest finding is a symptom without a cause."""
    told = grave(case)
    if told and told[0].name in SYMPTOMS:
        for one in case.findings:
            known = [cures[name] for name in one.cures if name in cures]
            if one.severity == "info" and known:
                yield Candidate((Dose(known[0], one),))


def _once(doses: tuple[Dose, ...]) -> tuple[Dose, ...]:
    """Each cure once, for the first finding that names it; no rate for a network that the others change.

    What a run says of its rate it says of the weights and inputs that it had.
    """
    once = tuple({dose.cure.name: dose for dose in reversed(doses)}.values())[::-1]
    rest = tuple(dose for dose in once if dose.cure.name not in _OF_THE_RATE)
    return rest or once
