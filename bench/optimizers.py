"""Time each latih optimizer's step on 100 layers of 100 units against torch's fastest implementation of it."""

from __future__ import annotations

import argparse
import statistics
import sys
import time
from collections.abc import Iterator

import torch
from _report import microseconds, ratio, report, write_section
from _rounds import Contender, alternate, warm_up
from torch import nn

from latih._notation import build, names
from latih.optim import OptimizerSpec

VARIANTS = {"for-loop": {"foreach": False}, "foreach": {"foreach": True}, "fused": {"fused": True}}
COLUMNS = ("optimizer", "latih µs", "torch's fastest", "torch µs", "ratio", "ratio, min-max")
TITLE = "One optimizer step: 100 linear layers of 100 units"
LR = 1e-6  # the gradients are always the same; the weights must stay ordinary numbers


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--optimizers", nargs="+", choices=names("optim"), default=names("optim"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=50, help="steps a round and side")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if min(arguments.rounds, arguments.steps) < 1:
        sys.exit("--rounds and --steps must be at least 1.")
    rows = [_row(name, arguments.rounds, arguments.steps) for name in arguments.optimizers]
    text = report("optimizers", TITLE, COLUMNS, rows, ["latih", "torch"])
    setting = f"{arguments.rounds} rounds of {arguments.steps} steps, {torch.get_num_threads()} torch threads."
    print(setting)
    if arguments.write:
        write_section("optimizers", f"{text}\n\n{setting}")


def _row(name: str, rounds: int, steps: int) -> tuple[str, ...]:
    spec = build("optim", f"{name}()").with_(lr=LR)
    contenders = {"latih": _stepping(spec(net()))} | dict(_torch_variants(spec))
    warm_up(contenders, min(steps, 5))
    seconds = alternate(contenders, rounds, steps)
    ours = seconds.pop("latih")
    if not seconds:
        return name, microseconds(ours), "not in torch", "", "", ""
    fastest = min(seconds, key=lambda variant: statistics.median(seconds[variant]))
    return name, microseconds(ours), fastest, microseconds(seconds[fastest]), *ratio(ours, seconds[fastest])


def _torch_variants(spec: OptimizerSpec) -> Iterator[tuple[str, Contender]]:
    """The same update by torch's own class, in each implementation that this class has."""
    if not spec.make.__module__.startswith("torch."):
        return
    for variant, choice in VARIANTS.items():
        settings = {"lr": spec.lr, "weight_decay": spec.weight_decay, **spec.options, **choice}
        model = net()
        try:
            optimizer = spec.make(model.parameters(), **settings)  # pyright: ignore
        except (TypeError, RuntimeError, ValueError):
            continue  # this class has no such implementation
        yield variant, _stepping(optimizer)


def net() -> nn.Sequential:
    """100 layers with a gradient in every parameter."""
    model = nn.Sequential(*(nn.Linear(100, 100) for _ in range(100)))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter) * 0.01
    return model


def _stepping(optimizer: torch.optim.Optimizer) -> Contender:
    def run(steps: int) -> float:
        started = time.perf_counter()
        for _ in range(steps):
            optimizer.step()
        return (time.perf_counter() - started) / steps

    return run


if __name__ == "__main__":
    main()
