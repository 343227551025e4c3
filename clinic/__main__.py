"""`python -m clinic`: run every program, ask latih what is wrong with it, and write docs/clinic.md.

python -m clinic --jobs 2 --seeds 3 --write     all programs, the page (make clinic)
python -m clinic --half set --only mlp          some of them, a table on the terminal
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

from clinic._base import PROGRAMS
from clinic._measure import Verdict, plain, record, verdict
from clinic._page import RESULTS, page, summary


def main() -> int:
    """Measure what was asked for."""
    options = _options()
    import clinic.programs  # noqa: F401 - fills PROGRAMS

    chosen = [
        program
        for program in PROGRAMS.values()
        if (options.half in ("both", program.half)) and any(word in program.name for word in options.only.split(","))
    ]
    seeds = {"report": options.seeds, "set": min(options.seeds, options.set_seeds)}
    jobs = [(program.name, seed, options.records) for program in chosen for seed in range(seeds[program.half])]
    Path(options.records).mkdir(parents=True, exist_ok=True)
    verdicts, started = [], time.perf_counter()
    with ProcessPoolExecutor(options.jobs) as pool:
        waiting = [pool.submit(_measured, *job) for job in jobs]
        for number, done in enumerate(as_completed(waiting), start=1):
            verdicts.append(done.result())
            if options.verbose and _surprising(verdicts[-1]):
                print(_line(verdicts[-1]), flush=True)
            if number % 50 == 0:
                print(f"{number}/{len(jobs)} runs, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)
    verdicts.sort(key=lambda one: (one.program, one.seed))
    if options.save:
        Path(options.save).write_text(json.dumps([plain(one) for one in verdicts]))
    print(summary(verdicts))
    if options.write:
        RESULTS.write_text(page(verdicts, _command(options)), encoding="utf-8")
    return 0


def _measured(name: str, seed: int, folder: str) -> Verdict:
    import clinic.programs  # noqa: F401

    record(PROGRAMS[name], seed, Path(folder))
    return verdict(PROGRAMS[name], seed, Path(folder))


def _surprising(verdict: Verdict) -> bool:
    return verdict.alarmed if verdict.fault is None else not verdict.right


def _line(verdict: Verdict) -> str:
    what = verdict.fault or "healthy"
    said = f"check {','.join(verdict.check) or '-'} watch {','.join(verdict.watch) or '-'}"
    return f"{verdict.half:<6} {verdict.program}-{verdict.seed} ({what}): {said} ever {','.join(verdict.ever) or '-'}"


def _command(options: argparse.Namespace) -> str:
    """What makes the page again, without where results were saved."""
    given = sys.argv[1:]
    if options.save:
        place = given.index("--save")
        given = given[:place] + given[place + 2 :]
    return " ".join(["python -m clinic", *given])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser("python -m clinic", description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--set-seeds", type=int, default=1, help="of the series that the rules were made with")
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--half", choices=("set", "report", "both"), default="both")
    parser.add_argument("--only", default="", help="words, one of which a program's name must contain")
    parser.add_argument("--records", default="build/clinic", help="folder of what was seen; delete it to run anew")
    parser.add_argument("--save", help="write the verdicts as JSON")
    parser.add_argument("--write", action="store_true", help="write docs/clinic.md")
    parser.add_argument("--verbose", action="store_true", help="print each verdict that is not right")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
