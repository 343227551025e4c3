"""`python -m clinic.repair`: heal every program, train it again, and write docs/clinic-repair.md.

python -m clinic.repair --jobs 2 --seeds 3 --write     the reported half, all baselines
python -m clinic.repair --half set --methods heal      quick: latih alone, a table on the terminal
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from concurrent.futures import ProcessPoolExecutor, as_completed
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import msgspec

from clinic._base import PROGRAMS
from clinic._measure import Facts
from clinic._repair import Repair, repair
from clinic._repair_page import RESULTS, page, repaired, summary


def main() -> int:
    """Measure what was asked for."""
    options = _options()
    import clinic.programs  # noqa: F401 - fills PROGRAMS

    chosen = [
        program
        for program in PROGRAMS.values()
        if options.half in ("both", program.half)
        and not program.check_only
        and program.make(0).update is None
        and any(word in program.name for word in options.only.split(","))
        and (program.fault is not None or not options.faulty)
    ]
    jobs = [(program.name, seed) for program in chosen for seed in range(options.seeds)]
    found: list[Repair] = []
    started = time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(_repaired, *job, tuple(options.methods.split(",")), options.records) for job in jobs]
        for number, done in enumerate(as_completed(waiting), start=1):
            found.append(done.result())
            if options.verbose and found[-1].fault and not repaired(found[-1], "heal"):
                print(_line(found[-1]), flush=True)
            if number % 50 == 0:
                print(f"{number}/{len(jobs)}, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    found.sort(key=lambda one: (one.program, one.seed))
    if options.save:
        Path(options.save).write_text(json.dumps([msgspec.to_builtins(one) for one in found]))
    print(summary(found))
    if options.write:
        RESULTS.write_text(page(found, _command(options)), encoding="utf-8")
    return 0


def _repaired(name: str, seed: int, methods: tuple[str, ...], records: str) -> Repair:
    import clinic.programs  # noqa: F401

    program = PROGRAMS[name]
    healthy = program.fault is None
    found = repair(program, seed, tuple(one for one in methods if one == "heal") if healthy else methods)
    if not healthy:
        found.faulty, found.fixed = _score(Path(records), name, seed), _score(Path(records), f"{name}-fixed", seed)
    return found


def _score(folder: Path, name: str, seed: int) -> float | None:
    """Of the plain run that `python -m clinic` has recorded."""
    path = folder / f"{name}-{seed}.json"
    if not path.exists():
        sys.exit(f"{path}: run python -m clinic first; it records what each program reaches by itself.")
    return msgspec.json.decode(path.read_bytes(), type=Facts).score


def _line(one: Repair) -> str:
    scores = f"faulty {_text(one.faulty)} fixed {_text(one.fixed)} healed {_text(one.scores.get('heal'))}"
    found = ",".join(one.findings)
    return f"{one.program}-{one.seed} ({one.fault}) {one.verdict}: {scores} | {found} | {one.edits} {one.failed}"


def _text(score: float | None) -> str:
    return "lost" if score is None else f"{score:.3f}"


def _command(options: argparse.Namespace) -> str:
    """What makes the page again, without where results were saved."""
    given = sys.argv[1:]
    if options.save:
        place = given.index("--save")
        given = given[:place] + given[place + 2 :]
    return " ".join(["python -m clinic.repair", *given])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m clinic.repair", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--half", choices=("set", "report", "both"), default="report")
    parser.add_argument("--only", default="", help="words, one of which a program's name must contain")
    parser.add_argument("--methods", default="heal,usual,random,autotrainer")
    parser.add_argument("--faulty", action="store_true", help="leave the healthy programs out")
    parser.add_argument("--records", default="build/clinic", help="where `python -m clinic` left its scores")
    parser.add_argument("--save", help="write the results as JSON")
    parser.add_argument("--write", action="store_true", help="write docs/clinic-repair.md")
    parser.add_argument("--verbose", action="store_true", help="print each program that was not repaired")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
