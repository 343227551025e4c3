"""The freezing ladder: a network that knows the digits 0 to 4 learns 5 to 9 with ever fewer layers frozen."""

from __future__ import annotations

import copy
import functools
import itertools
from argparse import Namespace
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

import latih
from latih import Recipe, init, transfer
from latih.data import load

from .few import everything
from .spread import mean_sd, table

SETTINGS: dict[str, Any] = {
    "hidden": 5,
    "width": 100,
    "pretraining": 4,
    "images": 100,
    "epochs": 40,
    "batch": 20,
    "frozen": [5, 4, 2, 0],
}
TEXT = """## The freezing ladder

A network of {hidden} ELU layers of {width} units (He initialisation) learns the digits 0 to 4 of MNIST ({pretraining}
epochs, {pretrained} % right on test digits), gets a fresh output layer and learns 5 to 9 from {images} images of each
class ({epochs} epochs, batches of {batch}, Adam at 0.001, a cosine, no validation, the last weights): with its lower
layers held by `latih.transfer.freeze`, and all others trained at one rate. {seeds} seeds, which also draw the images;
accuracy in percent on the test digits 5 to 9, mean ± standard deviation.

{rows}
"""


def tasks(options: Namespace) -> list[dict[str, Any]]:
    """One a seed."""
    return [{"seed": seed} for seed in range(options.seeds)]


def run(task: dict[str, Any], options: Namespace) -> dict[str, Any]:
    """Test accuracy with each number of frozen layers, and from scratch."""
    seed = task["seed"]
    (x, y), (x_test, y_test) = digits(options.mnist)
    old, old_test = y < 5, y_test < 5
    mean, std = x[old].mean(), x[old].std()
    x, x_test = (x - mean) / std, (x_test - mean) / std
    body = network(seed)
    recipe = Recipe(epochs=SETTINGS["pretraining"], patience=0, seed=seed, device="cpu")
    pretrained = latih.train(body, (x[old], y[old]), recipe=recipe, progress=False)
    row = {"pretrained": _accuracy(pretrained.model, x_test[old_test], y_test[old_test])}
    generator = torch.Generator().manual_seed(seed)
    places = [(y == label).nonzero().flatten() for label in range(5, 10)]
    chosen = torch.cat([one[torch.randperm(len(one), generator=generator)[: SETTINGS["images"]]] for one in places])
    few = x[chosen], y[chosen] - 5
    recipe = Recipe(epochs=SETTINGS["epochs"], batch_size=SETTINGS["batch"], patience=0, seed=seed, device="cpu")
    for layers in [*SETTINGS["frozen"], None]:
        net = network(seed) if layers is None else copy.deepcopy(body)
        if layers is not None:
            head = transfer.replace_head(net, 5, few[0][:4], seed=seed)
            assert head == str(2 * SETTINGS["hidden"])
        if layers:
            transfer.freeze(net, upto=str(2 * layers - 2))
        latih.train(net, few, recipe=recipe, progress=False)
        row["scratch" if layers is None else str(layers)] = _accuracy(net, x_test[~old_test], y_test[~old_test] - 5)
    return row


def section(rows: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """The section of the page."""
    names = {str(layers): f"{layers} of {settings['hidden']} hidden layers frozen" for layers in settings["frozen"]}
    cells = [[name, mean_sd([row[key] for row in rows])] for key, name in (names | {"scratch": "from scratch"}).items()]
    given = {key: value for key, value in settings.items() if key != "frozen"}
    pretrained = mean_sd([row["pretrained"] for row in rows])
    return TEXT.format(**given, pretrained=pretrained, seeds=len(rows), rows=table(["", "test accuracy"], cells))


@functools.cache
def digits(path: str | None) -> tuple[tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Images (n, 784) in 0..1 with their classes: of the training part, and of the test part."""
    if path is None:
        data = load("mnist")
        assert data.test is not None
        training = zip(everything(data.train), everything(data.valid), strict=True)
        parts = tuple(torch.cat(both) for both in training), everything(data.test)
    else:
        with np.load(path) as arrays:
            parts = tuple(
                (torch.from_numpy(arrays[f"x_{part}"]), torch.from_numpy(arrays[f"y_{part}"]).long())
                for part in ("train", "test")
            )
    (x, y), (x_test, y_test) = parts
    return (x.flatten(1) / 255, y), (x_test.flatten(1) / 255, y_test)


def network(seed: int) -> nn.Sequential:
    """Five classes."""
    widths = [784] + [SETTINGS["width"]] * SETTINGS["hidden"]
    hidden = [part for ends in itertools.pairwise(widths) for part in (nn.Linear(*ends), nn.ELU())]
    net = nn.Sequential(*hidden, nn.Linear(widths[-1], 5))
    torch.manual_seed(seed)
    init.apply(net, init.he())
    return net


@torch.no_grad()
def _accuracy(model: nn.Module, x: Tensor, y: Tensor) -> float:
    return (model.eval()(x).argmax(1) == y).float().mean().item()
