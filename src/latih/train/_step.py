"""One optimizer step as one object, built once: forward, loss, backward, clip, update, schedule."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from latih._checks import InputError
from latih._recipe import Precision
from latih.clip import Clip, Clipped
from latih.schedules import Schedule

LossFunction = Callable[[Tensor, Tensor], Tensor]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def _ignore(event: str) -> None:
    """Nobody watches."""


@dataclass
class Step:
    """`step(inputs, targets)` makes one update and leaves what it saw in `loss`, `output` and `clipped`.

    Nothing in it waits for the device. A compiled or captured step may stand in for it where it is proven equal.
    """

    model: nn.Module
    loss_function: LossFunction
    optimizer: torch.optim.Optimizer
    schedule: Schedule
    clip: Clip
    accumulate: int = 1
    precision: Precision = "float32"
    compiled: bool = False
    notify: Callable[[str], None] = _ignore
    network: nn.Module | None = None
    """What runs the model's forward pass where it is not the model itself: DDP, for several processes."""
    share: float = 1.0
    """How much the coming batch counts: other than 1 where processes have parts of unequal size."""
    pieces: int | None = None
    """Into how many parts the coming batch is cut for `accumulate`, where all processes must agree."""

    def __post_init__(self) -> None:
        self.count = 0
        self.scores: tuple[tuple[int, float], ...] = ()
        trained = {id(one) for group in self.optimizer.param_groups for one in group["params"]}
        # in the model's order: a clip may take the last weight for the head
        self.parameters = [one for one in self.model.parameters() if id(one) in trained]
        self.base_rates = [group.setdefault("initial_lr", group["lr"]) for group in self.optimizer.param_groups]
        if not self.parameters:
            raise InputError("the optimizer holds none of the model's parameters; build it from model.parameters().")
        device = self.parameters[0].device.type
        self.autocast = torch.autocast(device, _DTYPES[self.precision], enabled=self.precision != "float32")
        self.scaler = torch.amp.GradScaler(device) if self.precision == "float16" else None
        self._forward = torch.compile(self._evaluate) if self.compiled else self._evaluate
        self.loss: Tensor = torch.zeros(())
        self.output: Tensor = torch.zeros(())
        self.clipped: Clipped | None = None

    def __call__(self, inputs: Tensor, targets: Tensor) -> None:
        """Update the parameters once from the batch `inputs` (batch, ...) and `targets` (batch, ...)."""
        self.set_rates()
        if self.accumulate == 1 and self.share == 1.0:
            self._backward(inputs, targets, 1.0)
        else:
            self._backward_in_parts(self._cut(inputs), self._cut(targets), len(inputs))
        if self.scaler is not None:
            self.scaler.unscale_(self.optimizer)
        self.clipped = self.clip(self.parameters)
        self.notify("on_gradients")
        if self.scaler is None:
            self.optimizer.step()
        else:
            self.scaler.step(self.optimizer)
            self.scaler.update()
        self.optimizer.zero_grad()
        self.count += 1

    def mode(self, training: bool) -> None:
        """Put model and optimizer in training or evaluation mode; a schedule-free optimizer then swaps its weights."""
        self.model.train(training)
        switch = getattr(self.optimizer, "train" if training else "eval", None)
        if switch is not None:
            switch()

    def set_rates(self) -> None:
        """Give every group its rate for the coming update, keeping the ratios between groups."""
        factor = self.schedule(self.count, self.scores)
        momentum = self.schedule.momentum_at(self.count, self.scores)
        for group, base in zip(self.optimizer.param_groups, self.base_rates, strict=True):
            group["lr"] = base * factor
            if momentum is not None:
                _set_momentum(group, momentum)

    @property
    def lr(self) -> float:
        """The first group's learning rate at the last update."""
        return self.optimizer.param_groups[0]["lr"]

    def _backward(self, inputs: Tensor, targets: Tensor, share: float) -> None:
        self.output, loss = self._forward(inputs, targets)
        self.loss = loss.detach() if share == 1.0 else self.loss + share * loss.detach()
        self.notify("on_loss")
        loss = loss if share == 1.0 else loss * share
        (loss if self.scaler is None else self.scaler.scale(loss)).backward()

    def _cut(self, batch: Tensor) -> Sequence[Tensor]:
        return batch.chunk(self.accumulate) if self.pieces is None else batch.tensor_split(self.pieces)

    def _backward_in_parts(self, inputs: Sequence[Tensor], targets: Sequence[Tensor], total: int) -> None:
        # a part counts by its size, so the gradient is that of the mean over the undivided batch
        outputs = []
        self.loss = torch.zeros((), device=inputs[0].device)
        for place, (part, wanted) in enumerate(zip(inputs, targets, strict=True), start=1):
            with self._unsent(last=place == len(inputs)):
                self._backward(part, wanted, len(part) / total * self.share)
            outputs.append(self.output.detach())
        self.output = torch.cat(outputs)

    def _unsent(self, last: bool) -> AbstractContextManager[None]:
        """Gradients of all parts but the last stay in this process."""
        return (
            nullcontext() if last or not isinstance(self.network, DistributedDataParallel) else self.network.no_sync()
        )

    def _evaluate(self, inputs: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
        network = self.network or self.model
        if self.precision == "float32":
            output = network(inputs)
            return output, self.loss_function(output, targets)
        with self.autocast:
            output = network(inputs)
            return output, self.loss_function(output, targets)


def _set_momentum(group: dict, momentum: float) -> None:
    if "betas" in group:
        group["betas"] = (momentum, *group["betas"][1:])
    elif "momentum" in group:
        group["momentum"] = momentum
