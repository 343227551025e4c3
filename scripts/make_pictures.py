"""Draw the picture of every family's page, docs/methods/<family>.svg, from computations that run here, in seconds.

Run it as `python scripts/make_pictures.py [family ...]`. Everything is seeded; one thread keeps the sums in one order.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn

from latih import clip
from latih._notation import build, names
from latih._plot import svg_chart

PAGES = Path(__file__).parents[1] / "docs" / "methods"
Curve = list[tuple[float, float]]


def main(families: list[str]) -> None:
    """Write the pictures of `families`, or all."""
    torch.set_num_threads(1)
    for family in families or list(PICTURES):
        torch.manual_seed(0)
        (PAGES / f"{family}.svg").write_text(PICTURES[family](), encoding="utf-8")


def init() -> str:
    """How far apart the inputs still are, layer by layer; in float64, or rounding would hide how little is left."""
    depth, width = 50, 256
    inputs = torch.randn(512, width, dtype=torch.float64)
    rules = {
        "torch's default": None,
        "glorot, lecun (the same at equal widths)": "glorot()",
        "he": "he()",
        "he, twice the scale": "he()",
    }
    curves = {}
    for name, rule in rules.items():
        torch.manual_seed(1)
        layers = [nn.Linear(width, width, dtype=torch.float64) for _ in range(depth)]
        x, curve = inputs, [(0.0, spread(inputs))]
        with torch.no_grad():
            for number, layer in enumerate(layers, 1):
                if rule:
                    build("init", rule)(layer.weight).mul_(2.0 if "twice" in name else 1.0)
                    layer.bias.zero_()
                x = layer(x).relu()
                curve.append((number, spread(x)))
        curves[name] = curve
    return svg_chart(
        curves, "The signal in 50 ReLU layers of 256 units", "layer", "spread over the inputs (std)", log_y=True
    )


def spread(x: Tensor) -> float:
    """The standard deviation over the inputs, averaged over the units."""
    return x.std(0).mean().item()


def activations() -> str:
    """The gradient of every layer's weights at the start."""
    pairs = {
        "sigmoid, torch's default": ("sigmoid", None),
        "tanh, glorot": ("tanh", "glorot()"),
        "relu, he": ("relu", "he()"),
        "selu, lecun": ("selu", "lecun()"),
    }
    curves = {}
    for name, (activation, rule) in pairs.items():
        torch.manual_seed(1)
        curves[name] = gradients(deep_net(30, 100, activation, rule))
    return svg_chart(
        curves, "Gradients in a network of 30 layers, before the first step", "layer", "gradient norm", log_y=True
    )


def deep_net(depth: int, width: int, activation: str, rule: str | None, scale: float = 1.0, kind: str = "none"):
    """`depth` layers of `width` units and a head for 10 classes."""
    layers: list[nn.Module] = []
    between = build("norm", kind)
    for place in range(depth):
        layer = nn.Linear(width, 10 if place == depth - 1 else width, bias=between.bias)
        if rule:
            build("init", rule)(layer.weight)
            with torch.no_grad():
                layer.weight.mul_(scale)
                if layer.bias is not None:
                    layer.bias.zero_()
        layers.append(layer)
        if place < depth - 1:
            layers += [between(width), build("activations", activation)()]
    return nn.Sequential(*layers).double()


def gradients(net: nn.Sequential) -> Curve:
    """(layer, norm of its weight's gradient) for one batch of standard normal inputs and random classes."""
    inputs, classes = torch.randn(256, 100, dtype=torch.float64), torch.randint(10, (256,))
    nn.functional.cross_entropy(net(inputs), classes).backward()
    weighted = [layer for layer in net if isinstance(layer, nn.Linear)]
    return [(float(place), float(layer.weight.grad.norm())) for place, layer in enumerate(weighted, 1)]


def norms() -> str:
    """Gradients of a net whose weights were drawn on the wrong scale."""
    curves = {}
    for scale, words in ((0.5, "half He's scale"), (2.0, "twice He's scale")):
        for kind in ("none", "batch", "layer"):
            torch.manual_seed(1)
            label = "no norm" if kind == "none" else kind
            curves[f"{words}, {label}"] = gradients(deep_net(20, 100, "relu", "he()", scale, kind))
    return svg_chart(
        curves, "Gradients in 20 ReLU layers, weights on the wrong scale", "layer", "gradient norm", log_y=True
    )


