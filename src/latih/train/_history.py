"""What happened, one row an epoch, as plain numbers."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field

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

    def column(self, name: str) -> list[float]:
        """One value an epoch."""
        return [row[name] for row in self.rows if name in row]

    def lines(self) -> bytes:
        """The content of history.jsonl."""
        return b"".join(msgspec.json.encode(row) + b"\n" for row in self.rows)
