"""What happened, one row an epoch, as plain numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import msgspec


@dataclass
class History:
    """`rows` as written to history.jsonl; `stopped` says why training ended before the last epoch."""

    rows: list[dict[str, float]] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    """The training loss of every update."""
    clipped: Counter[str] = field(default_factory=Counter)
    """How often the gradient of each parameter lost the most to the clip."""
    stopped: str | None = None
    diverged: str | None = None
    """Of a run that stopped because it diverged: when and why, and where the first value not finite came from."""
    rollbacks: list[dict[str, Any]] = field(default_factory=list)
    """Each time that the run went back: its epoch and step (from 1), why, the update that it went back to, what was
    changed, and the factor on the learning rate."""

    def column(self, name: str) -> list[float]:
        """One value an epoch."""
        return [row[name] for row in self.rows if name in row]

    def lines(self) -> bytes:
        """The content of history.jsonl."""
        return b"".join(msgspec.json.encode(row) + b"\n" for row in self.rows)
