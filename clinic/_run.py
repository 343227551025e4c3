"""The plain loop: what a user would write, with a hand's width for whoever watches."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from ._base import Outcome, Setup


def run(
    setup: Setup,
    seed: int,
    *,
    on_update: Callable[[int, int], None] | None = None,
    on_epoch: Callable[[int, float], None] | None = None,
    block: Any = None,
) -> Outcome:
    """Train `setup` for its epochs; `block(model, optimizer)` may give a context in which the loop runs.

    `on_update(done, planned)` is called after each update, `on_epoch(epoch, score)` after each validation.
    """
    torch.manual_seed(seed)
    order = torch.Generator().manual_seed(seed)
    model, optimizer = setup.model, setup.optimizer(setup.model)
    inputs, targets = setup.train
    per_epoch = -(-len(inputs) // setup.batch_size)
    schedule = setup.schedule(optimizer, per_epoch * setup.epochs) if setup.schedule else None
    update = setup.update or _updater(setup)
    outcome = Outcome([])
    with block(model, optimizer) if block else contextlib.nullcontext():
        for epoch in range(setup.epochs):
            model.train()
            chosen = torch.randperm(len(inputs), generator=order) if setup.shuffle else torch.arange(len(inputs))
            for index in chosen.split(setup.batch_size):
                outcome.losses.append(float(update(model, optimizer, inputs[index], targets[index])))
                if schedule is not None:
                    schedule.step()
                if on_update is not None:
                    on_update(len(outcome.losses), per_epoch * setup.epochs)
            outcome.scores.append(evaluate(setup))
            if on_epoch is not None:
                on_epoch(epoch, outcome.scores[-1])
    return outcome


def evaluate(setup: Setup) -> float:
    """The program's own score on its validation part."""
    setup.model.eval()
    with torch.no_grad():
        outputs = torch.cat([setup.model(part) for part in setup.valid[0].split(512)])
    setup.model.train()
    return setup.score(outputs, setup.valid[1])


def _updater(setup: Setup) -> Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor], Tensor]:
    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        if setup.zero_grad:
            optimizer.zero_grad()
        total = torch.zeros(())
        for part, wanted in zip(inputs.chunk(setup.accumulate), targets.chunk(setup.accumulate), strict=True):
            loss = setup.loss(model(part), wanted)
            (loss * (len(part) / len(inputs)) if setup.accumulate > 1 else loss).backward()
            total = total + loss.detach() * (len(part) / len(inputs))
        if setup.clip is not None:
            nn.utils.clip_grad_norm_(model.parameters(), setup.clip)
        optimizer.step()
        return total

    return update
