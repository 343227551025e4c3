"""Which part of a model is to be frozen, told by paths and the order of definition."""

from __future__ import annotations

from collections.abc import Iterable

from torch import nn

from latih._checks import InputError, did_you_mean


class Part:
    """The places of a model in the order of definition, and which of them lie in the frozen part.

    A place is a module at a path; a module that is shared has several. Inside are the places up to and including
    `upto` (None: all) but for those at and below `but`. A module named in `but` is outside under each of its paths.
    """

    def __init__(self, model: nn.Module, upto: str | None, but: Iterable[str]) -> None:
        self.places = list(model.named_modules(remove_duplicate=False))
        call = _call(upto, but)
        modules = dict(self.places)
        for argument, path in [("but", path) for path in but] + [("upto", upto)] * (upto is not None):
            if not isinstance(path, str):
                raise InputError(f"freeze(model, {argument}={type(path).__name__}): name the submodule by its path.")
            if path not in modules:
                raise InputError(f"{call}: there is no submodule {path!r}{did_you_mean(path, modules, '.')}")
        for path in but:
            if upto is not None and below(upto, path):
                raise InputError(
                    f"{call}: but={path!r} would leave what upto={upto!r} names to be frozen; name paths below upto."
                )
        left = {id(modules[path]) for path in but}
        tops = [path for path, module in self.places if id(module) in left]
        self.last = max(at for at, (path, _) in enumerate(self.places) if below(path, upto or ""))
        self.inside = [
            at <= self.last and not any(below(path, top) for top in tops) for at, (path, _) in enumerate(self.places)
        ]
        self.owners = [next(module.parameters(recurse=False), None) is not None for _, module in self.places]
        self.ends = [self._end(at) for at in range(len(self.places))]
        self.parameters = {
            id(parameter)
            for (_, module), owner, inside in zip(self.places, self.owners, self.inside, strict=True)
            if owner and inside
            for parameter in module.parameters(recurse=False)
        }
        if not self.parameters:
            raise InputError(f"{call}: there is no weight to freeze; name a later upto, or leave out less.")

    def whole(self) -> list[str]:
        """The paths of the largest modules that lie inside with all that is in them.

        A module without weights, such as a dropout, that stands by itself is among them when the weights defined
        before it and after it lie inside.
        """
        found: list[str] = []
        at = 0
        while at < len(self.places):
            taken = self._taken(at)
            if taken:
                found.append(self.places[at][0])
            at = self.ends[at] if taken else at + 1
        return found

    def shared(self) -> list[str]:
        """The names, outside, of parameters that are frozen because they are used inside, too."""
        outside = [place for place, inside in zip(self.places, self.inside, strict=True) if not inside]
        return [
            f"{path}.{name}" if path else name
            for path, module in outside
            for name, parameter in module.named_parameters(recurse=False)
            if id(parameter) in self.parameters
        ]

    def _end(self, at: int) -> int:
        """The place that follows all that is below place `at`."""
        path = self.places[at][0]
        return next((n for n in range(at, len(self.places)) if not below(self.places[n][0], path)), len(self.places))

    def _taken(self, at: int) -> bool:
        end = self.ends[at]
        if not all(self.inside[at:end]):
            return False
        if any(self.owners[at:end]):
            return True
        before = next((n for n in range(at - 1, -1, -1) if self.owners[n]), at)
        after = next((n for n in range(end, self.last + 1) if self.owners[n]), at)
        return self.inside[before] and self.inside[after]


def below(path: str, top: str) -> bool:
    """Whether `path` is `top` or lies below it.

    >>> below("layer1.0", "layer1"), below("layer10", "layer1"), below("head", "")
    (True, False, True)
    """
    return top in ("", path) or path.startswith(f"{top}.")


def _call(upto: str | None, but: Iterable[str]) -> str:
    given = {"upto": upto, "but": list(but) or None}
    return f"freeze(model{''.join(f', {name}={value!r}' for name, value in given.items() if value is not None)})"
