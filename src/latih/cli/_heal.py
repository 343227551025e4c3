"""`latih heal`: find out why a network does not learn, and prove what helps."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ._arguments import read
from ._settings import over_file
from ._train import RecipeFlags, SourceFlags


@dataclass(frozen=True)
class Heal:
    """Check a training, watch it a little, and try what may cure it.

    What is kept was compared with the unchanged training on held-out data.

    DATA and the flags are those of `latih train`, which has --heal to go on.

    Exit code 0: healthy or healed; 1: something is wrong that was not healed.
    """

    source: SourceFlags = field(default_factory=SourceFlags)
    settings: RecipeFlags = field(default_factory=RecipeFlags)
    recipe: Path | None = None
    """A TOML file with any of these settings, such as the recipe.toml of an earlier run."""
    budget: float = 0.25
    """Share of the whole training's examples that all trials together may see."""
    json: Path | None = None
    """Also write everything that was found, tried and changed there."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = read(Heal, words, "heal")
    asked = over_file(asked, asked.recipe, words, "heal", "heal it in Python with latih.heal")
    source = asked.source.resolved()
    print(f"latih  heals {source.model} on {source.data}", flush=True)
    import msgspec

    from latih.heal import heal_job
    from latih.train import describe, prepare, run_folder

    prepared = prepare(source, asked.settings)
    print("\n".join(describe(*prepared[:2])), flush=True)
    healing = heal_job(asked.settings, prepared, budget=asked.budget, say=_say)
    print(f"\n{healing}")
    if asked.json is not None:
        run_folder.write(asked.json, msgspec.json.format(msgspec.json.encode(healing.to_dict()), indent=2))
    sys.stdout.flush()
    return 0 if healing.verdict != "not healed" else 1


def _say(line: str) -> None:
    print(f"  {line}", file=sys.stderr, flush=True)
