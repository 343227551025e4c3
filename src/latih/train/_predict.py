"""A finished run answers for new inputs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import polars as pl
import torch
from torch import Tensor

from latih._checks import InputError
from latih.data import NAMED, ArraySchema, ImageSchema, Inputs, load

from . import run_folder
from ._card import Card, load_model
from ._device import pick_device


@dataclass(frozen=True)
class Predictions:
    """One row an input: class probabilities (n, classes), or values (n, outputs) in the units of the targets."""

    ids: list[str]
    values: Tensor
    classes: tuple[str, ...] = ()

    @property
    def labels(self) -> list[str]:
        """The most probable class of each input."""
        return [self.classes[index] for index in self.values.argmax(1).tolist()]

    def table(self) -> pl.DataFrame:
        """`id`, `prediction`, and for classes the `probability` of each as a column `p(class)`."""
        columns: dict[str, object] = {"id": self.ids}
        numbers = self.values.numpy()
        if self.classes:
            columns["prediction"] = self.labels
            return pl.DataFrame(columns | {f"p({name})": numbers[:, k] for k, name in enumerate(self.classes)})
        if numbers.shape[1] == 1:
            return pl.DataFrame(columns | {"prediction": numbers[:, 0]})
        return pl.DataFrame(columns | {f"prediction {k + 1}": numbers[:, k] for k in range(numbers.shape[1])})

    def save(self, path: Path) -> None:
        """Write CSV or Parquet, as the ending says; whole or not at all."""
        if path.suffix not in (".csv", ".parquet"):
            raise InputError(f"--out {path}: predictions are written as .csv or .parquet; name such a file.")
        temporary = path.with_name(f".{path.name}.tmp")
        with run_folder.writing(path):
            try:
                self.table().write_parquet(temporary) if path.suffix == ".parquet" else self.table().write_csv(
                    temporary
                )
                temporary.replace(path)
            finally:
                temporary.unlink(missing_ok=True)


@torch.no_grad()
def predict(run: str | Path, source: str | Path, *, factory: str | None = None, device: str = "auto") -> Predictions:
    """Predict the raw inputs in `source` with the model of the run folder `run`.

    `source` is of the kind that the run was trained on: a table with the same columns, an .npz with x, a folder of
    images or one image; a named set stands for its test images. `factory` must name the network again when it is
    code of the user's own. Raises `InputError` where run and source do not fit.
    """
    card, model = load_model(Path(run), factory=factory)
    _refuse_no_path(str(source))
    inputs = read_inputs(card, str(source))
    where = pick_device(device)
    model.to(where)
    try:
        values = torch.cat([model(part.to(where)).float().cpu() for part in inputs.values.split(256)])
    except (RuntimeError, LookupError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise InputError(f"{run}: its network fails on {source} ({reason}); the saved model may be damaged.") from error
    if values.shape != (len(inputs.values), card.outputs):
        raise InputError(
            f"{run}: its network gives outputs of shape {tuple(values.shape[1:])} instead of {card.outputs}; "
            "train again."
        )
    return Predictions(inputs.ids, values.softmax(1) if card.classes else values, card.classes)


def read_inputs(card: Card, source: str) -> Inputs:
    """Raw inputs as the model of `card` takes them."""
    if source in NAMED and not Path(source).exists():
        inputs = _test_part(source)
    elif _holds_images(card, Path(source)):
        inputs = ImageSchema(shape=card.shape).read(Path(source))  # pyright: ignore
    else:
        inputs = card.schema.read(Path(source))
    if tuple(inputs.values.shape[1:]) != tuple(card.shape):
        raise InputError(
            f"{source}: its inputs have shape {tuple(inputs.values.shape[1:])} and the model was trained on "
            f"{tuple(card.shape)}; give it inputs of that shape."
        )
    if len(inputs.values) == 0:
        raise InputError(f"{source}: nothing to predict; give it at least one input.")
    return inputs


def _refuse_no_path(source: str) -> None:
    try:
        Path(source).exists()
    except (OSError, ValueError) as error:  # too long, a NUL inside, no right to look
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"DATA {source[:100]!r}: cannot be looked up ({reason}); name another path.") from None


def _holds_images(card: Card, source: Path) -> bool:
    pictures = isinstance(card.schema, ArraySchema) and len(card.shape) == 3
    return pictures and source.exists() and (source.is_dir() or source.suffix.lower() != ".npz")


def _test_part(name: str) -> Inputs:
    data = load(name)
    examples = data.test or data.valid
    values = torch.cat([batch.inputs for batch in examples.batches(torch.arange(len(examples)), 4096)])
    return Inputs(values, [str(row + 1) for row in range(len(values))])
