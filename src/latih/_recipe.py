"""What decides a run: the source (data and model) and the recipe (everything else).

Imports no torch, so that flags, help and mistakes are quick.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import msgspec

from latih._checks import InputError, at_least, did_you_mean, one_of, positive, whole, within
from latih._every import every
from latih._extended import read as read_extensions
from latih._notation import parse
from latih._reuse import Reuse

LONGEST_SIDE = 4096
"""Of a picture, in pixels: one of 3 channels then takes 48 MiB."""
Precision = Literal["float32", "bfloat16", "float16"]
Kind = TypeVar("Kind", "Recipe", "Source", Reuse)


@dataclass(frozen=True)
class Recipe:
    """How to train. Methods are written in notation: optimizer="nag(lr=0.01)", schedule="warmup(500) >> cosine()".

    >>> Recipe(epochs=3, lr=0.1).epochs
    3
    """

    epochs: int = 20
    """Passes over the training part."""
    batch_size: int = 32
    """Examples an update; an epoch's last batch may be smaller."""
    lr: float | None = None
    """Base learning rate; replaces the optimizer's own."""
    weight_decay: float | None = None
    """Replaces the optimizer's own; norms, biases and embeddings are never decayed."""
    optimizer: str = "adam(lr=0.001)"
    """A method of optim."""
    schedule: str = "cosine()"
    """Methods of schedules joined by >>, counted in optimizer steps."""
    clip: str = "none()"
    """A method of clip."""
    init: str = "auto"
    """A method of init for every layer; "auto": latih's own models fit each layer to its activation, others stay."""
    augment: str = "none()"
    """Methods of augment joined by >>, for images."""
    loss: str = "auto"
    """cross_entropy, mse, mae, huber or bce; "auto" fits the targets."""
    metric: str = "auto"
    """accuracy, f1, rmse, mae or r2; "auto" fits the targets."""
    watch: Literal["metric", "loss"] = "metric"
    """The validation result that early stopping and the performance schedule go by."""
    patience: int = 10
    """Epochs without improvement before training stops; the best weights are kept. 0: train on, keep the last."""
    rollback: int = 3
    """Times that a run which diverges goes back to its last good state and on from there, more slowly. 0: never."""
    accumulate: int = 1
    """Parts in which a batch is worked through to save memory; the update equals the undivided one."""
    precision: Precision = "float32"
    """Number format of the forward pass; weights stay float32."""
    compile: bool = False
    """Compile forward pass and loss with torch.compile."""
    device: str = "auto"
    """cpu, cuda, cuda:1, mps; "auto" takes the accelerator where there is one."""
    workers: int = 2
    """Processes that decode images which do not fit in memory."""
    seed: int = 0
    """Decides initial weights, order, augmentation and dropout."""
    save_every: str = "epoch"
    """When to write checkpoints besides after every epoch: "epoch" (no others), "50 steps" or "10 minutes"."""
    keep_checkpoints: int = 2
    """Newest checkpoints to keep, besides that of the best epoch."""
    extended: str = ""
    """How the run was made longer; written by --extend: "hold after 5" epochs."""

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size", "accumulate", "keep_checkpoints"):
            whole("recipe", name, getattr(self, name), 1)
        for name in ("patience", "rollback", "workers", "seed"):
            whole("recipe", name, getattr(self, name), 0)
        within("recipe", "seed", self.seed, 0, 2**63 - 1)
        if self.lr is not None:
            positive("recipe", "lr", self.lr, "0.001 suits most adaptive optimizers, 0.01 momentum")
        if self.weight_decay is not None:
            at_least("recipe", "weight_decay", self.weight_decay, 0.0)
        one_of("recipe", "precision", self.precision, ("float32", "bfloat16", "float16"))
        one_of("recipe", "watch", self.watch, ("metric", "loss"))
        every(self.save_every)
        read_extensions(self.extended, self.epochs)
        self._check_notation()

    def _check_notation(self) -> None:
        for family, text in self.methods().items():
            parse(family, text)

    def methods(self) -> dict[str, str]:
        """The notation of every method that this recipe names, by family."""
        texts = dict(optim=self.optimizer, schedules=self.schedule, clip=self.clip, augment=self.augment)
        return texts if self.init == "auto" else texts | {"init": self.init}

    @classmethod
    def read(cls, path: str | Path) -> Recipe:
        """Read a recipe from a TOML file; fields that it lacks keep their default.

        The tables `[source]` and `[reuse]` that a run folder's recipe.toml also holds are not part of the recipe.
        """
        return read_toml(Path(path)).recipe


