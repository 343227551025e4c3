"""What torchrun says in the environment, read without loading torch: who speaks, and which attempt this is."""

from __future__ import annotations

import os
import sys
from datetime import timedelta

_NEEDED = ("RANK", "WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT")
_PATIENCE = timedelta(seconds=20)


def several() -> int:
    """How many processes train together, 0 for one alone."""
    there = all(name in os.environ for name in _NEEDED)
    size = int(os.environ["WORLD_SIZE"]) if there else 1
    return size if size > 1 else 0


def speaks() -> bool:
    """Whether this is the process that talks to the user."""
    return not several() or os.environ["RANK"] == "0"


def restarts() -> tuple[int, int]:
    """How often torchrun has started this training anew, and how often it would."""
    return int(os.environ.get("TORCHELASTIC_RESTART_COUNT", "0")), int(os.environ.get("TORCHELASTIC_MAX_RESTARTS", "0"))


def complain(sentence: str) -> None:
    """Print a mistake on stderr; of several processes that make the same one, only the first says it.

    The others wait for it, since torchrun ends all as soon as one has failed, and speak themselves where it is silent.
    """
    if speaks():
        print(sentence, file=sys.stderr, flush=True)
    if not several():
        return
    from torch.distributed.rendezvous import rendezvous

    said = f"latih/said/{restarts()[0]}"
    try:
        store = next(rendezvous("env://", timeout=_PATIENCE))[0]
        if speaks():
            store.set(said, "")
        else:
            store.wait([said], _PATIENCE)
    except (RuntimeError, OSError):
        if not speaks():
            print(sentence, file=sys.stderr, flush=True)
