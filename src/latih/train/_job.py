"""A run from names: load the data, build the model that fits it, train, and leave a folder that can predict."""

from __future__ import annotations

from typing import cast

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from latih import init
from latih._checks import InputError
from latih._notation import build
from latih._recipe import Recipe, Source
from latih._shards import is_sharded
from latih._version import __version__
from latih.data import AnySchema, Data, TensorExamples, load, permutation
from latih.diagnose import Findings, check

from ._card import Card, assemble, fitted_stages, save_card, save_weights
from ._device import pick_device
from ._fit import Options, Parts, Run, fit
from ._losses import Scaled, loss_function
from ._probe import output_of
from ._seed import seeded
from ._step import LossFunction

_LOOKED_AT = 2000
"""Examples on which `check` asks whether targets have to do with inputs."""
Prepared = tuple[Data, nn.Module, Card | None]


def prepare(source: Source, recipe: Recipe, network: nn.Module | None = None) -> Prepared:
    """Load the data and build the model for it, under the recipe's seed; nothing is written.

    Methods and arguments are checked before the data is read, since that may take long. A `network` of the caller's
    own has no card: nothing but the caller's code can rebuild it.
    """
    for family, text in (source.methods() | recipe.methods()).items():
        build(family, text)
    data = load(
        source.data,
        target=source.target,
        valid=source.valid,
        valid_fraction=source.valid_fraction,
        seed=recipe.seed,
        strict=source.strict,
        size=source.size,
        color=source.color,
        workers=recipe.workers,
    )
    if recipe.augment != "none()" and len(data.train.shape) != 3:
        raise InputError(f"--augment {recipe.augment!r}: augmentation is for images, and {data.name} holds none.")
    with seeded(recipe.seed):
        inputs, outputs = fitted_stages(data)
        card = _card(source, data, inputs)
        model = assemble(card, inputs, outputs, network)
        if any(is_lazy(parameter) for parameter in model.parameters()):
            output_of(model, next(iter(data.train.batches(torch.arange(2), 2))).inputs)
        if recipe.init != "auto":
            init.apply(model.net, build("init", recipe.init))
    return data, model, card if network is None else None


def run_job(source: Source, recipe: Recipe, options: Options, prepared: Prepared) -> Run:
    """Train what `prepare` made and save the model in the run folder."""
    data, model, card = prepared
    loss = loss_of(recipe, data, options.loss)
    run = fit(Parts(model, data.train, data.valid, loss, data.test, source if card else None), recipe, options)
    if run.folder is not None and not run.interrupted:
        if not is_sharded(run.model):  # as `fit` has done with shards, which takes all processes
            save_weights(run.folder, run.model)
        if card is not None:
            save_card(run.folder, card)
    return run


def check_job(recipe: Recipe, prepared: Prepared) -> Findings:
    """What `latih.check` says of model, loss, optimizer and data as they would be trained; nothing is changed."""
    data, model, _ = prepared
    with seeded(recipe.seed):
        device = pick_device(recipe.device)
        optimizer = build("optim", recipe.optimizer).with_(lr=recipe.lr, weight_decay=recipe.weight_decay)
        size = min(recipe.batch_size, len(data.train))
        batch = next(iter(data.train.batches(permutation(recipe.seed, 0, len(data.train))[:size], size)))
        where = model.to(device)
        pair = (batch.inputs.to(device), batch.targets.to(device))
        return check(where, pair, loss_of(recipe, data), optimizer=optimizer(where), train=_sample(data))


def loss_of(recipe: Recipe, data: Data, given: str | LossFunction | None = None) -> LossFunction:
    """The loss that a job is trained with: regression in standard deviations of the targets."""
    loss = loss_function(given or recipe.loss, data.train.targets)
    if data.task == "regression" and given is None:
        return Scaled(loss, data.train.targets.double().std(0, correction=0))
    return loss


def _sample(data: Data) -> tuple[Tensor, Tensor]:
    """Examples in an order that says nothing: the trainer shuffles whatever order they are stored in."""
    order = permutation(0, 0, len(data.train))[:_LOOKED_AT]
    batch = next(iter(data.train.batches(order, _LOOKED_AT)))
    return batch.inputs, batch.targets


def describe(data: Data, model: nn.Module) -> list[str]:
    """What was found and built, in a few lines."""
    kind = f"{len(data.classes)} classes" if data.classes else "regression"
    sizes = f"{len(data.train):,} to train on, {len(data.valid):,} to validate"
    sizes += f", {len(data.test):,} to test" if data.test is not None else ""
    streamed = "" if isinstance(data.train, TensorExamples) else ", decoded as it is needed"
    weights = sum(parameter.numel() for parameter in model.parameters())
    return [
        f"data   {data.name}: {kind}, inputs {' x '.join(map(str, data.train.shape))}{streamed}",
        f"       {sizes}",
        *(f"       {note}" for note in data.notes),
        f"model  {weights:,} weights",
    ]


def _card(source: Source, data: Data, inputs: nn.Module) -> Card:
    outputs = len(data.classes) if data.task == "classification" else data.train.targets.shape[1]
    flagged = getattr(inputs, "flagged", None)
    return Card(
        latih=__version__,
        model=source.model,
        activation=source.activation,
        norm=source.norm,
        shape=data.train.shape,
        outputs=outputs,
        task=data.task,
        classes=data.classes,
        flagged=0 if flagged is None else len(flagged),
        schema=cast(AnySchema, data.schema),
    )
