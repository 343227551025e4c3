"""Print a result table, and write it as a named section of docs/benchmarks.md."""

from __future__ import annotations

import datetime
import os
import platform
import re
import statistics
import sys
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from rich.console import Console
from rich.table import Table

PAGE = Path(__file__).parents[1] / "docs" / "benchmarks.md"
HEAD = """# Benchmarks

Each section is written by the command that it names; `bench/README.md` says what is compared and how to read it.
"""


Cells = Sequence[str]


def report(name: str, title: str, columns: Cells, rows: Sequence[Cells], packages: Sequence[str]) -> str:
    """Print the table and return the section's text: title, machine, versions, command, table."""
    table = Table(title=title)
    for column in columns:
        table.add_column(column, justify="left" if column == columns[0] else "right")
    for row in rows:
        table.add_row(*row)
    Console().print(table)
    command = " ".join(["python", f"bench/{name}.py", *sys.argv[1:]])
    lines = [f"## {title}", "", f"{_machine()}; {_versions(packages)}. Command: `{command}`.", ""]
    lines += _row(columns), _row(["---"] + ["---:"] * (len(columns) - 1)), *map(_row, rows)
    return "\n".join(lines)


def write_section(name: str, text: str, page: Path | None = None) -> None:
    """Put `text` between the page's `<!-- name -->` and `<!-- /name -->`, or append both at its end."""
    page = page or PAGE
    old = page.read_text(encoding="utf-8") if page.exists() else HEAD
    section = f"<!-- {name} -->\n{text}\n<!-- /{name} -->"
    marked = re.compile(f"<!-- {name} -->.*?<!-- /{name} -->", re.DOTALL)
    new = marked.sub(lambda _: section, old) if marked.search(old) else f"{old.rstrip()}\n\n{section}\n"
    page.write_text(new, encoding="utf-8")


def microseconds(seconds: Sequence[float]) -> str:
    """The median, as microseconds."""
    return f"{statistics.median(seconds) * 1e6:.0f}"


def milliseconds(seconds: Sequence[float]) -> str:
    """The median, as milliseconds."""
    return f"{statistics.median(seconds) * 1e3:.0f}"


def ratio(seconds: Sequence[float], base: Sequence[float]) -> tuple[str, str]:
    """The median of the ratios round by round, and their smallest and largest."""
    ratios = [one / other for one, other in zip(seconds, base, strict=True)]
    return f"{statistics.median(ratios):.2f}", f"{min(ratios):.2f}-{max(ratios):.2f}"


def _row(cells: Cells) -> str:
    return f"| {' | '.join(cells)} |"


def _machine() -> str:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        named = re.search(r"^model name\s*: (.*)$", info.read_text(), re.MULTILINE)
        cpu = named[1] if named else cpu
    system = f"{platform.system()} {platform.machine()}, Python {platform.python_version()}"
    return f"{datetime.date.today()}, {cpu}, {os.cpu_count()} CPUs, {system}"


def _versions(packages: Sequence[str]) -> str:
    return ", ".join(f"{package} {_version(package)}" for package in packages)


def _version(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "not installed"