@dataclass(frozen=True)
class Source:
    """What to train, on what data."""

    data: str = "fashion-mini"
    """fashion-mini, fashion-mnist, mnist, a CSV, Parquet or .npz file, or a folder with one subfolder a class."""
    model: str = "auto"
    """A method of models, or package.module:factory for a network of your own; "auto" goes by the kind of data."""
    activation: str | None = None
    """A method of activations, for latih's own models."""
    norm: str | None = None
    """A method of norm, for latih's own models."""
    target: str | None = None
    """The column of a table to predict."""
    valid: str | None = None
    """Validation data of the same kind; without it a share of the training data is held out."""
    valid_fraction: float = 0.1
    """The share held out when there is no validation data."""
    size: int | None = None
    """Height and width that a folder's images are resized to."""
    color: Literal["auto", "grey", "rgb"] = "auto"
    """How a folder's images are read; "auto" is grey when all of them are."""
    strict: bool = False
    """Refuse missing and non-finite cells instead of imputing them."""

    def __post_init__(self) -> None:
        if not 0 < self.valid_fraction < 1:
            raise InputError(
                f"source(valid_fraction={self.valid_fraction!r}): valid_fraction must lie between 0 and 1; "
                "0.1 holds out a tenth."
            )
        if self.size is not None:
            whole("source", "size", self.size, 1)
            within("source", "size", self.size, 1, LONGEST_SIDE)
        for name in ("data", "valid"):
            _refuse_no_path(name, getattr(self, name))
        for family, text in self.methods().items():
            parse(family, text)
        if self.is_factory and (self.activation or self.norm):
            raise InputError("--activation and --norm belong to latih's own models; set them in your factory.")

    @property
    def is_factory(self) -> bool:
        """True when the network is the user's own code."""
        return ":" in self.model.split("(")[0]

    def resolved(self) -> Source:
        """The same source with "auto" replaced by the network that it stands for."""
        if self.model != "auto":
            return self
        path = Path(self.data)
        if path.is_dir():
            return replace(self, model="resnet(blocks=2)")
        table = path.suffix.lower() in (".csv", ".tsv", ".parquet")
        return replace(self, model="mlp(depth=3, width=100)" if table else "mlp(depth=20, width=100)")

    def methods(self) -> dict[str, str]:
        """The notation of every method that this source names, by family."""
        own = self.is_factory or self.model == "auto"
        texts = {"activations": self.activation, "norm": self.norm, "models": None if own else self.model}
        return {family: text for family, text in texts.items() if text is not None}


class Settings(NamedTuple):
    """What a TOML file sets."""

    recipe: Recipe
    source: Source
    reuse: Reuse | None
    """None where the file has no such table: the run did not begin with a pretrained network."""


def read_toml(path: Path) -> Settings:
    """What a TOML file sets, checked for names and types."""
    try:
        raw = msgspec.toml.decode(path.read_bytes())
    except OSError as error:
        raise InputError(f"--recipe {path}: {error.strerror or error}; name a TOML file.") from None
    except (msgspec.DecodeError, ValueError, RecursionError) as error:
        # tomllib lets through what int() and the stack say of absurd numbers and depths
        raise InputError(f"--recipe {path}: not TOML ({error}); mend the file, or leave --recipe out.") from None
    source, reuse = raw.pop("source", {}), raw.pop("reuse", None)
    return Settings(
        _converted(path, raw, Recipe),
        _converted(path, source, Source),
        None if reuse is None else _converted(path, reuse, Reuse),
    )


def write_toml(recipe: Recipe, source: Source | None = None, reuse: Reuse | None = None) -> bytes:
    """All as TOML; fields that are None are left out, since TOML has no null."""
    tables = {name: _set_fields(one) for name, one in (("source", source), ("reuse", reuse)) if one is not None}
    return msgspec.toml.encode(_set_fields(recipe) | tables)


def _set_fields(values: Recipe | Source | Reuse) -> dict[str, Any]:
    return {key: value for key, value in asdict(values).items() if value is not None}


def _converted(path: Path, raw: Any, kind: type[Kind]) -> Kind:
    known = [field.name for field in fields(kind)]
    unknown = [name for name in raw if name not in known] if isinstance(raw, dict) else []
    if unknown:
        hint = did_you_mean(unknown[0], known, f"; choose from {', '.join(known)}.")
        raise InputError(f"--recipe {path}: unknown field {unknown[0]!r}{hint}")
    try:
        return msgspec.convert(raw, kind)
    except msgspec.ValidationError as error:
        raise InputError(f"--recipe {path}: {error}; mend that field, or leave it out.") from None


def _refuse_no_path(name: str, text: str | None) -> None:
    """Refuse a text that the system cannot look up, or that cannot be written into a recipe."""
    if text == "":
        raise InputError(f"source({name}=''): an empty name is no path; write . for the current folder.")
    try:
        if text is not None:
            text.encode()
            Path(text).exists()
    except UnicodeEncodeError:
        raise InputError(f"source({name}={text!r}): the name is not UTF-8 text; rename the file.") from None
    except (OSError, ValueError) as error:
        shown = repr(str(text) if len(str(text)) <= 100 else f"{str(text)[:100]}...")
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"source({name}={shown}): this cannot be looked up ({reason}); name another path.") from None
