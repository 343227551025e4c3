"""Pictures through a network from ImageNet, against a network of latih's own from scratch."""

from __future__ import annotations

from argparse import Namespace
from typing import Any

import torch
from torch import Tensor, nn

import latih
from latih import Recipe
from latih.data import load
from latih.models import Standardize, backbones, moments, resnet

from .few import everything
from .spread import mean_sd, table

METHODS = {
    "scratch": "`resnet(blocks=2)` from scratch, 28 x 28",
    "head": "EfficientNet-Lite0, output layer alone",
    "phases": "EfficientNet-Lite0, head >> top >> whole",
}
SETTINGS: dict[str, Any] = {
    "images": 20,
    "epochs": {"scratch": 60, "head": 30, "phases": 30},
    "lr": {"scratch": 0.001, "head": 0.001, "phases": 0.001},
    "phases": {"head": "head()", "phases": "head() >> top() >> whole()"},
    "test": 2000,
}
TEXT = """## Pictures through a network from ImageNet

The ten kinds of clothes, {images} images of each to train on and {images} to validate. There are no photographs among
the bundled data: these are grey pictures of 28 x 28 pixels, three times the same channel and enlarged without new
detail, so that this task is further from ImageNet than photographs would be. {seeds} seeds, which also draw the images;
Adam, batches of 32, a cosine, the best epoch by validation with a patience of 10 (5 in each phase); {epochs}.
Accuracy in percent on {test} test images, mean ± standard deviation.

{rows}
"""


def tasks(options: Namespace) -> list[dict[str, Any]]:
    """One a size and seed; what is trained from scratch sees the pictures as they are: size 28."""
    sizes = [28, *options.sizes]
    return [{"size": size, "seed": seed} for seed in range(options.seeds) for size in sizes]


def run(task: dict[str, Any], options: Namespace) -> dict[str, Any]:
    """Test accuracy of each method."""
    seed = task["seed"]
    data = load("fashion-mini")
    assert data.test is not None
    x, y = everything(data.train)
    generator = torch.Generator().manual_seed(seed)
    places = [(y == label).nonzero().flatten() for label in range(10)]
    images = SETTINGS["images"]
    drawn = [one[torch.randperm(len(one), generator=generator)[: 2 * images]] for one in places]
    train, valid = torch.cat([one[:images] for one in drawn]), torch.cat([one[images:] for one in drawn])
    parts = (x[train], y[train]), (x[valid], y[valid])
    x_test, y_test = (one[: SETTINGS["test"]] for one in everything(data.test))
    if task["size"] == 28:
        recipe = Recipe(
            epochs=SETTINGS["epochs"]["scratch"], lr=SETTINGS["lr"]["scratch"], seed=seed, device=options.device
        )
        runs = {"scratch": latih.train(small(x[train], seed), *parts, recipe=recipe, progress=False)}
    else:
        runs = {
            method: latih.fine_tune(
                reused(task["size"], seed),
                *parts,
                recipe=Recipe(
                    epochs=SETTINGS["epochs"][method], lr=SETTINGS["lr"][method], seed=seed, device=options.device
                ),
                phases=phases,
                progress=False,
            )
            for method, phases in SETTINGS["phases"].items()
        }
    return {method: (one.predict(x_test).argmax(1) == y_test).float().mean().item() for method, one in runs.items()}


def section(rows: list[dict[str, Any]], settings: dict[str, Any]) -> str:
    """The section of the page."""
    cells = [
        [
            name + (f", {size} x {size}" if size != 28 else ""),
            mean_sd([row[method] for row in rows if row["size"] == size]),
        ]
        for size in sorted({row["size"] for row in rows})
        for method, name in METHODS.items()
        if (size == 28) == (method == "scratch")
    ]
    return TEXT.format(
        images=settings["images"],
        seeds=len({row["seed"] for row in rows}),
        epochs="; ".join(
            f"{METHODS[method]}: at most {count} epochs, at {settings['lr'][method]}"
            for method, count in settings["epochs"].items()
        ),
        test=settings["test"],
        rows=table(["", "test accuracy"], cells),
    )


def small(x: Tensor, seed: int) -> nn.Module:
    """What `latih train` takes for a folder of pictures, standardised by the training images."""
    mean, std = moments([x], 1)
    torch.manual_seed(seed)
    return nn.Sequential(Standardize(mean.reshape(1, 1, 1), std.reshape(1, 1, 1)), resnet(blocks=2)((1, 28, 28), 10))


def reused(size: int, seed: int) -> nn.Module:
    """EfficientNet-Lite0 for pictures of one channel, which it enlarges to `size`."""
    backbone = backbones.find("efficientnet-lite0")
    torch.manual_seed(seed)
    stage = backbone.inputs(repeat_grey=True, size=size)
    assert stage is not None
    return nn.Sequential(stage, backbone.build(10))
