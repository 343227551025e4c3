"""The output layer alone, on features that are computed once."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

import torch
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn
from torch import nn

from latih._notation import build
from latih._recipe import Recipe
from latih._reuse import Reuse
from latih.data import Examples
from latih.train import Callback, Parts, Pipeline, pick_device

from ._cacheable import why_not
from ._features import cached
from ._views import NextView
from ._widened import widened


@dataclass
class HeadOnly:
    """The parts of a training of the output layer that never runs the frozen part again."""

    parts: Parts
    callbacks: Sequence[Callback] = field(default=())

    @classmethod
    def of(cls, parts: Parts, head: str, recipe: Recipe, reuse: Reuse, say: Callable[[str], None]) -> HeadOnly | None:
        """Compute the features of `parts`; None, and the reason said, where that could change the result."""
        device = pick_device(recipe.device)
        body, tail = _split(parts.model)
        batch = next(iter(parts.train.batches(torch.arange(min(8, len(parts.train))), 8)))
        seen = (batch.inputs.to(device), batch.targets)
        # a dropout in front of the output layer is trained with it
        paths = widened(body, head, seen)
        reason = why_not(body, paths, seen, augment=recipe.augment, views=reuse.views, examples=parts.train)
        if reason is not None:
            say(f"features are not cached: {reason}")
            return None

        def features(examples: Examples, title: str, views: int) -> Examples:
            with _Bar(title) as bar:
                return cached(
                    body,
                    paths,
                    examples,
                    device=device,
                    precision=recipe.precision,
                    limit=reuse.cache_limit,
                    progress=bar.update,
                    augment=build("augment", recipe.augment) if views else None,
                    views=views,
                    seed=recipe.seed,
                    say=say,
                )

        started = time.perf_counter()
        train = features(parts.train, "features of the training part", reuse.views)
        valid = None if parts.valid is None else features(parts.valid, "features of the validation part", 0)
        size = " x ".join(map(str, (len(train), *train.shape)))
        where = "in memory" if hasattr(train, "inputs") else "on disk"
        say(f"features of the frozen part: {size}, {where}, in {time.perf_counter() - started:.1f} s")
        model = nn.Sequential(*(body.get_submodule(path) for path in paths), tail)
        return cls(replace(parts, model=model, train=train, valid=valid, test=None, source=None), [NextView()])


def _split(model: nn.Module) -> tuple[nn.Module, nn.Module]:
    """The model up to its output layer, under the same paths, and what comes after it."""
    if isinstance(model, Pipeline):
        return nn.Sequential(OrderedDict(inputs=model.inputs, net=model.net)), model.outputs
    return model, nn.Identity()


class _Bar:
    """A bar on a terminal while features are computed; nothing elsewhere."""

    def __init__(self, title: str) -> None:
        columns = (TextColumn("{task.description}"), BarColumn(None), TimeRemainingColumn())
        console = Console()
        self.bar = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self.task = self.bar.add_task(title)

    def __enter__(self) -> _Bar:
        self.bar.start()
        return self

    def __exit__(self, *reason: object) -> None:
        self.bar.stop()

    def update(self, done: int, total: int) -> None:
        """`done` of `total` examples have their features."""
        self.bar.update(self.task, completed=done, total=total)
