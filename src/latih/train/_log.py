"""The history as it grows, in the tools that people watch runs with."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from latih._checks import InputError, one_of

from ._callbacks import Callback

if TYPE_CHECKING:
    from ._trainer import Trainer

LOGS = ("tensorboard", "wandb")


class Log(Callback):
    """Send each epoch's row to `tool` ("tensorboard" or "wandb"), with the update as x; files go to `folder`.

    A resumed run goes on behind what was sent before. Raises `InputError` without the `log` extra.
    """

    def __init__(self, tool: str, folder: Path) -> None:
        one_of("Log", "tool", tool, LOGS)
        self.tool, self.folder = tool, folder
        self._close: Callable[[], object] = _nothing
        _library(tool)

    def on_fit_start(self, trainer: Trainer) -> None:
        """Open the tool's own run."""
        open_run = _tensorboard if self.tool == "tensorboard" else _wandb
        self._write, self._close = open_run(self.folder, asdict(trainer.recipe))

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Send the row."""
        row = trainer.history.rows[-1]
        self._write({name: value for name, value in row.items() if name != "step"}, int(row["step"]))

    def on_fit_end(self, trainer: Trainer) -> None:
        """Flush and close."""
        self._close()


def _nothing() -> None:
    """What there is to close before anything was opened."""


Writer = tuple[Callable[[dict[str, float], int], object], Callable[[], object]]


def _tensorboard(folder: Path, recipe: dict[str, Any]) -> Writer:
    from torch.utils.tensorboard import SummaryWriter

    writer = SummaryWriter(folder / "tensorboard")
    writer.add_text("recipe", "\n".join(f"    {name} = {value!r}" for name, value in recipe.items()))

    def write(row: dict[str, float], step: int) -> None:
        for name, value in row.items():
            part, _, kind = name.partition("_")
            writer.add_scalar(f"{kind}/{part}" if part in ("train", "valid") else name, value, step)

    return write, writer.close


def _wandb(folder: Path, recipe: dict[str, Any]) -> Writer:
    run = _library("wandb").init(project="latih", name=folder.name, dir=folder, config=recipe, resume="allow")
    return (lambda row, step: run.log(row, step=step)), run.finish


def _library(tool: str) -> Any:
    try:
        return importlib.import_module(tool)
    except ImportError:
        raise InputError(f"logging to {tool} needs its package; install it with: pip install 'latih[log]'.") from None
