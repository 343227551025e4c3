"""Tables of the families, read from the families: names, notation, what each does to training, source."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Sequence

from rich.console import Console
from rich.table import Table

from latih._checks import InputError, did_you_mean
from latih._notation import home, names


def method_tables(families: Sequence[str]) -> str:
    """One table a family: each method's notation with its defaults, what it does, and its paper."""
    console = Console(highlight=False)
    with console.capture() as captured:
        for family in families:
            table = Table(
                title=f"{family}: {_idea(family)}", title_justify="left", box=None, show_edge=False, expand=True
            )
            table.add_column("method", ratio=3, overflow="fold")
            table.add_column("what it does to training", ratio=5)
            table.add_column("paper", ratio=2)
            papers = _papers(family)
            for name in names(family):
                table.add_row(_call(family, name), first_line(_method(family, name)), papers.get(name, ""))
            console.print(table, "")
    return captured.get().rstrip()


def method_page(family: str, name: str) -> str:
    """The signature and the whole docstring of one method."""
    if name not in names(family):
        hint = did_you_mean(name, names(family), f"; the methods are {', '.join(names(family))}.")
        raise InputError(f"{name!r} is not a method of {family}{hint}")
    method = _method(family, name)
    return f"{family}.{_call(family, name)}\n\n{inspect.getdoc(method)}"


def first_line(method: object) -> str:
    """The sentence that a table shows."""
    return (inspect.getdoc(method) or "").split("\n\n")[0].replace("\n", " ")


def _family(family: str):
    return importlib.import_module(home(family))


def _method(family: str, name: str) -> object:
    return getattr(_family(family), name)


def _idea(family: str) -> str:
    return first_line(_family(family)).rstrip(".")


def _call(family: str, name: str) -> str:
    signature = inspect.signature(_method(family, name))  # pyright: ignore
    arguments = [f"{one.name}={one.default!r}" for one in signature.parameters.values()]
    return f"{name}({', '.join(arguments)})"


def _papers(family: str) -> dict[str, str]:
    """The last column of the table in the family's docstring."""
    rows = re.findall(r"^\|(.+)\|$", inspect.getdoc(_family(family)) or "", flags=re.MULTILINE)
    cells = [[cell.strip() for cell in row.split("|")] for row in rows]
    return {name: row[-1] for row in cells for name in re.findall(r"`(\w+)", row[0])}
