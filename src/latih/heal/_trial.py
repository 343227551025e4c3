"""One training tried for a while, from the common seed and over the common batches, watched and judged."""

from __future__ import annotations

import contextlib
import copy
import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from latih._notation import build
from latih._rebound import rebound
from latih.data import Examples, permutation
from latih.diagnose import Findings
from latih.train import LossFunction, Step, seeded
from latih.watch import Watching, watch

from ._base import Training
from ._yardstick import Metric, Yardstick, in_parts


@dataclass(frozen=True)
class Bench:
    """What all trials have in common."""

    train: Examples
    valid: tuple[Tensor, Tensor]
    """Inputs and targets held out, on the CPU or the device, at most 2,000."""
    yardstick: Yardstick
    metric: Metric | None
    """The user's own, higher is better."""
    device: torch.device
    updates: int
    """That the whole training is planned to have, at its own batch size."""
    seed: int


@dataclass(frozen=True)
class Quality:
    """What a trial had reached after so many examples."""

    examples: int
    values: Tensor
    """By the yardstick."""
    metric: Tensor | None
    """By the user's metric, on parts of the held-out data."""


@dataclass
class Trial:
    """A training under way. `advance` takes it on; it can be asked for findings and quality at any time."""

    training: Training
    bench: Bench
    losses: list[float] = field(default_factory=list)
    reached: list[Quality] = field(default_factory=list)
    """After each `advance`."""
    failed: str = ""
    """What it raised, where it cannot be trained at all."""

    def __post_init__(self) -> None:
        memo: dict[int, object] = {}
        self.model = copy.deepcopy(self.training.model, memo).to(self.bench.device)
        self.loss: LossFunction = rebound(self.training.loss, memo)
        recipe = self.training.recipe
        self.size = min(recipe.batch_size, len(self.bench.train))
        self.planned = recipe.epochs * -(-len(self.bench.train) // self.size)
        self.examples = 0
        self._random = torch.Generator().manual_seed(self.bench.seed).get_state()
        try:
            self._step = Step(
                self.model,
                self.loss,
                self.training.optimizer(self.model),
                schedule=build("schedules", recipe.schedule).over(max(self.planned, 1)),
                clip=build("clip", recipe.clip),
                accumulate=recipe.accumulate,
                precision=recipe.precision,
            )
        except (RuntimeError, ValueError, TypeError) as error:
            self.failed = _line(error)
        self._batches = self._endless()
        self._watching: Watching | None = None

    def advance(self, examples: int) -> None:
        """Train until about so many examples have been seen in all, then look at the held-out part."""
        if self.failed:
            return
        try:
            with seeded(self.bench.seed):
                torch.set_rng_state(self._random)
                self._train(examples)
                self._random = torch.get_rng_state()
                self.reached.append(self._quality())
        except (RuntimeError, ValueError, IndexError, TypeError, ArithmeticError) as error:
            self.failed = _line(error)

    def _train(self, examples: int) -> None:
        if self._watching is None:
            loss = self.loss if isinstance(self.loss, nn.Module) else None
            self._watching = watch(self.model, optimizer=self._step.optimizer, loss=loss)
            self._watching.record.planned = self.planned
        self._step.mode(training=True)
        with self._watching:
            while self.examples < examples:
                inputs, targets, _ = next(self._batches)
                self._step(inputs.to(self.bench.device), targets.to(self.bench.device))
                self.examples += len(inputs)
                self.losses.append(float(self._step.loss))
                if not math.isfinite(self.losses[-1]) and len(self.losses) > 1 and not math.isfinite(self.losses[-2]):
                    break  # it will not come back
        self._watching.record.ended = False  # it may go on
        self.examples = max(self.examples, examples)

    def _quality(self) -> Quality:
        self._step.mode(training=False)
        inputs, targets = self.bench.valid
        with torch.no_grad():
            outputs = torch.cat([self.model(part.to(self.bench.device)).cpu() for part in inputs.split(256)])
        targets = targets.cpu()
        metric = None if self.bench.metric is None else in_parts(self.bench.metric, outputs, targets)
        self._tell(outputs, targets, metric)
        return Quality(self.examples, self.bench.yardstick(outputs, targets), metric)

    def _tell(self, outputs: Tensor, targets: Tensor, metric: Tensor | None) -> None:
        """Let the rules know of held-out results: what fits too closely is seen by nothing else."""
        assert self._watching is not None
        known = {} if metric is None else {"score": float(metric.mean())}
        with contextlib.suppress(RuntimeError, ValueError, TypeError), torch.no_grad():
            device = self.bench.device
            known["loss"] = float(self.loss(outputs.to(device), targets.to(device)))
        if known:
            self._watching.log("valid", **known)

    def _endless(self) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        epoch = 0
        while True:
            yield from self.bench.train.batches(permutation(self.bench.seed, epoch, len(self.bench.train)), self.size)
            epoch += 1

    @property
    def findings(self) -> Findings:
        """What the watched updates show so far."""
        return self._watching.findings() if self._watching is not None else Findings()

    @property
    def gradients(self) -> list[tuple[str, float]]:
        """(layer, gradient norm / weight norm) in forward order, at the last sampled update that has them."""
        if self._watching is None:
            return []
        for sample in reversed(self._watching.record.samples):
            known = [(one.layer, one.weight_grad, one.weight_norm) for one in sample.readings]
            found = [(name, grad / norm) for name, grad, norm in known if grad is not None and norm]
            if found:
                return found
        return []

    def at(self, examples: int) -> Quality | None:
        """What it had reached after `examples`."""
        return next((one for one in self.reached if one.examples >= examples), None) if not self.failed else None


def _line(error: Exception) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
