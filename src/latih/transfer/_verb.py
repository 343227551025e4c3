"""`latih.fine_tune`: the whole of transfer learning as one call."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih._recipe import Recipe, Source
from latih._reuse import Norms, Reuse
from latih.data import Examples, as_examples, peek_targets
from latih.models import backbones
from latih.tape import unwrap
from latih.train import (
    Callback,
    LossFunction,
    Parts,
    Pipeline,
    Reporter,
    Run,
    alone,
    fitted_outputs,
    loss_function,
    seeded,
)

from ._head import find_head, replace_head
from ._job import Told, carry_out, run_job
from ._phased import Job
from ._prepare import prepare, refuse_grey


def fine_tune(
    model: nn.Module | str,
    train: Any,
    valid: Any = None,
    *,
    classes: int | None = None,
    weights: str | Path | None = None,
    recipe: Recipe | None = None,
    phases: str = "auto",
    cache: bool = True,
    cache_limit: int = 2**30,
    views: int = 0,
    norms: Norms = "auto",
    recalibrate: bool = False,
    head: str | None = None,
    loss: str | LossFunction | None = None,
    out: str | Path | None = None,
    resume: bool = False,
    callbacks: Sequence[Callback] = (),
    progress: bool = True,
) -> Run:
    """Reuse a pretrained network for a new task: freeze it, train a new output layer, then unfreeze with tiny rates.

    While only the output layer is trained, the features of the frozen part are computed once and kept, wherever that
    cannot change the result. A phase that does not improve validation is taken back.

    Args:
        model: A pretrained module, trained in place, or the name of a backbone (see `latih.models.backbones`).
        train: A pair (x, y), a torch Dataset or DataLoader; for a backbone by name also the name or path of data.
        valid: The same for validation; for data by name or path a share is held out.
        classes: Outputs of the new output layer. By default one that fits the targets is kept if the module has it,
            and replaced otherwise; a number always replaces it.
        weights: A .safetensors file, for a backbone that is code of your own.
        recipe: Everything else; its epochs are divided among the phases, its lr is that of the output layer.
        phases: Notation, such as "head(epochs=5) >> whole()"; "auto" is "head() >> top() >> whole()".
        cache: Compute the features of the frozen part once.
        cache_limit: Bytes of features kept in memory; more than that lies on disk.
        views: With augmentation in the recipe: augmented views of each image to cache.
        norms: What trained batch norms do: "pinned" keep their statistics, "batch" follow the data, "auto" pins them
            for batches below 32.
        recalibrate: Give the batch norms the statistics of the new data first.
        head: Path of the output layer, where it cannot be found.
        loss: `(output, target) -> scalar` or a name; None fits the targets.
        out: The run folder to write; None writes nothing.
        resume: Go on in `out`, in whatever phase the run was interrupted.
        callbacks: Your own `Callback`s; each phase is one fit to them.
        progress: One line a phase and an epoch, and a bar on a terminal.

    Raises:
        InputError: When model, data and phases do not fit each other, before the first step.

    >>> body = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 5))
    >>> x = torch.randn(64, 4)
    >>> run = fine_tune(body, (x, (x[:, 0] > 0).long()), classes=2, recipe=Recipe(epochs=3), progress=False)
    >>> body[2].out_features, run.summary["phases"]
    (2, ['head', 'top', 'whole'])
    """
    alone("fine_tune", "run it in one process")
    recipe = recipe or Recipe()
    if weights is not None and not isinstance(model, str):
        raise InputError("fine_tune(model=Module, weights=...): load them first, with latih.models.load_weights.")
    reuse = Reuse(
        backbone=model if isinstance(model, str) else "",
        weights=None if weights is None else str(weights),
        phases=Reuse.phases if phases == "auto" else phases,
        cache=cache,
        cache_limit=cache_limit,
        views=views,
        norms=norms,
        recalibrate=recalibrate,
        head=head,
    )
    reporter = Reporter() if progress else None
    told = Told(
        None if out is None else Path(out),
        resume,
        [*([reporter] if reporter else []), *callbacks],
        (lambda line: reporter.console.print(line, soft_wrap=True)) if reporter else _silent,
    )
    if isinstance(train, str | Path):
        if not isinstance(model, str):
            raise InputError("fine_tune(model=Module, train=path): a module needs (x, y) preprocessed as it expects.")
        source = Source(str(train), valid=None if valid is None else str(valid))
        return run_job(prepare(source, reuse, recipe), source, reuse, recipe, told, loss)
    with seeded(recipe.seed):
        examples = as_examples(train, "train")
        validation = None if valid is None else as_examples(valid, "valid")
        network, path = _network(model, examples, classes, reuse, recipe.seed)
    parts = Parts(network, examples, validation, loss_function(loss or recipe.loss, peek_targets(examples)))
    return carry_out(Job(parts, path, recipe, reuse, told.folder, resume, told.callbacks, told.say))


def _network(
    model: nn.Module | str, examples: Examples, classes: int | None, reuse: Reuse, seed: int
) -> tuple[nn.Module, str]:
    """The network with an output layer that fits the targets, and that layer's path."""
    targets = peek_targets(examples) if classes is not None else examples.targets
    wanted = classes or (targets.shape[1] if targets.dim() > 1 else int(targets.max()) + 1)
    if targets.is_floating_point() and targets.dim() < 2:
        raise InputError(f"fine_tune(y {tuple(targets.shape)}): values need one column an output; pass y[:, None].")
    if isinstance(model, str):
        own = {"shape": examples.shape, "head": reuse.head} if backbones.is_own(model) else {}
        backbone = backbones.find(model, weights=reuse.weights, **own)
        stage = backbone.inputs() or nn.Identity()
        if isinstance(stage, backbones.Pixels):
            refuse_grey(examples.shape, stage, "pass x.expand(-1, 3, -1, -1)")
            stage.check(examples.shape)
        outputs = fitted_outputs(targets) if targets.is_floating_point() else nn.Identity()
        return Pipeline(stage, backbone.build(wanted), outputs), f"net.{backbone.head}"
    unwrap(model)
    batch = next(iter(examples.batches(torch.arange(min(4, len(examples))), 4)))
    path = find_head(model, batch.inputs, head=reuse.head)
    if classes is not None or _width(model, batch.inputs) != wanted:
        path = replace_head(model, wanted, batch.inputs, head=path, seed=seed)
    return model, path


@torch.no_grad()
def _width(model: nn.Module, inputs: Tensor) -> int:
    training = model.training
    model.eval()
    try:
        return model(inputs.to(next(model.parameters()).device)).shape[1]
    finally:
        model.train(training)


def _silent(line: str) -> None:
    """Nobody wants to be told."""
