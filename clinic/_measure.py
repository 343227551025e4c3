"""Run a program once and keep what latih saw; ask for findings as often as wanted afterwards."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import msgspec
import torch

import latih
from latih.diagnose import Findings, judge
from latih.watch import Record

from ._base import Program, Setup
from ._run import run

_LOOKS = 40
"""How often, evenly over a run, somebody asks for the findings."""


class Facts(msgspec.Struct):
    """What is not in the records."""

    score: float | None = None
    """On the validation part, at the end."""
    updates: int = 0
    check_seconds: float = 0.0
    failed: str = ""
    """What `check` or the run raised, if it did."""


@dataclass
class Verdict:
    """What latih says of one program with one seed."""

    program: str
    seed: int
    half: str
    fault: str | None
    also: tuple[str, ...]
    tier: str
    tags: tuple[str, ...]
    facts: Facts
    check: list[str] = field(default_factory=list)
    """Names of the warnings and errors before the first step, the gravest first."""
    watch: list[str] = field(default_factory=list)
    """The same at the end of the run."""
    ever: list[str] = field(default_factory=list)
    """All that the run was ever warned of on the way."""
    first: float | None = None
    """Share of the run after which the first warning came; 0 where `check` gave it."""

    @property
    def alarmed(self) -> bool:
        """Any warning or error, at any time."""
        return bool(self.check or self.ever)

    @property
    def named(self) -> str | None:
        """What a user reads first: the gravest finding of the run, else of the check."""
        return next(iter(self.watch or self.check or self.ever), None)

    @property
    def right(self) -> bool:
        """The first finding names the fault."""
        return self.named is not None and self.named in (self.fault, *self.also)


def record(program: Program, seed: int, folder: Path) -> None:
    """Check the program, watch it train, and write what was seen; what lies there already is kept."""
    if _facts_path(folder, program, seed).exists():
        return
    torch.set_num_threads(1)
    facts = Facts()
    _check(program.make(seed), folder / f"{program.name}-{seed}.check.jsonl", facts, seed)
    if not program.check_only:
        _watch(program.make(seed), folder / f"{program.name}-{seed}.watch.jsonl", facts, seed)
    _facts_path(folder, program, seed).write_bytes(msgspec.json.encode(facts))


def verdict(program: Program, seed: int, folder: Path) -> Verdict:
    """Judge what `record` wrote, also as it stood at forty moments of the run."""
    facts = msgspec.json.decode(_facts_path(folder, program, seed).read_bytes(), type=Facts)
    found = Verdict(program.name, seed, program.half, program.fault, program.also, program.tier, program.tags, facts)
    before = folder / f"{program.name}-{seed}.check.jsonl"
    if before.exists():
        found.check = _grave(judge(Record.load(before)))
        found.first = 0.0 if found.check else None
    during = folder / f"{program.name}-{seed}.watch.jsonl"
    if during.exists():
        whole = Record.load(during)
        for share, part in moments(whole):
            found.watch = _grave(judge(part))
            if found.watch and found.first is None:
                found.first = share
            found.ever += [name for name in found.watch if name not in found.ever]
    return found


def moments(whole: Record) -> Iterator[tuple[float, Record]]:
    """The record as it stood after each fortieth of the run, and at last whole."""
    for number in range(1, _LOOKS):
        done = whole.updates * number // _LOOKS
        if done:
            yield number / _LOOKS, at(whole, done)
    yield 1.0, whole


def at(whole: Record, updates: int) -> Record:
    """What had been seen when `updates` were done."""
    origin = whole.origin if whole.origin is not None and whole.origin.step < updates else None
    return msgspec.structs.replace(
        whole,
        updates=updates,
        ended=False,
        losses=whole.losses[:updates],
        rates=[one for one in whole.rates if one[0] < updates],
        evaluations=[one for one in whole.evaluations if one.step <= updates],
        samples=[one for one in whole.samples if one.step < updates],
        origin=origin,
    )


def plain(found: Verdict) -> dict[str, Any]:
    """As JSON holds it."""
    return asdict(found) | {"facts": msgspec.to_builtins(found.facts)}


def _facts_path(folder: Path, program: Program, seed: int) -> Path:
    return folder / f"{program.name}-{seed}.json"


def _check(setup: Setup, path: Path, facts: Facts, seed: int) -> None:
    if setup.update is not None:
        return  # a loop of its own: there is no loss of one output and one target to check
    torch.manual_seed(seed)
    order = torch.randperm(len(setup.train[0])) if setup.shuffle else torch.arange(len(setup.train[0]))
    batch = tuple(part[order[: setup.batch_size]] for part in setup.train)
    optimizer = setup.optimizer(setup.model)
    started = time.perf_counter()
    try:
        latih.check(setup.model, batch, setup.loss, optimizer=optimizer, train=setup.train).record.save(path)
    except latih.InputError as error:
        facts.failed = f"check: {error}"
    facts.check_seconds = time.perf_counter() - started


def _watch(setup: Setup, path: Path, facts: Facts, seed: int) -> None:
    watching: Any = None

    def block(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> Any:
        nonlocal watching
        loss = setup.loss if isinstance(setup.loss, torch.nn.Module) else None
        watching = latih.watch(model, optimizer=optimizer, loss=loss)
        return watching

    def on_epoch(epoch: int, score: float) -> None:
        watching.log(score=score, **_valid_loss(setup))

    try:
        outcome = run(setup, seed, on_epoch=on_epoch, block=block)
        facts.score = outcome.final if math.isfinite(outcome.final) else None
        facts.updates = len(outcome.losses)
    except (RuntimeError, ValueError, IndexError) as error:
        facts.failed = f"run: {str(error).splitlines()[0][:200]}"
    if watching is not None:
        watching.record.save(path)


def _valid_loss(setup: Setup) -> dict[str, float]:
    setup.model.eval()
    try:
        with torch.no_grad():
            loss = setup.loss(setup.model(setup.valid[0][:512]), setup.valid[1][:512])
        return {"loss": float(loss)} if loss.numel() == 1 else {}
    except (RuntimeError, ValueError, IndexError, TypeError):
        return {}
    finally:
        setup.model.train()


def _grave(findings: Findings) -> list[str]:
    return list(dict.fromkeys(found.name for found in findings if found.severity != "info"))
