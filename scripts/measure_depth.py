"""Measure what `latih.initialize` does to networks of 50 layers; writes docs/results/initialize.md.

Run it as `python scripts/measure_depth.py`; it takes about a minute.
"""

from __future__ import annotations

import datetime
import itertools
import math
from pathlib import Path

import torch
from torch import Tensor, nn

import latih

PAGE = Path(__file__).parents[1] / "docs" / "results" / "initialize.md"
DEPTH, WIDTH, SEEDS = 50, 256, range(4)
ACTIVATIONS: dict[str, type[nn.Module] | object] = {
    "relu": nn.ReLU,
    "leaky_relu(0.2)": lambda: nn.LeakyReLU(0.2),
    "elu": nn.ELU,
    "selu": nn.SELU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "mish": nn.Mish,
    "tanh": nn.Tanh,
}
TEXT = """# What initialisation does to 50 layers

{depth} linear layers of {width} units with one activation, a head, {width} inputs drawn from N(0, 1); before the first
step. Each cell is the smallest and largest value over the seeds {seeds}. *Signal*: variance of a layer's output,
relative to the first layer's. *Gradient, next*: variance of the gradient at a layer's output, relative to that of the
layer behind it. *Gradient, ends*: standard deviation of the gradient at the first layer over that at the last.

{rows}

With `initialize` the signal stays within a factor 2 everywhere, and the gradient from each layer to the next, but for
silu on some seeds. From end to end only the rectifiers keep the gradient as well: where one scalar keeps the signal of
any other of these functions, the gradient's variance grows by a factor slightly above 1 a layer (the docstring of
`initialize` derives it), which 50 layers turn into the figures above. A norm layer or a skip connection removes the
rest.

Made on {date} by `python scripts/measure_depth.py` with latih {latih}, torch {torch}.
"""


def main() -> None:
    """Write the page."""
    lines = ["| activation | scheme | signal | gradient, next | gradient, ends |", "|---|---|---|---|---|"]
    for name, fitted in itertools.product(ACTIVATIONS, (False, True)):
        cells = [_span(part) for part in zip(*(_measured(name, fitted, seed) for seed in SEEDS), strict=True)]
        lines.append(f"| {name} | {'`initialize`' if fitted else 'torch default'} | {' | '.join(cells)} |")
    text = TEXT.format(
        depth=DEPTH,
        width=WIDTH,
        seeds=f"{SEEDS[0]} to {SEEDS[-1]}",
        rows="\n".join(lines),
        date=datetime.date.today().isoformat(),
        latih=latih.__version__,
        torch=torch.__version__,
    )
    PAGE.parent.mkdir(exist_ok=True)
    PAGE.write_text(text, encoding="utf-8")


def _measured(name: str, fitted: bool, seed: int) -> tuple[list[float], list[float], list[float]]:
    torch.manual_seed(seed)
    make = ACTIVATIONS[name]
    layers = [nn.Linear(WIDTH, WIDTH) for _ in range(DEPTH)]
    net = nn.Sequential(*(part for layer in layers for part in (layer, make())), nn.Linear(WIDTH, 10))  # type: ignore[operator]
    inputs = torch.randn(WIDTH, WIDTH)
    if fitted:
        latih.initialize(net, inputs, seed=seed)
    outputs: list[Tensor] = []

    def keep(layer: nn.Module, given: object, output: Tensor) -> None:
        output.retain_grad()
        outputs.append(output)

    for layer in layers:
        layer.register_forward_hook(keep)
    result = net(inputs)
    result.backward(torch.randn(result.shape))
    signal = [output.detach().double().var().item() for output in outputs]
    gradient = [output.grad.double().square().mean().item() for output in outputs if output.grad is not None]
    steps = [one / other if other else math.inf for one, other in itertools.pairwise(gradient)]
    ends = math.sqrt(gradient[0] / gradient[-1]) if gradient[-1] else math.inf
    return [one / signal[0] for one in signal], steps, [ends]


def _span(parts: tuple[list[float], ...]) -> str:
    values = [value for part in parts for value in part]
    low, high = f"{min(values):.2g}", f"{max(values):.2g}"
    return low if low == high else f"{low} to {high}"


if __name__ == "__main__":
    main()
