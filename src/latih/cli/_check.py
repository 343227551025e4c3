"""`latih check`: say why a network does not learn, before it is trained."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated

import tyro

from ._arguments import read
from ._settings import over_file
from ._train import RecipeFlags, SourceFlags


@dataclass(frozen=True)
class Check:
    """Look at a network, its data and its loss; say what will keep it from learning.

    DATA and the flags are those of `latih train`; --run names a run to look at.

    Exit code 0: no warning; 1: warnings or errors were found.
    """

    source: SourceFlags = field(default_factory=SourceFlags)
    settings: RecipeFlags = field(default_factory=RecipeFlags)
    recipe: Path | None = None
    """A TOML file with any of these settings, such as the recipe.toml of an earlier run."""
    run: Annotated[Path | None, tyro.conf.arg(metavar="RUN")] = None
    """A run folder: its recipe is checked, and what was found while it trained is shown."""
    json: Path | None = None
    """Also write the findings there."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = read(Check, words, "check")
    file = asked.recipe if asked.run is None else asked.run / "recipe.toml"
    asked = over_file(asked, file, words, "check", "check it in Python with latih.check")
    source = asked.source.resolved()
    print(f"latih  checks {source.model} on {source.data}", flush=True)
    from latih.diagnose import findings_json, read_findings
    from latih.train import check_job, describe, prepare, run_folder

    found = asked.run and asked.run / run_folder.FINDINGS
    while_training = read_findings(found) if found and found.exists() else None  # read first: it may be damaged
    prepared = prepare(source, asked.settings)
    print("\n".join(describe(*prepared[:2])), flush=True)
    findings = check_job(asked.settings, prepared)
    print(findings)
    grave = not findings.healthy
    if while_training is not None:
        print(f"\nwhile {asked.run} trained:\n{while_training}")
        grave |= not while_training.healthy
    if asked.json is not None:
        run_folder.write(asked.json, findings_json(findings))
    sys.stdout.flush()
    return 1 if grave else 0
