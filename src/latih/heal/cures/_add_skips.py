from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterator
from contextlib import suppress
from itertools import pairwise

from torch import Tensor, nn

from latih._checks import InputError
from latih.diagnose import Finding
from latih.tape import read

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._redraw import redraw, redraw_code
from ._trained import trained

_FEWEST = 3
"""Layers with a skip, below which there is nothing to shorten."""
_FUNCTIONS = (
    *(nn.ReLU, nn.LeakyReLU, nn.PReLU, nn.RReLU, nn.ReLU6, nn.ELU, nn.CELU, nn.SELU, nn.GELU, nn.SiLU, nn.Mish),
    *(nn.Hardswish, nn.Softplus, nn.Tanh, nn.Hardtanh, nn.Softsign, nn.Sigmoid, nn.Hardsigmoid),
)
_BETWEEN = (*_FUNCTIONS, nn.BatchNorm1d, nn.LayerNorm, nn.GroupNorm, nn.RMSNorm, nn.Dropout, nn.AlphaDropout)
_CLASS = """class Skip(nn.Module):
    def __init__(self, *branch):
        super().__init__()
        self.branch = nn.Sequential(*branch)

    def forward(self, x):
        return x + self.branch(x)
"""


class Skip(nn.Module):
    """x + branch(x): the gradient has a way around the branch."""

    def __init__(self, branch: nn.Sequential) -> None:
        super().__init__()
        self.branch = branch

    def forward(self, x: Tensor) -> Tensor:
        """Same shape as `x`."""
        return x + self.branch(x)


def add_skips(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Lets the signal of a deep plain chain pass by its layers, so that the gradient arrives at the first of them.

    In an `nn.Sequential` every (activation, Linear) whose width stays the same becomes x + Linear(activation(x)), the
    order in which the way around stays free of functions; norms and dropout between go into the branch too. The
    weights are drawn anew, each branch's divided by the root of their number. A last resort: the other cures keep the
    architecture.

    It hurts a network that was trained as it is; such weights are left alone, and so is everything but such chains of
    three or more.

    Source: He et al. (2016), "Identity mappings in deep residual networks"; Zhang et al. (2019) for the root.
    """
    if trained(training.model, case):
        return
    model, loss = copied(training)
    codes, renamed, count = [_CLASS], {}, 0
    for path, chain in list(model.named_modules()):
        spans = _spans(chain)
        if len(spans) >= _FEWEST and isinstance(chain, nn.Sequential):
            renamed |= {_join(path, old): _join(path, new) for old, new in _wrap(chain, spans).items()}
            codes.append(_code(path, spans))
            count += len(spans)
    if not count or not _passes(model, case, count):
        return
    drawn = redraw(model, loss, case, training.recipe.seed)
    if drawn is not None:
        codes.append(redraw_code(training.recipe.seed, drawn[1]))
    text = f"skip connections around {count} layers of equal width" + (", weights redrawn" if drawn else "")
    plan = training.optimizer.renamed(renamed)
    yield training.edited(Edit("add_skips", text, "\n".join(codes)), model=model, loss=loss, optimizer=plan)


def _spans(chain: nn.Module) -> list[tuple[int, int]]:
    """Places (from, to) of the branches: from behind one Linear up to the next one, of the same width."""
    if type(chain) is not nn.Sequential:
        return []
    parts = list(chain)
    linears = [place for place, part in enumerate(parts) if type(part) is nn.Linear]
    if len(set(map(id, (parts[place] for place in linears)))) < len(linears):
        return []
    found = []
    for before, after in pairwise(linears):
        first, last, between = parts[before], parts[after], parts[before + 1 : after]
        assert isinstance(first, nn.Linear)
        assert isinstance(last, nn.Linear)
        equal = first.out_features == last.in_features == last.out_features
        bent = any(isinstance(one, _FUNCTIONS) for one in between)
        if equal and bent and all(type(one) in _BETWEEN for one in between):
            found.append((before + 1, after + 1))
    return found


def _wrap(chain: nn.Sequential, spans: list[tuple[int, int]]) -> dict[str, str]:
    """Put the branches in, each under the name of its Linear; old name -> new name of what moved."""
    named = list(chain._modules.items())
    old = {id(one): name for name, one in chain.named_parameters()}
    inside = {place for begin, end in spans for place in range(begin, end)}
    made = OrderedDict((name, part) for place, (name, part) in enumerate(named) if place not in inside)
    for begin, end in spans:
        skip = Skip(nn.Sequential(OrderedDict((name, part) for name, part in named[begin:end] if part is not None)))
        skip.training = skip.branch.training = chain.training
        made[named[end - 1][0]] = skip
    chain._modules.clear()
    chain._modules.update((name, made[name]) for name, _ in named if name in made)
    return {old[id(one)]: name for name, one in chain.named_parameters() if old[id(one)] != name}


def _passes(model: nn.Module, case: Case, count: int) -> bool:
    """Whether the model's code can do with shorter Sequentials, and the signal takes the new ways."""
    with suppress(InputError):
        return sum(layer.in_residual for layer in read(model, case.batch).layers) >= count
    return False


def _code(path: str, spans: list[tuple[int, int]]) -> str:
    chain = f"model.get_submodule({path!r})" if path else "model"
    lines = [
        f"parts, spans = list({chain}), {spans}",
        "starts, inside = dict(spans), {place for begin, end in spans for place in range(begin, end)}",
        "parts = [Skip(*parts[i : starts[i]]) if i in starts else parts[i] for i in range(len(parts))",
        "         if i in starts or i not in inside]",
    ]
    made = "nn.Sequential(*parts)"
    return "\n".join([*lines, f"model.set_submodule({path!r}, {made})" if path else f"model = {made}"])


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


CURE = Cure("add_skips", add_skips)
