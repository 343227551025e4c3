"""Time one training step of the same network under several trainers, side by side in one process."""

from __future__ import annotations

import argparse
import contextlib
import importlib
import os
import sys
import warnings
from pathlib import Path

import torch
from _fashion import FOLDER, fashion
from _report import microseconds, ratio, report, write_section
from _rounds import Contender, alternate, warm_up
from _task import BATCH
from torch import Tensor

BASE = "bare"
SIDES = {  # name -> module of bench/sides, package
    "bare": ("bare", "torch"),
    "bare-fused": ("bare_fused", "torch"),
    "bare-dataloader": ("bare_dataloader", "torch"),
    "latih": ("latih_side", "latih"),
    "lightning": ("lightning_side", "lightning"),
    "transformers": ("transformers_side", "transformers"),
    "keras": ("keras_side", "keras"),
    "skorch": ("skorch_side", "skorch"),
}
COLUMNS = ("side", "µs/step", f"ratio to {BASE}", "ratio, min-max", "ratio to latih")
TITLE = "One training step: MLP 784-300-100-10, batch 32, Nesterov, Fashion-MNIST in memory"


def main() -> None:
    arguments = _arguments()
    names = [BASE] + [name for name in arguments.sides if name != BASE]
    with open(os.devnull, "w") as nowhere:
        # every side keeps its progress bar, and nobody reads it
        with contextlib.redirect_stdout(nowhere), contextlib.redirect_stderr(nowhere), warnings.catch_warnings():
            contenders, missing = _prepared(names, *fashion(arguments.data))
            warm_up(contenders, min(arguments.steps, 50))
            seconds = alternate(contenders, arguments.rounds, arguments.steps)
        for line in missing:
            print(line)
    ours = seconds.get("latih")
    rows = [
        (name, microseconds(times), *ratio(times, seconds[BASE]), ratio(times, ours)[0] if ours else "")
        for name, times in seconds.items()
    ]
    packages = list(dict.fromkeys(SIDES[name][1] for name in contenders))
    text = report("step", TITLE, COLUMNS, rows, packages)
    setting = f"{arguments.rounds} rounds of {arguments.steps} steps, {torch.get_num_threads()} torch threads."
    print(setting)
    if arguments.write:
        write_section("step", f"{text}\n\n{setting}")


def _prepared(names: list[str], x: Tensor, y: Tensor) -> tuple[dict[str, Contender], list[str]]:
    contenders, missing = {}, []
    for name in names:
        module, package = SIDES[name]
        try:
            contenders[name] = importlib.import_module(f"sides.{module}").prepare(x, y)
        except ModuleNotFoundError as error:
            if error.name != package:  # the package is there, and broken
                raise
            missing.append(f"{name}: skipped, no module {error.name} (pip install {package}).")
    return contenders, missing


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--sides", nargs="+", choices=SIDES, default=list(SIDES), help=f"{BASE} always runs")
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--steps", type=int, default=400, help=f"a round and side, of {BATCH} examples each")
    parser.add_argument("--data", type=Path, default=FOLDER, help="folder of Fashion-MNIST's idx.gz files")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or not 2 <= arguments.steps <= 55_000 // BATCH:
        sys.exit(f"--rounds must be at least 1 and --steps between 2 and {55_000 // BATCH}.")
    return arguments


if __name__ == "__main__":
    main()
