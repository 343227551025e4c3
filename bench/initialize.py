"""`latih.initialize` and the tape it reads, beside one training step's forward and backward pass."""

from __future__ import annotations

import argparse
import sys
import time

import torch
from _report import milliseconds, ratio, report, write_section
from _rounds import Contender, alternate, warm_up
from torch import Tensor, nn
from torch.nn import functional as F

from latih import initialize, tape

BASE = "forward and backward"
COLUMNS = ("work", "ms", "ratio to forward and backward", "ratio, min-max")
TITLE = "Initialisation"


class Bottleneck(nn.Module):
    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.branch = nn.Sequential(
            *convolution(inputs, width, 1), nn.ReLU(), *convolution(width, width, 3, stride), nn.ReLU(),
            *convolution(width, 4 * width, 1),
        )  # fmt: skip
        same = inputs == 4 * width and stride == 1
        self.shortcut = nn.Identity() if same else nn.Sequential(*convolution(inputs, 4 * width, 1, stride))

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.branch(x) + self.shortcut(x))


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1) -> list[nn.Module]:
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return [conv, nn.BatchNorm2d(outputs)]


def resnet50() -> nn.Sequential:
    """About 25.6 million parameters, as in He et al. (2016), table 1."""
    layers: list[nn.Module] = [*convolution(3, 64, 7, 2), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    inputs = 64
    for stage, blocks in enumerate((3, 4, 6, 3)):
        width = 64 * 2**stage
        for block in range(blocks):
            layers.append(Bottleneck(inputs, width, 2 if stage and not block else 1))
            inputs = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 1000))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--rounds", type=int, default=10, help="turns of each")
    parser.add_argument("--size", type=int, default=224, help="height and width of the two images, in pixels")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.size < 32:
        sys.exit("--rounds must be at least 1 and --size at least 32.")
    torch.manual_seed(0)
    images = torch.randn(2, 3, arguments.size, arguments.size), torch.randint(0, 1000, (2,))
    vectors = torch.randn(32, 100), torch.randint(0, 10, (32,))
    rows = [*_rows("ResNet-50", resnet50(), images, arguments.rounds), *_rows("mlp", mlp(), vectors, arguments.rounds)]
    text = report("initialize", TITLE, COLUMNS, rows, ["latih", "torch"])
    setting = (
        f"Medians of {arguments.rounds} turns, {torch.get_num_threads()} threads. ResNet-50: 25.6 million parameters, "
        f"two images of {arguments.size} pixels; mlp: 100 layers of 100 units, batch 32, where Python decides."
    )
    print(setting)
    if arguments.write:
        write_section("initialize", f"{text}\n\n{setting}")


def _rows(name: str, model: nn.Module, batch: tuple[Tensor, Tensor], rounds: int) -> list[tuple[str, ...]]:
    def forward_and_backward() -> None:
        F.cross_entropy(model(batch[0]), batch[1]).backward()
        model.zero_grad()

    contenders = {
        BASE: timed(forward_and_backward),
        "`tape.read`": timed(lambda: tape.read(model, batch, F.cross_entropy)),
        # the base moves the running statistics, which would protect the model
        "`initialize`": timed(lambda: initialize(model, batch, F.cross_entropy, seed=0, force=True)),
    }
    warm_up(contenders, 1)
    seconds = alternate(contenders, rounds, 1)
    return [(f"{name}: {work}", milliseconds(times), *ratio(times, seconds[BASE])) for work, times in seconds.items()]


def mlp() -> nn.Sequential:
    """100 hidden layers of 100 units."""
    hidden = [layer for _ in range(100) for layer in (nn.Linear(100, 100), nn.ReLU())]
    return nn.Sequential(*hidden, nn.Linear(100, 10))


def timed(work) -> Contender:
    def turn(_: int) -> float:
        started = time.perf_counter()
        work()
        return time.perf_counter() - started

    return turn


if __name__ == "__main__":
    main()
