"""How a checkpoint's names become the model's: which prefix is left out, and which is put before."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from latih._checks import InputError

_DEPTH = 4  # parts of a name that wrappers may have put before it: "module._orig_mod.model.backbone."


@dataclass(frozen=True, order=True)
class Prefix:
    """`stripped` is left out of the file's names, then `added` is put before them; both end in a dot or are empty."""

    stripped: str = ""
    added: str = ""

    @classmethod
    def read(cls, text: str) -> Prefix:
        """From its notation: "module." is left out, "-> backbone." put before, "module. -> backbone." does both."""
        stripped, _, added = text.partition("->")
        return cls(_dotted(stripped.strip()), _dotted(added.strip()))

    def __str__(self) -> str:
        return f"{self.stripped} -> {self.added}".strip() if self.added else self.stripped

    def of(self, name: str) -> str | None:
        """What the model calls the file's `name`; None where the name lacks the prefix."""
        return self.added + name[len(self.stripped) :] if name.startswith(self.stripped) else None

    def words(self) -> str:
        """The same as part of a sentence; "" where nothing changes."""
        parts = [f"without {self.stripped!r}"] if self.stripped else []
        return " and ".join([*parts, f"with {self.added!r} before them"] if self.added else parts)


def find_prefix(call: str, tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Prefix:
    """The prefix under which most names and shapes match; none where that does as well as any other.

    Raises `InputError` where several do equally well, as for a file that holds two copies of the weights.
    """
    matches = _matches(tensors, state)
    most = max(matches.values(), default=0)
    best = sorted(prefix for prefix, count in matches.items() if count == most)
    few = 2 * most < min(len(tensors), len(state))  # such matches are chance, and say nothing of prefixes
    if Prefix() in best or not best or (few and len(best) > 1):
        return Prefix()
    if len(best) > 1:
        ways = ", ".join(repr(str(prefix)) for prefix in best[:4])
        raise InputError(
            f"{call}: {len(best)} prefixes match equally well, {most} tensors each ({ways}); name one, with "
            f"prefix={str(best[0])!r} for one."
        )
    return best[0]


def _matches(tensors: Mapping[str, Tensor], state: Mapping[str, Tensor]) -> Counter[Prefix]:
    """Under each prefix, how many names and shapes of the file are the model's."""
    rests: dict[str, list[tuple[str, Tensor]]] = {}
    for name, value in state.items():
        for added, rest in _splits(name):
            rests.setdefault(rest, []).append((added, value))
    matches: Counter[Prefix] = Counter()
    for name, value in tensors.items():
        for stripped, rest in _splits(name):
            # "weight" alone is no trace of a shared structure, unless one side has nothing before it
            whole = "." in rest or not stripped
            for added, target in rests.get(rest, ()) if whole else [("", state[rest])] if rest in state else ():
                # a prefix that both sides end alike, "module.net. -> net.", says less than "module." does
                if value.shape == target.shape and (not stripped or _last(stripped) != _last(added)):
                    matches[Prefix(stripped, added)] += 1
    return matches


def _splits(name: str) -> Iterator[tuple[str, str]]:
    parts = name.split(".")
    for depth in range(min(_DEPTH + 1, len(parts))):
        prefix = ".".join(parts[:depth])
        yield _dotted(prefix), name[len(_dotted(prefix)) :]


def _last(prefix: str) -> str:
    return prefix.rstrip(".").rpartition(".")[2]


def _dotted(prefix: str) -> str:
    return prefix if not prefix or prefix.endswith(".") else f"{prefix}."
