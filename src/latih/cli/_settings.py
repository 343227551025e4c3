"""Flags over a recipe file over the defaults, for commands that look at a job and do not train it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar

from latih._checks import InputError
from latih._recipe import read_toml

from ._arguments import read, refuse_unnamed_code
from ._train import RecipeFlags, SourceFlags

Asked = TypeVar("Asked")


def over_file(asked: Asked, file: Path | None, words: Sequence[str], command: str, instead: str) -> Asked:
    """What was `asked` with what `file` sets in place of the defaults; unchanged without a file.

    A file of a run that reused a pretrained network is refused, with what to do `instead`.
    """
    if file is None:
        return asked
    settings, source, reuse = read_toml(file)
    if reuse is not None:
        raise InputError(f"{file}: it reuses a pretrained network; {instead}.")
    changes: dict[str, Any] = {"settings": RecipeFlags(**vars(settings)), "source": SourceFlags(**vars(source))}
    final: Any = read(type(asked), words, command, replace(asked, **changes))  # pyright: ignore[reportArgumentType, reportCallIssue]
    if final.source.is_factory:
        refuse_unnamed_code(file, "--model", final.source.model, asked.source.model)  # pyright: ignore
    return final
