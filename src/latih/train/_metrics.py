"""Metrics by name, accumulated on the device and read once an epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.classification import MulticlassAccuracy, MulticlassF1Score
from torchmetrics.regression import MeanAbsoluteError, MeanSquaredError, R2Score

from latih._checks import InputError, one_of

from ._processes import World
from ._summed import summed

# name -> (makes the metric for a number of outputs, higher is better)
_CLASSES: dict[str, tuple[Callable[[int], Metric], bool]] = {
    # validate_args looks at the values, which would wait for the device at every update
    "accuracy": (lambda n: MulticlassAccuracy(n, average="micro", validate_args=False), True),
    "f1": (lambda n: MulticlassF1Score(n, average="macro", validate_args=False), True),
}
_NUMBERS: dict[str, tuple[Callable[[int], Metric], bool]] = {
    "rmse": (lambda n: MeanSquaredError(squared=False), False),
    "mae": (lambda n: MeanAbsoluteError(), False),
    "r2": (lambda n: R2Score(), True),
}


class Meter:
    """Collects outputs and targets of many steps and updates the metric in bulk, since one update costs like a step."""

    def __init__(
        self, name: str, targets: Tensor, outputs: int, device: torch.device, world: World | None = None
    ) -> None:
        table = _NUMBERS if targets.is_floating_point() else _CLASSES
        self.name = next(iter(table)) if name == "auto" else name
        if self.name not in table and self.name in _NUMBERS | _CLASSES:
            raise InputError(f"metric={name!r} does not fit these targets; choose from {', '.join(table)}.")
        one_of("train", "metric", self.name, table)
        make, self.higher_is_better = table[self.name]
        self.metric, self.world = make(outputs).to(device), world or World()
        self.metric.sync_on_compute = False  # only where all processes ask
        self.reset()

    def reset(self) -> None:
        """Forget everything."""
        self.metric.reset()
        self._outputs: list[Tensor] = []
        self._targets: list[Tensor] = []
        self._held = 0

    def add(self, output: Tensor, target: Tensor) -> None:
        """Take one batch; never waits for the device."""
        self._outputs.append(output.detach())
        self._targets.append(target)
        self._held += output.numel()
        if self._held > 100_000:
            self._flush()

    def forget(self, batches: int) -> None:
        """Leave out the last batches; everything, where they are counted already."""
        if batches >= len(self._outputs):
            self.reset()
            return
        del self._outputs[-batches:], self._targets[-batches:]
        self._held = sum(one.numel() for one in self._outputs)

    def compute(self) -> float:
        """The metric over everything since the last reset, NaN for nothing; waits for the device.

        Where processes train together, it is the metric of what all of them have seen, and all must ask.
        """
        self._flush()
        with summed(self.metric, self.world):
            few = isinstance(self.metric, R2Score) and int(self.metric.total) < 2  # of one value no variance is known
            return float("nan") if few or not self.metric.update_called else float(self.metric.compute())

    def state(self) -> dict[str, Any]:
        """What a checkpoint in the middle of an epoch needs to go on.

        What is collected stays collected: an update of its own would round sums in another way.
        """
        if self.world.size > 1:
            self._flush()
        with summed(self.metric, self.world):
            metric = dict(self.metric.metric_state) if self.metric.update_called else {}  # pyright: ignore
        held = {"outputs": torch.cat(self._outputs), "targets": torch.cat(self._targets)} if self._outputs else {}
        return {"metric": metric, "held": held, "sizes": [len(one) for one in self._outputs]}

    def load(self, state: dict[str, Any]) -> None:
        """Go on from `state`."""
        self.reset()
        if not self.world.first:
            return  # the first process has what all had seen
        device = self.metric.device
        if state.get("metric"):
            for name, value in state["metric"].items():
                setattr(self.metric, name, value.to(device))
            self.metric._update_count = 1
        if state.get("held"):
            outputs, targets = (state["held"][name].to(device).split(state["sizes"]) for name in ("outputs", "targets"))
            for output, target in zip(outputs, targets, strict=True):
                self.add(output, target)

    def _flush(self) -> None:
        if self._outputs and self._held == 0:  # examples that do not count
            self._outputs, self._targets = [], []
        if self._outputs:
            output = torch.cat(self._outputs)
            self.metric.update(output.float(), torch.cat(self._targets).reshape(_like(output, self._targets[0])))
            self._outputs, self._targets, self._held = [], [], 0


def _like(output: Tensor, target: Tensor) -> tuple[int, ...]:
    return tuple(output.shape) if target.is_floating_point() else (-1,)
