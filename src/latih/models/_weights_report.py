"""What loading did, in words."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ._weights_names import Prefix

_NAMED = 3  # names of each kind that a report spells out


@dataclass(frozen=True)
class Loaded:
    """What `load_weights` did, by name; `print` it for a short report."""

    loaded: tuple[str, ...]
    """The model's names that were filled."""
    missing: tuple[str, ...]
    """The model's names that the source lacks; they kept their values."""
    unexpected: tuple[str, ...]
    """The source's names that the model lacks, or that hold no tensor."""
    reshaped: tuple[tuple[str, tuple[int, ...], tuple[int, ...]], ...]
    """(the model's name, shape in the source, shape in the model); left as they were."""
    prefix: str
    """"module." was left out of the source's names, "-> backbone." put before them; "" changes nothing."""

    def __str__(self) -> str:
        return f"loaded {self.counts()}"

    def counts(self) -> str:
        """How many of how many, and which are not among them."""
        words = Prefix.read(self.prefix).words()
        shapes = [f"{name} {there} -> {here}" for name, there, here in self.reshaped]
        parts = [f"{len(self.loaded)} of {len(self.loaded) + len(self.missing) + len(self.reshaped)} tensors"]
        parts += [f"the file's names taken {words}"] if words else []
        parts += [f"not in the file: {listed(self.missing)}"] if self.missing else []
        parts += [f"not in the model: {listed(self.unexpected)}"] if self.unexpected else []
        parts += [f"of another shape, left as they were: {listed(shapes)}"] if shapes else []
        return "; ".join(parts)


def listed(names: Iterable[str]) -> str:
    """The first few names, and how many more there are."""
    names = list(names)
    shown = ", ".join(names[:_NAMED])
    return f"{shown} and {len(names) - _NAMED} more" if len(names) > _NAMED else shown
