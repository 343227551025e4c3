"""Time a training step watched and unwatched, in turns: what `latih.watch` costs with its own rhythm."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import torch
import torch.nn.functional as F
from _report import microseconds, ratio, report, write_section
from _rounds import Contender, Stopwatch, alternate
from torch import Tensor, nn

from latih.watch import watch

TITLE = "Watching: a training step with and without `latih.watch`"
Prepare = Callable[[], tuple[nn.Module, Tensor, Tensor]]
COLUMNS = ("network", "unwatched µs", "watched µs", "ratio", "ratio, min-max", "samples a thousand updates")


def main() -> None:
    arguments = _arguments()
    rows, settled = [], []
    for name, prepare in NETWORKS.items():
        if name not in arguments.networks:
            continue
        steps = arguments.steps if name == "mlp" else max(arguments.steps // 20, 2)
        row, updates = _row(name, prepare, arguments.rounds, steps)
        rows.append(row)
        settled.append(f"{name}: {arguments.rounds} rounds of {steps} steps after {updates} watched ones")
    text = report("watch", TITLE, COLUMNS, rows, ["latih", "torch"])
    setting = f"{'; '.join(settled)}. {torch.get_num_threads()} torch threads."
    print(setting)
    if arguments.write:
        write_section("watch", f"{text}\n\n{setting}")


def mlp() -> tuple[nn.Module, Tensor, Tensor]:
    net = nn.Sequential(*(nn.Linear(784, 300), nn.ReLU()), *(nn.Linear(300, 100), nn.ReLU()), nn.Linear(100, 10))
    return net, torch.randn(32, 784), torch.randint(10, (32,))


def cnn() -> tuple[nn.Module, Tensor, Tensor]:
    def block(channels: int, wider: int) -> list[nn.Module]:
        return [nn.Conv2d(channels, wider, 3, padding=1), nn.BatchNorm2d(wider), nn.ReLU(), nn.MaxPool2d(2)]

    net = nn.Sequential(*block(1, 32), *block(32, 64), nn.Flatten(), nn.Linear(64 * 49, 10))
    return net, torch.randn(128, 1, 28, 28), torch.randint(10, (128,))


NETWORKS: dict[str, Prepare] = {"mlp": mlp, "cnn": cnn}


def _row(name: str, prepare: Prepare, rounds: int, steps: int) -> tuple[tuple[str, ...], int]:
    """One network, trained on by both sides in turns; the watched side's block stays open, so that it settles."""
    torch.manual_seed(0)
    plain, seen = _Side(*prepare()), _Side(*prepare())
    with watch(seen.model, optimizer=seen.optimizer) as w:
        contenders: dict[str, Contender] = {"unwatched": plain.seconds, "watched": seen.seconds}
        for contender in contenders.values():  # the first updates are looked at often: that is not the steady state
            contender(steps)
        updates, samples = w.record.updates, len(w.record.samples)
        times = alternate(contenders, rounds, steps)
        assert w.record.updates == updates + rounds * steps
        rate = 1000 * (len(w.record.samples) - samples) / (rounds * steps)
    base, watched = times["unwatched"], times["watched"]
    row = (name, microseconds(base), microseconds(watched), *ratio(watched, base), f"{rate:.1f}")
    return row, updates


class _Side:
    def __init__(self, model: nn.Module, x: Tensor, y: Tensor) -> None:
        self.model, self.x, self.y = model, x, y
        self.optimizer = torch.optim.SGD(model.parameters(), lr=0.01, momentum=0.9, nesterov=True)

    def seconds(self, steps: int) -> float:
        stopwatch = Stopwatch()
        for _ in range(steps):
            self.optimizer.zero_grad()
            F.cross_entropy(self.model(self.x), self.y).backward()
            self.optimizer.step()
            stopwatch.mark()
        return stopwatch.seconds_per_step(steps)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.ArgumentDefaultsHelpFormatter)
    parser.add_argument("--networks", nargs="+", choices=NETWORKS, default=list(NETWORKS))
    parser.add_argument("--rounds", type=int, default=21)
    parser.add_argument("--steps", type=int, default=2000, help="a round and side of the mlp; the cnn makes a 20th")
    parser.add_argument("--write", action="store_true", help="write the section of docs/benchmarks.md")
    arguments = parser.parse_args()
    if arguments.rounds < 1 or arguments.steps < 2:
        sys.exit("--rounds must be at least 1 and --steps at least 2.")
    return arguments


if __name__ == "__main__":
    main()
