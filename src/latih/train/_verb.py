"""`latih.train`: the whole of training as one call."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import nn

from latih import init
from latih._checks import InputError
from latih._notation import build
from latih._recipe import Recipe, Source
from latih._shards import is_sharded
from latih.data import as_examples, peek_targets
from latih.optim import OptimizerSpec

from ._callbacks import Callback
from ._card import save_weights
from ._fit import Options, Parts, Run, fit
from ._job import prepare, run_job
from ._losses import loss_function
from ._processes import alone, current
from ._progress import Reporter
from ._seed import seeded
from ._step import LossFunction


def train(
    model: nn.Module | str,
    train: Any,
    valid: Any = None,
    *,
    loss: str | LossFunction | None = None,
    recipe: Recipe | None = None,
    optimizer: str | OptimizerSpec | torch.optim.Optimizer | None = None,
    out: str | Path | None = None,
    heal: bool = False,
    resume: bool = False,
    extend: str | None = None,
    shard: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> Run:
    """Train `model` by `recipe` and return the `Run`; `model` itself is trained in place.

    Args:
        model: A module that maps a batch of inputs to outputs; or notation such as "mlp(depth=20)", which needs data
            by name or path and gets standardisation in front.
        train: A pair (x, y) of arrays or tensors, a torch Dataset or DataLoader of such pairs, or the name or path of
            a data set. Integer y (n,) are classes, float y are values of the outputs' shape.
        valid: The same for validation; without it nothing is validated and the last weights are kept. For data by
            name or path a share is held out.
        loss: `(output, target) -> scalar`, the mean over the batch, or a name; None fits the targets.
        recipe: Everything else; see `Recipe`.
        optimizer: Notation, a spec, or a live torch optimizer over the model's parameters; replaces the recipe's.
        out: The run folder to write; None writes nothing.
        heal: Let `latih.heal` find out first whether the training learns, and train what it makes of it: a copy, which
            `run.model` is. `run.healing` says what was changed.
        resume: Go on from the newest checkpoint in `out`; exact, but for the order of a DataLoader, which is its own.
        extend: What the learning rate does where `recipe.epochs` is more than the resumed run was planned for:
            "stretch", "hold" or "restart", as `Schedule.extended` says. Without it such a run is refused.
        shard: Of several processes each holds a part of weights, gradients and optimizer state, in `run.model` too:
            only all processes together can still call it. The weights file in `out` is the usual one.
        callbacks: Your own `Callback`s.
        progress: A bar on a terminal and one line an epoch, on stderr.

    Raises:
        InputError: When model, data, loss and recipe do not fit each other, before the first step.

    >>> x = torch.randn(64, 4)
    >>> run = train(nn.Linear(4, 2), (x, (x[:, 0] > 0).long()), recipe=Recipe(epochs=2, lr=0.1), progress=False)
    >>> len(run.history.rows)
    2
    """
    recipe = recipe or Recipe()
    folder = None if out is None else Path(out)
    if heal:
        alone("train(heal=True)", "heal in one process first, then train its recipe in several")
    callbacks = [*([Reporter()] if progress and current().first else []), *callbacks]
    options = Options(loss, optimizer, folder, resume, extend, callbacks, shard=shard)
    if isinstance(train, str | Path):
        named = model if isinstance(model, str) else "auto"
        source = Source(str(train), named, valid=None if valid is None else str(valid)).resolved()
        prepared = prepare(source, recipe, model if isinstance(model, nn.Module) else None)
        if heal:
            return _room().train_job(source, recipe, options, prepared)
        return run_job(source, recipe, options, prepared)
    if not isinstance(model, nn.Module):
        raise InputError(f"train(model={model!r}): arrays need a torch.nn.Module; notation needs data by name or path.")
    # a loader draws when it is looked into, and so does an initializer
    with seeded(recipe.seed):
        examples = as_examples(train, "train")
        validation = None if valid is None else as_examples(valid, "valid")
        if recipe.init != "auto":
            init.apply(model, build("init", recipe.init))
    parts = Parts(model, examples, validation, loss_function(loss or recipe.loss, peek_targets(examples)))
    run = _room().train_parts(parts, recipe, options) if heal else fit(parts, recipe, options)
    if run.folder is not None and not run.interrupted and not is_sharded(run.model):
        save_weights(run.folder, run.model)
    return run


def _room() -> Any:
    # healing stands on training: it is the room above this one, and only asked for here
    return importlib.import_module("latih.heal")
