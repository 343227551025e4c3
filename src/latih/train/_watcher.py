"""Watch a run of the trainer, and keep what is found in the run folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from latih.diagnose import Findings, findings_json
from latih.watch import Watching, watch

from . import run_folder
from ._callbacks import Callback

if TYPE_CHECKING:
    from ._trainer import Trainer


class Watcher(Callback):
    """Watch the model while it trains; say each new warning once, after the epoch in which it came up.

    `findings` holds what is known by now, with what `check` had found `before`. With a `folder`, findings.json is
    written after every epoch.
    """

    def __init__(
        self,
        folder: Path | None = None,
        say: Callable[[str], object] | None = None,
        before: Findings | None = None,
    ) -> None:
        self.folder, self.say, self.before = folder, say, before
        self.watching: Watching | None = None
        self.findings: Findings | None = None
        self._said = {found.code for found in before or ()}

    def on_fit_start(self, trainer: Trainer) -> None:
        """Begin to watch."""
        self.watching = watch(trainer.step.model, optimizer=trainer.step.optimizer)
        self.watching.__enter__()
        batches = -(-len(trainer.train) // trainer.batch_size)
        self.watching.record.planned = batches * (trainer.recipe.epochs - trainer.epoch)

    def on_epoch_end(self, trainer: Trainer) -> None:
        """Tell the record of the validation, and the user of what is new."""
        assert self.watching is not None
        row = trainer.history.rows[-1]
        valid = {name.removeprefix("valid_"): value for name, value in row.items() if name.startswith("valid_")}
        if valid:
            self.watching.log("valid", **valid)
        self._judge()

    def on_fit_end(self, trainer: Trainer) -> None:
        """Stop watching, whatever the reason."""
        if self.watching is not None:
            self.watching.__exit__(None, None, None)
            self._judge()

    def _judge(self) -> None:
        assert self.watching is not None
        now: Findings = self.watching.findings()
        for found in now:
            if found.severity != "info" and found.code not in self._said and self.say is not None:
                self._said.add(found.code)
                where = f" at {found.where}" if found.where else ""
                self.say(f"{found.severity} {found.code} {found.name}{where}: {found.why} Try: {found.advice}")
        together = now if self.before is None else self.before | now
        self.findings = together
        if self.folder is not None:
            run_folder.write(self.folder / run_folder.FINDINGS, findings_json(together))
