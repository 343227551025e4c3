"""`latih lr`: the learning rate to train with."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ._arguments import read
from ._settings import over_file
from ._train import RecipeFlags, SourceFlags

_OWN = ("--svg", "--json", "--low", "--high", "--lr")
"""Flags that `latih train` does not have, or is told anew."""


@dataclass(frozen=True)
class Lr:
    """Find the learning rate at which a network learns best, and try it.

    A sweep proposes rates, short trainings of copies decide between them.

    DATA and the flags are those of `latih train`; nothing else is written.

    Exit code 0: a rate was found; 1: no rate helps.
    """

    source: SourceFlags = field(default_factory=SourceFlags)
    settings: RecipeFlags = field(default_factory=RecipeFlags)
    recipe: Path | None = None
    """A TOML file with any of these settings, such as the recipe.toml of an earlier run."""
    low: float | None = None
    """Where the sweep begins; by default 1e-7, and lower where the loss diverges at once."""
    high: float | None = None
    """Where the sweep ends at the latest; by default 100."""
    svg: Path | None = None
    """Also draw the curve there."""
    json: Path | None = None
    """Also write everything that was seen there."""


def run(words: Sequence[str]) -> int:
    """Run the command."""
    asked = read(Lr, words, "lr")
    asked = over_file(asked, asked.recipe, words, "lr", "find its rate with latih.find_lr")
    source = asked.source.resolved()
    print(f"latih  finds the learning rate of {source.model} on {source.data}", flush=True)
    import msgspec

    from latih.heal.lr import Range, lr_job
    from latih.train import describe, prepare, run_folder

    ramp = Range(asked.low, asked.high)
    prepared = prepare(source, asked.settings)
    print("\n".join(describe(*prepared[:2])), flush=True)
    finding = lr_job(asked.settings, prepared, ramp)
    print(f"\n{finding}")
    if asked.svg is not None:
        run_folder.write(asked.svg, finding.svg().encode())
    if asked.json is not None:
        run_folder.write(asked.json, msgspec.json.format(msgspec.json.encode(finding.to_dict()), indent=2))
    if finding.lr is not None:
        print(f"\ntrain with it:\n  {shlex.join(['latih', 'train', *_kept(words), '--lr', f'{finding.lr:g}'])}")
    sys.stdout.flush()
    return 0 if finding.lr is not None else 1


def _kept(words: Sequence[str]) -> list[str]:
    """The words that `latih train` takes as they are."""
    kept, skip = [], False
    for word in words:
        name = word.split("=", 1)[0].replace("_", "-")
        if not skip and name not in _OWN:
            kept.append(word)
        skip = not skip and name in _OWN and "=" not in word
    return kept
