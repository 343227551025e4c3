"""Kill trainings at random moments, resume each with another number of workers, and compare the ends.

`python scripts/soak_kills.py --kills 200` prints how many kills there were and whether every training ended with the
weights, bit for bit, and the history of the one that was left alone. Images are decoded by worker processes and
augmented at random; a checkpoint is due every three steps, so that kills also fall into the writing of one. The moments
follow from `--seed`, but for the speed of the machine.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import multiprocessing
import os
import random
import signal
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CLASSES, IMAGES, SIDE = ("dark", "light"), 24, 8
WORKERS = (0, 2, 4)
PRELOADED = ["torch._dynamo", "latih.train", "latih.data.augment", "latih.optim", "latih.clip", "PIL.PngImagePlugin"]
_PATIENCE = 120  # seconds without a new checkpoint


def main() -> None:
    """Kill until there are as many kills as asked for."""
    arguments = _arguments()
    print(f"{arguments.kills} kills, seed {arguments.seed}", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        total = 0
        for runs, (kills, same) in enumerate(chains(Path(folder), arguments.seed), start=1):
            total += kills
            print(
                f"run {runs}: killed {kills} times, {'the same' if same else 'ANOTHER'} end; {total} kills", flush=True
            )
            if not same:
                sys.exit(1)
            if total >= arguments.kills:
                break
    print(f"{total} kills in {runs} runs: every run ended bit for bit as the one that was left alone.")


def chains(folder: Path, seed: int, kills: int = 20) -> Iterator[tuple[int, bool]]:
    """For one training after the other: how often it was killed, and whether it ended as the undisturbed one."""
    pictures = write_pictures(folder / "pictures")
    left_alone = folder / "left-alone"
    process = started(pictures, left_alone, 0, resume=False)
    process.join()
    expected = ending(left_alone)
    chance = random.Random(seed)
    for number in itertools.count():
        out = folder / f"run-{number}"
        yield chain(pictures, out, chance, kills, first=number), ending(out) == expected


def chain(pictures: Path, out: Path, chance: random.Random, kills: int, first: int) -> int:
    """One training to its end, killed at most `kills` times on the way, each time to go on with other workers."""
    for done, workers in enumerate(itertools.islice(itertools.cycle(WORKERS), first, None)):
        # without a recipe there is nothing to go on with
        process = started(pictures, out, workers, resume=(out / "recipe.toml").exists())
        if done < kills:
            _wait_for_progress(process, out, chance.randint(0, 8))
            time.sleep(chance.uniform(0.0, 0.04))
            process.kill()
        process.join()
        # a worker whose parent dies while it is starting takes whoever adopts it for its parent, and stays
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        if process.exitcode == 0:
            return done
        if process.exitcode != -signal.SIGKILL:
            raise RuntimeError(f"the training ended with {process.exitcode}: {_said(out).read_text()[-2000:]}")
    raise AssertionError


def started(pictures: Path, out: Path, workers: int, *, resume: bool) -> Any:
    """A process that trains; torch is imported once for all of them, by the server that they are forked from."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(PRELOADED)
    process = context.Process(target=train, args=(pictures, out, workers, resume))
    process.start()
    return process


def train(pictures: Path, out: Path, workers: int, resume: bool) -> None:
    """What is killed."""
    os.setsid()
    # the workers of a killed training complain when they find out
    os.dup2(os.open(_said(out), os.O_WRONLY | os.O_CREAT | os.O_APPEND), 2)
    import torch

    import latih
    from latih.data import load

    torch.set_num_threads(1)
    multiprocessing.set_start_method("fork", force=True)  # or every worker would import torch for itself
    data = load(str(pictures), valid_fraction=0.2, workers=workers, in_memory_bytes=0)
    recipe = latih.Recipe(
        epochs=6,
        batch_size=4,
        schedule="warmup(5) >> cosine()",
        clip="auto(50)",
        augment="flip() >> shift(2)",
        save_every="3 steps",
        watch="loss",
    )
    latih.train(network(), data.train, data.valid, recipe=recipe, out=out, resume=resume, progress=False)


def network() -> Any:
    """With everything that has state or chance in it: statistics, dropout, and several layers."""
    import torch
    from torch import nn

    from latih.models import Standardize

    torch.manual_seed(0)
    first = Standardize(torch.full((1, 1, 1), 120.0), torch.full((1, 1, 1), 60.0))
    hidden = [nn.Conv2d(1, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.3)]
    return nn.Sequential(first, *hidden, nn.Flatten(), nn.Linear(4 * SIDE * SIDE, 2))


def ending(out: Path) -> tuple[bytes, list[dict[str, float]]]:
    """The weights, and the history but for the times."""
    rows = [json.loads(line) for line in (out / "history.jsonl").read_text(encoding="utf-8").splitlines()]
    for row in rows:
        del row["seconds"], row["examples_per_second"]
    return (out / "model.safetensors").read_bytes(), rows


def write_pictures(folder: Path) -> Path:
    """Two classes of small grey images."""
    values = np.random.default_rng(0)
    for number, name in enumerate(CLASSES):
        (folder / name).mkdir(parents=True)
        for image in range(IMAGES):
            pixels = values.integers(0, 200, (SIDE, SIDE)) + 40 * number
            Image.fromarray(pixels.astype(np.uint8)).save(folder / name / f"{image}.png")
    return folder


def newest(out: Path) -> int:
    """Updates at the newest checkpoint, 0 before the first."""
    return max((int(path.name.split("-")[1]) for path in (out / "checkpoints").glob("step-*")), default=0)


def _said(out: Path) -> Path:
    return out.with_name(f"{out.name}.stderr")


def _wait_for_progress(process: Any, out: Path, steps: int) -> None:
    before, until = newest(out), time.monotonic() + _PATIENCE
    while process.is_alive() and newest(out) < before + steps:
        if time.monotonic() > until:
            process.kill()
            raise RuntimeError(f"no new checkpoint in {_PATIENCE} seconds.")
        time.sleep(0.002)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.kills < 1:
        sys.exit("--kills must be at least 1.")
    return arguments


if __name__ == "__main__":
    main()
