"""Time until latih says something: `latih --help`, and the first line of `latih train`."""

from __future__ import annotations

import argparse
import subprocess
import sys
import sysconfig
import tempfile
import time
from pathlib import Path

from _report import milliseconds, ratio, report, write_section
from _rounds import Contender, alternate, warm_up

BASE = "python -c 'import torch'"
COLUMNS = ("command", "until", "ms", "ratio to import torch", "ratio, min-max")
TITLE = "Start-up"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--runs", type=int, default=10, help="starts of each command")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        sys.exit("--runs must be at least 1.")
    latih = str(Path(sysconfig.get_path("scripts")) / "latih")
    heard: list[str] = []
    contenders = {
        "python -c pass": to_the_end([sys.executable, "-c", "pass"]),
        BASE: to_the_end([sys.executable, "-c", "import torch"]),
        "latih --help": to_the_end([latih, "--help"]),
        "latih train": to_the_first_line([latih, "train"], heard),
    }
    to_the_end([latih, "train", "--epochs", "1"])(1)  # an error message would be a first line too
    warm_up(contenders, 1)
    seconds = alternate(contenders, arguments.runs, 1)
    until = {"latih train": "first line"}
    rows = [
        (f"`{name}`", until.get(name, "exit"), milliseconds(times), *ratio(times, seconds[BASE]))
        for name, times in seconds.items()
    ]
    text = report("startup", TITLE, COLUMNS, rows, ["latih", "torch"])
    setting = f"Medians of {arguments.runs} runs into a pipe; the first line was: `{heard[-1]}`"
    print(setting)
    if arguments.write:
        write_section("startup", f"{text}\n\n{setting}")


def to_the_end(command: list[str]) -> Contender:
    """Seconds until `command` has ended."""

    def start(_: int) -> float:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            subprocess.run(command, check=True, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True)
            return time.perf_counter() - started

    return start


def to_the_first_line(command: list[str], heard: list[str]) -> Contender:
    """Seconds until `command` has written a line, on either stream, which goes to `heard`; then it is killed."""

    def start(_: int) -> float:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            started = time.perf_counter()
            with subprocess.Popen(
                command, cwd=folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            ) as process:
                assert process.stdout is not None
                line = process.stdout.readline()
                seconds = time.perf_counter() - started
                process.kill()
        if not line.strip():
            raise RuntimeError(f"{' '.join(command)} wrote no line.")
        heard.append(line.decode().strip())
        return seconds

    return start


if __name__ == "__main__":
    main()
