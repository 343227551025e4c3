"""What `latih.heal` gives back: the cured training, what was changed, and the proof."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from latih.diagnose import Findings
from latih.train import LossFunction, Recipe

from . import _show
from ._base import Edit, Training

Verdict = Literal["healthy", "healed", "not healed"]


@dataclass(frozen=True)
class Tried:
    """One training that was tried, beside the unchanged control after the same number of examples."""

    edits: tuple[str, ...]
    """In words; empty for the control."""
    updates: int
    """That it was trained for."""
    losses: list[float] = field(repr=False)
    """Of every update."""
    better_by: float | None
    """Mean gain on held-out data, in units of what a constant output leaves; None for the control."""
    errors: float | None
    """Standard errors of that gain."""
    metric_by: float | None = None
    """Mean gain by the metric that was passed."""
    failed: str = ""
    kept: bool = False
    gradients: list[tuple[str, float]] = field(default_factory=list, repr=False)
    """(layer, gradient norm / weight norm) at the last sampled update: the profile over depth."""


@dataclass(frozen=True)
class Healing:
    """`verdict`, `findings`, `edits`, and the cured program: `model`, `loss`, `recipe`, `optimizer(model)`."""

    verdict: Verdict
    findings: Findings
    """What was wrong at the beginning."""
    after: Findings
    """What is still said of the cured training."""
    training: Training = field(repr=False)
    """The cured training; the given one where nothing was changed."""
    trials: list[Tried] = field(repr=False)
    """The control first, then every candidate."""
    cost: float
    """Examples that were spent, as a share of those that the whole training will see."""
    notes: tuple[str, ...] = ()
    """What a user should know: where held-out data came from, what stopped the search."""

    @property
    def model(self) -> nn.Module:
        """At the weights from which to train; your own model, untouched, is not it unless nothing was changed."""
        return self.training.model

    @property
    def loss(self) -> LossFunction:
        """`(output, target) -> scalar`, for targets as you have them."""
        return self.training.loss

    @property
    def recipe(self) -> Recipe:
        """For `latih.train`, or to be read by hand."""
        return self.training.recipe

    def optimizer(self, model: nn.Module) -> torch.optim.Optimizer:
        """A new optimizer over `model`, which is `healing.model` or a copy of it."""
        return self.training.optimizer(model)

    @property
    def edits(self) -> tuple[Edit, ...]:
        """What was changed: in words, as code, and as fields of the recipe."""
        return self.training.edits

    @torch.no_grad()
    def predict(self, inputs: Any, batch_size: int = 256) -> Tensor:
        """Outputs (n, ...) for raw `inputs` (n, ...) in evaluation mode, in the units of your targets, on the CPU."""
        was = self.model.training
        self.model.eval()
        try:
            device = next(self.model.parameters()).device
            parts = torch.as_tensor(inputs).split(batch_size)
            return torch.cat([self.model(part.to(device)).cpu() for part in parts])
        finally:
            self.model.train(was)

    @property
    def control(self) -> Tried:
        """The training as it was given."""
        return self.trials[0]

    @property
    def chosen(self) -> Tried | None:
        """The trial whose edits were kept."""
        return next((one for one in self.trials if one.kept), None)

    @property
    def code(self) -> str:
        """The edits as PyTorch, to be pasted into a program of one's own."""
        return "\n".join(edit.code for edit in self.edits)

    def __str__(self) -> str:
        return _show.text(self)

    def to_dict(self) -> dict[str, Any]:
        """Plain data, as healing.json holds it."""
        return _show.as_plain(self)
