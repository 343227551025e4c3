"""Flags from a dataclass, and a mistake in them as one sentence."""

from __future__ import annotations

import contextlib
import io
import itertools
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import tyro

from latih._checks import InputError
from latih._notation import names
from latih._recipe import Source

Arguments = TypeVar("Arguments")

_CONFIG = (tyro.conf.OmitArgPrefixes, tyro.conf.DisallowNone)


def read(kind: type[Arguments], words: Sequence[str], command: str, default: Arguments | None = None) -> Arguments:
    """Parse `words` into `kind`; unset flags come from `default`. `--help` prints and exits with 0.

    Raises `InputError` with one sentence for whatever cannot be parsed.
    """
    given: Any = {} if default is None else {"default": default}
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            return tyro.cli(kind, prog=f"latih {command}", args=list(words), config=_CONFIG, **given)
    except SystemExit as end:
        if end.code in (0, None):
            raise
        raise InputError(_one_sentence(said.getvalue(), command)) from None


def method(family: str, role: str) -> Any:
    """What a flag's help says when it takes notation: the family's methods."""
    return tyro.conf.arg(help=f"{role}: {', '.join(names(family))}.", metavar="METHOD")


def fresh_folder(source: Source) -> Path:
    """The first of runs/NAME-1, runs/NAME-2, ... that does not exist."""
    name, number = Path(source.data).stem or "run", 1
    while (folder := Path("runs") / f"{name}-{number}").exists():
        number += 1
    return folder


def refuse_unnamed_code(file: Path, flag: str, wanted: str, named: str) -> None:
    """Refuse code of the user's own (package.module:factory) that `file` wants and no flag `named`.

    A file may be a stranger's: naming code is how it is allowed to run.
    """
    if wanted != named:
        raise InputError(
            f"{file}: its network is the code {wanted!r}, which is only imported when you name it; "
            f"pass {flag} {wanted} if you trust it."
        )


def _one_sentence(said: str, command: str) -> str:
    """What tyro says in a box: the first paragraph, and the flag that it thinks was meant."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", said)
    lines = [line.strip("│╭╮╰╯ ") for line in plain.splitlines()]
    body = [line for line in lines if not line.startswith("─") or line.strip("─")]
    rule = next((place for place, line in enumerate(lines) if place and set(line) == {"─"}), len(lines))
    first = " ".join(line for line in lines[1:rule] if line)
    first = re.sub(r"^Error parsing (source|settings|reuse): ", "", first).rstrip(".")
    first = re.sub(r"^Missing from (latih \S+): (\S+).*", r"\1 needs \2", first)
    meant = next(
        (line.split()[0] for before, line in itertools.pairwise(body) if before.startswith("Perhaps you")), None
    )
    return f"{first}{f'; did you mean {meant}?' if meant else '.'} See latih {command} --help."
