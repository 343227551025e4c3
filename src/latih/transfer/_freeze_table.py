"""What is frozen, block by block."""

from __future__ import annotations

import inspect
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass

from torch import nn
from torch.nn.modules.batchnorm import _NormBase

from latih._held import is_held, own_class
from latih.optim import Blocks

_HEADER = ("block", "weights", "state", "norms pinned", "also off")


@dataclass(frozen=True)
class FrozenRow:
    """One block; a parameter or module that several blocks share is counted at the first."""

    block: str
    weights: int
    """How many numbers its parameters hold."""
    frozen: int
    trained: int
    norms: int
    """Norms with running statistics that no longer move."""
    off: tuple[str, ...] = ()
    """What else behaves as in evaluation: the kinds of modules whose forward asks for the mode, such as "2 Dropout"."""

    @property
    def state(self) -> str:
        """ "frozen", "partly (... frozen)", "trained", or for weights that had no gradient before "untrained"."""
        if self.frozen:
            return "frozen" if self.frozen == self.weights else f"partly ({self.frozen:,} frozen)"
        if self.trained in (0, self.weights):
            return "trained" if self.trained else "untrained"
        return f"partly trained ({self.trained:,})"


def frozen_rows(model: nn.Module, names: Collection[str]) -> list[FrozenRow]:
    """One row a block of `latih.optim.Blocks`, for `model` with the parameters of these names frozen."""
    blocks = Blocks.of(model)
    weights, frozen, trained, norms = ([0] * len(blocks.names) for _ in range(4))
    off: list[Counter[str]] = [Counter() for _ in blocks.names]
    names = set(names)
    for name, parameter in model.named_parameters():
        number = blocks.number[id(parameter)]
        weights[number] += parameter.numel()
        frozen[number] += parameter.numel() * (name in names)
        trained[number] += parameter.numel() * parameter.requires_grad
    numbers = {name: number for number, name in enumerate(blocks.names)}
    current = 0
    for path, module in model.named_modules():
        current = numbers.get(path, current)
        if is_held(module) and isinstance(module, _NormBase):
            norms[current] += module.running_mean is not None
        elif is_held(module) and reads_mode(module):
            off[current][type(module).__name__] += 1
    kinds = [tuple(f"{many} {kind}" for kind, many in counter.items()) for counter in off]
    return [FrozenRow(*row) for row in zip(blocks.names, weights, frozen, trained, norms, kinds, strict=True)]


def reads_mode(module: nn.Module) -> bool:
    """Whether the module's own code asks for `self.training`; a dropout with p=0 does so for nothing."""
    own = own_class(module)
    functions = [one for one in (getattr(own, "forward", None), *vars(own).values()) if callable(one)]
    codes = [getattr(inspect.unwrap(one), "__code__", None) for one in functions]
    return getattr(module, "p", None) != 0 and any(code and "training" in code.co_names for code in codes)


def frozen_table(rows: list[FrozenRow], notes: list[str]) -> str:
    """The rows under a header, with their sum, and the notes below."""
    cells = [_HEADER, *(_cells(row) for row in rows)]
    if len(rows) > 1:
        weights, frozen, trained = (
            sum(getattr(row, name) for row in rows) for name in ("weights", "frozen", "trained")
        )
        cells.append(_cells(FrozenRow("total", weights, frozen, trained, sum(row.norms for row in rows))))
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    lines = [
        "  ".join(f"{text:{side}{width}}" for text, side, width in zip(row, "<><><", widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([*lines, *notes])


def _cells(row: FrozenRow) -> tuple[str, ...]:
    return (row.block, f"{row.weights:,}", row.state, str(row.norms or "-"), ", ".join(row.off) or "-")
