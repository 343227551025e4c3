"""The contract: a cure makes variants of a training that might learn where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal

from torch import Tensor, nn

from latih.diagnose import Finding, Findings
from latih.tape import Tape
from latih.train import LossFunction, Recipe

from ._optimizer import OptimizerPlan

Task = Literal["classes", "truth", "values", "other"]
"""Whole numbers that name classes; truth values (0 and 1, or probabilities); numbers; anything else."""


@dataclass(frozen=True)
class Edit:
    """One change, as a person would describe it and as they would make it in their own program."""

    cure: str
    text: str
    """In words, with the numbers: "hidden activations: sigmoid -> leaky_relu(0.01), weights redrawn by he()"."""
    code: str
    """PyTorch that makes the change in a program of one's own; latih's functions may be called."""
    recipe: Mapping[str, Any] = field(default_factory=dict)
    """Fields of the recipe that change, with their new value."""


@dataclass(frozen=True)
class Training:
    """Everything that decides a training. It is never changed: a cure returns an edited copy with a copied model."""

    model: nn.Module
    """At the weights from which training starts."""
    loss: LossFunction
    optimizer: OptimizerPlan
    recipe: Recipe
    edits: tuple[Edit, ...] = ()

    def edited(self, edit: Edit, **changes: Any) -> Training:
        """With `changes` to its fields and those that `edit` makes to the recipe; remembers the edit."""
        return replace(self, recipe=replace(self.recipe, **edit.recipe), edits=(*self.edits, edit), **changes)


@dataclass(frozen=True)
class Case:
    """What a cure may look at: what was found, and a sample of the data."""

    findings: Findings
    """By `check` and in a short watched run; `findings.record` holds the numbers."""
    before: Findings
    """By `check` alone."""
    tape: Tape
    """The model's data flow on `batch`."""
    inputs: Tensor
    """(n, ...): at most 2,000 training examples in no order, as they are stored."""
    targets: Tensor
    """Of the same examples."""
    batch: tuple[Tensor, Tensor]
    """The first training batch, on the model's device."""
    task: Task
    updates: int
    """That the whole training is planned to have."""
    classes: int | None = None
    """How many there are, where targets are classes."""


@dataclass(frozen=True)
class Cure:
    """One textbook remedy."""

    name: str
    """As findings call it: "standardise_inputs"."""
    apply: Callable[[Training, Case, Finding], Iterable[Training]]
    """Variants of a training, the most promising first; none where the remedy does not fit."""
    corrects: bool = False
    """It removes a contradiction in the program (a softmax before a loss that has one): kept unless it does harm.
    Every other cure has to prove that it helps."""

    @property
    def idea(self) -> str:
        """First line of the docstring of `apply`."""
        return (self.apply.__doc__ or "").strip().split("\n")[0]
