"""`latih methods`: what there is, from the families themselves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import tyro

from latih._checks import InputError, did_you_mean
from latih._notation import FAMILIES

from ._arguments import read


@dataclass(frozen=True)
class Methods:
    """List the methods of all families, or of one; or show one method's page."""

    name: Annotated[tyro.conf.Positional[str], tyro.conf.arg(metavar="NAME")] = "all"
    """A family (optim), or a method of one (optim.nag)."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = read(Methods, words, "methods")
    from latih.report import method_page, method_tables

    family, _, method = asked.name.partition(".")
    if asked.name != "all" and family not in FAMILIES:
        hint = did_you_mean(family, FAMILIES, f"; the families are {', '.join(FAMILIES)}.")
        raise InputError(f"{family!r} is not a family{hint}")
    print(method_page(family, method) if method else method_tables(FAMILIES if family == "all" else (family,)))
    return 0
