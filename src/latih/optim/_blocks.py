"""Which block of a model a parameter belongs to, counted from the input."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import Tensor, nn

from latih._checks import InputError
from latih._held import own_class

from ._roles import roles

_CONTAINERS = (nn.Sequential, nn.ModuleList, nn.ModuleDict)


@dataclass(frozen=True)
class Blocks:
    """The names of the blocks in order, and the number of the block that each parameter (by its id) belongs to."""

    names: list[str]
    number: dict[int, int]

    @classmethod
    def of(cls, model: nn.Module, chosen: Sequence[nn.Module] | None = None) -> Blocks:
        """Number `model`'s blocks: the `chosen` ones, else its top-level modules that have weights."""
        paths = {id(module): path for path, module in model.named_modules()}
        blocks = _weighted(model) if chosen is None else list(chosen)
        if not blocks:
            raise InputError("groups(blocks=[]): name at least one block; leave blocks out to take the top-level ones.")
        for block in blocks:
            if id(block) not in paths:
                raise InputError(
                    f"groups(blocks=[{type(block).__name__}, ...]): every block must be a module of the model; "
                    "take them from it, as in [*model.encoder.layer, model.head]."
                )
        number: dict[int, int] = {}
        _walk(model, {id(block): index for index, block in reversed([*enumerate(blocks)])}, 0, number)
        return cls([paths[id(block)] or type(block).__name__ for block in blocks], number)

    def name(self, parameter: Tensor) -> str:
        """The path of the parameter's block."""
        return self.names[self.number[id(parameter)]]

    def height(self, parameter: Tensor) -> int:
        """How many blocks follow the parameter's own: 0 in the head."""
        return len(self.names) - 1 - self.number[id(parameter)]


def _walk(module: nn.Module, index: dict[int, int], current: int, number: dict[int, int]) -> int:
    """Number the parameters below `module` in the order of definition; return the last number used."""
    current = index.get(id(module), current)
    for parameter in module.parameters(recurse=False):
        number.setdefault(id(parameter), current)  # a shared parameter belongs to its first block
    inside = current
    for child in module.children():
        inside = _walk(child, index, inside, number)
    return inside


def _weighted(model: nn.Module) -> list[nn.Module]:
    signal = {id(use.parameter) for use in roles(model) if use.role in ("weight", "embedding")}
    blocks = [block for block in _opened(model) if any(id(one) in signal for one in block.parameters())]
    return blocks or [model]


def _opened(model: nn.Module) -> list[nn.Module]:
    found: list[nn.Module] = []
    for child in model.children():
        if next(child.parameters(), None) is not None:
            found += _opened(child) if own_class(child) in _CONTAINERS else [child]
    return (_opened(found[0]) or found) if len(found) == 1 else found