def clips() -> str:
    """A recurrent network that adds two marked numbers, on the edge of exploding."""
    curves = {"without clip": recurrent(clip.none()), "clip.norm(1.0)": recurrent(clip.norm(1.0))}
    title = "A recurrent network over 60 time steps"
    return svg_chart(curves, title, "update", "gradient norm before clipping", log_y=True)


def recurrent(cut: clip.Clip, updates: int = 150) -> Curve:
    """(update, norm of the gradient before it is clipped)."""
    torch.manual_seed(3)
    cell, head = nn.RNN(2, 32, batch_first=True), nn.Linear(32, 1)
    with torch.no_grad():
        nn.init.orthogonal_(cell.weight_hh_l0).mul_(1.3)
    parameters = [*cell.parameters(), *head.parameters()]
    optimizer = torch.optim.SGD(parameters, lr=0.05, momentum=0.9)
    curve: Curve = []
    for update in range(updates):
        numbers, marks = torch.rand(32, 60), torch.zeros(32, 60)
        marks[:, [5, 40]] = 1.0
        wanted = (numbers * marks).sum(1, keepdim=True)
        states, _ = cell(torch.stack([numbers, marks], 2))
        optimizer.zero_grad()
        nn.functional.mse_loss(head(states[:, -1]), wanted).backward()
        norm_before = clip.norm(1e30)(parameters)
        cut(parameters)
        optimizer.step()
        curve.append((update, float(norm_before.norm) if norm_before else math.nan))
    return curve


def optimizers() -> str:
    """A rotated quadratic, each method at the best of fifteen rates."""
    methods = ("sgd", "momentum", "nag", "adagrad", "rmsprop", "adam", "nadam", "lion")
    rates = [10.0 ** (power / 3) for power in range(-11, 4)]
    curves = {}
    for method in methods:
        runs = [descent(build("optim", method).with_(lr=rate)) for rate in rates]
        best = min(range(len(runs)), key=lambda run: final(runs[run]))
        curves[f"{method} (lr {rates[best]:.2g})"] = runs[best]
    title = "A quadratic of condition 1000, each method at its best rate"
    return svg_chart(curves, title, "update", "loss", log_y=True)


def descent(spec: Callable, updates: int = 300) -> Curve:
    """(update, loss) from the same start for every method."""
    generator = torch.Generator().manual_seed(0)
    turned, _ = torch.linalg.qr(torch.randn(20, 20, generator=generator, dtype=torch.float64))
    curvature = turned @ torch.diag(torch.logspace(0, 3, 20, dtype=torch.float64)) @ turned.T
    x = torch.randn(20, generator=generator, dtype=torch.float64).requires_grad_()
    optimizer = spec([x])
    curve: Curve = []
    for update in range(updates):
        loss = x @ curvature @ x / 2
        curve.append((update, loss.item()))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return curve


def final(curve: Curve) -> float:
    """The mean of the last updates' losses; infinite for a run that left the floor it started from."""
    losses = [loss for _, loss in curve[-20:]]
    return sum(losses) / len(losses) if all(map(math.isfinite, losses)) else math.inf


CHOSEN = {
    "warmup": "warmup(200)",
    "exponential": "exponential(500)",
    "power": "power(100)",
    "piecewise": "piecewise((500, 750), (1.0, 0.1, 0.01))",
}


def schedules() -> str:
    """Every schedule over the same run."""
    steps = 1000
    # a validation result that stops improving after a third of the run
    scores = tuple((step, max(1.0 - step / 300, 0.1)) for step in range(20, steps, 20))
    curves = {}
    for name in names("schedules"):
        schedule = build("schedules", CHOSEN.get(name, name)).over(steps)
        curves[name] = [(float(step), schedule(step, scores)) for step in range(0, steps + 1, 2)]
    return svg_chart(curves, "What multiplies the base rate over a run of 1000 updates", "update", "factor")


PICTURES: dict[str, Callable[[], str]] = {
    "init": init,
    "activations": activations,
    "norm": norms,
    "clip": clips,
    "optim": optimizers,
    "schedules": schedules,
}

if __name__ == "__main__":
    main(sys.argv[1:])
