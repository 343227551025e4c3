"""The contract: a program is a training, faulty or healthy, that anyone can run from a seed."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor, nn

Half = Literal["set", "report", "parted"]
Loss = Callable[[Tensor, Tensor], Tensor]
Pair = tuple[Tensor, Tensor]


@dataclass
class Setup:
    """Everything that one training needs, freshly made; `run` in `_run.py` is the plain loop over it."""

    model: nn.Module
    loss: Loss
    optimizer: Callable[[nn.Module], torch.optim.Optimizer]
    """Made from the model, since a faulty one may leave parameters out."""
    train: Pair
    valid: Pair
    score: Callable[[Tensor, Tensor], float]
    """(output, target) of the whole validation part -> quality, higher is better: accuracy, R2, minus the loss."""
    batch_size: int = 32
    epochs: int = 10
    shuffle: bool = True
    zero_grad: bool = True
    clip: float | None = None
    """Norm at which the plain loop clips gradients."""
    schedule: Callable[[torch.optim.Optimizer, int], Any] | None = None
    """(optimizer, updates of the run) -> a torch scheduler, stepped after every update."""
    update: Callable[[nn.Module, torch.optim.Optimizer, Tensor, Tensor], Tensor] | None = None
    """A loop body of the program's own (several losses, two players); does backward and step, returns the loss."""
    accumulate: int = 1


@dataclass(frozen=True)
class Program:
    """A case of the clinic. `make(seed)` draws model and data order; the data themselves do not change with it."""

    name: str
    make: Callable[[int], Setup]
    fault: str | None
    """The finding that names the fault; None if the program is healthy."""
    also: tuple[str, ...] = ()
    """Other findings that describe the same fault rightly."""
    about: str = ""
    """What is wrong (or what kind of net it is) in one sentence."""
    tier: Literal["injected", "published", "real"] = "injected"
    """injected: a fault put into a working program; published: from a published set; real: as found in questions."""
    tags: tuple[str, ...] = ()
    """mlp, cnn, residual, recurrent, transformer, embedding, autoencoder, regression, classification, real-data, ..."""
    group: str = ""
    """Programs of one group (a fault and its fix) fall on the same half."""
    check_only: bool = False
    """Too large to train here: `check` is asked, no run is watched."""

    half: Half = "set"
    """Rules and thresholds may be made with "set" in view: the first three series, and of the fourth and fifth, which
    are "parted", one half by name. Figures are reported on the other, "report", which is not looked at, program by
    program; it was written by people who had not seen the rules."""


PROGRAMS: dict[str, Program] = {}


def faulty(fault: str, *, also: tuple[str, ...] = (), tags: tuple[str, ...] = (), **facts: Any) -> Callable[..., Any]:
    """Register `case(seed, fixed)` twice: as it is, and with the human fix as a healthy program `NAME-fixed`."""

    def register(case: Callable[[int, bool], Setup]) -> Callable[[int, bool], Setup]:
        name = case.__name__.replace("_", "-")
        about = " ".join((case.__doc__ or "").split("\n\n")[0].split())
        shared = dict(about=about, tags=tags, group=name, **facts)
        _add(Program(name, lambda seed: case(seed, False), fault, also, **shared))
        _add(Program(f"{name}-fixed", lambda seed: case(seed, True), None, **shared))
        return case

    return register


def healthy(*, tags: tuple[str, ...] = (), **facts: Any) -> Callable[..., Any]:
    """Register `case(seed)` as a program without a fault."""

    def register(case: Callable[[int], Setup]) -> Callable[[int], Setup]:
        name = case.__name__.replace("_", "-")
        about = " ".join((case.__doc__ or "").split("\n\n")[0].split())
        _add(Program(name, case, None, about=about, tags=tags, group=name, **facts))
        return case

    return register


def _add(program: Program) -> None:
    if program.half == "parted":
        program = replace(program, half="report" if zlib.crc32(program.group.encode()) % 2 else "set")
    assert program.name not in PROGRAMS, program.name
    PROGRAMS[program.name] = program


@dataclass
class Outcome:
    """What one plain run came to."""

    losses: list[float]
    """Of every update."""
    scores: list[float] = field(default_factory=list)
    """On the validation part, after every epoch."""

    @property
    def final(self) -> float:
        """The last score; minus infinity where the run is lost."""
        return self.scores[-1] if self.scores and self.scores[-1] == self.scores[-1] else float("-inf")
