"""Features computed once: the examples that the head trains on while everything before it is frozen."""

from __future__ import annotations

import itertools
import uuid
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

import torch
from platformdirs import user_cache_path
from torch import Tensor, nn

from latih._checks import InputError, at_least, one_of, whole
from latih.data import Examples, TensorExamples
from latih.data.augment import Augment
from latih.tape import untouched, unwrap

from ._close import close
from ._fingerprint import fingerprint
from ._mapped import MappedExamples
from ._received import features_of
from ._store import ENDING, Layout, damage, mark_used, prune, write
from ._views import ViewedExamples

Keep = Literal["auto", "memory", "disk"]
_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def cached(
    model: nn.Module,
    head: str | Sequence[str],
    examples: Examples,
    *,
    device: torch.device | str,
    batch_size: int = 64,
    precision: str = "float32",
    keep: Keep = "auto",
    limit: int = 2**30,
    folder: str | Path | None = None,
    progress: Callable[[int, int], None] | None = None,
    augment: Augment | None = None,
    views: int = 0,
    seed: int = 0,
    say: Callable[[str], object] = warnings.warn,
) -> TensorExamples | ViewedExamples | MappedExamples:
    """The same examples with the features that the module at `head` receives as inputs: same order, same targets.

    A head trained on them learns what it would learn within the frozen model, where `why_not` finds nothing against
    it; that is not asked here. Everything runs in evaluation mode without gradients; modes and random generators are
    afterwards what they were. No more than a few batches are held at a time besides the features themselves, and these
    only where they are kept in memory.

    On disk, features are found again by a hash of what decides them (see `fingerprint`). A file that is found is used
    only if it is whole and holds what the model now computes for the first batch; else it is written anew. Features of
    examples without such a name (a Dataset, a DataLoader) are never reused: their file goes when the examples do.

    Args:
        model: Moved to `device`.
        head: Path as in `model.named_modules()`, or several paths, one leading into the next (see `widened`).
        examples: To be visited once, in order of their index.
        device: Where the model runs, and where features kept in memory lie.
        batch_size: Examples a pass.
        precision: float32, bfloat16 or float16: the number format of the forward pass, as in a recipe. Features are
            kept in the format in which the head receives them.
        keep: "memory"; "disk"; "auto" is memory where the features need at most `limit` bytes.
        limit: For "auto".
        folder: Of the files; by default `features` in latih's folder of the user's cache.
        progress: Called with the number of examples done and of all, after each batch.
        augment: With `views=k`, what the versions 0 ... k-1 of each image are made by: version e is what epoch e of a
            run with this `seed` sees. Train with the callback `NextView`.
        views: Number of versions; 0 caches the examples as they are.
        seed: Of the augmentation.
        say: Told in one line when a file that was found could not be used.

    Raises:
        InputError: For arguments that do not fit each other, a model or head that does not fit the examples, features
            whose shape varies, and features for which the disk has no room.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> features = cached(net, "2", TensorExamples(torch.randn(10, 4), torch.arange(10)), device="cpu")
    >>> len(features), features.shape
    (10, (3,))
    """
    _check(examples, batch_size, precision, keep, limit, augment, views)
    device = torch.device(device)
    model = unwrap(model).to(device)
    autocast = torch.autocast(device.type, _DTYPES[precision], enabled=precision != "float32")
    passes = _Passes(model, head, examples, device, batch_size, autocast, progress, augment, views, seed)
    with untouched([], {device}), _evaluating(model), torch.no_grad():
        parts = iter(passes)
        first = next(parts)
        layout = Layout(len(examples), tuple(first.shape[1:]), first.dtype)
        everything = itertools.chain([first], parts)
        if keep == "memory" or (keep == "auto" and layout.bytes <= limit):
            features = _gathered(everything, layout, device)
            targets = passes.all_targets.to(device)
            return ViewedExamples(features, targets) if views else TensorExamples(features, targets)
        place = Path(folder) if folder is not None else user_cache_path("latih") / "features"
        key = fingerprint(
            model, head, examples, device=device, precision=precision, augment=augment, views=views, seed=seed
        )
        if key is None:
            return _written(place / f"unnamed-{uuid.uuid4().hex}{ENDING}", everything, layout, passes, temporary=True)
        path = place / f"{key}{ENDING}"
        found = _found(path, layout, first, examples, passes, say)
        return found or _written(path, everything, layout, passes, temporary=False)


@dataclass
class _Passes:
    """The features of all examples, batch by batch; the targets met on the way are kept."""

    model: nn.Module
    head: str | Sequence[str]
    examples: Examples
    device: torch.device
    batch_size: int
    autocast: torch.autocast
    progress: Callable[[int, int], None] | None
    augment: Augment | None
    views: int
    seed: int
    targets: list[Tensor] = field(default_factory=list)

    def __iter__(self) -> Iterator[Tensor]:
        total, done = len(self.examples), 0
        like: Tensor | None = None
        for inputs, targets, index in self.examples.batches(torch.arange(total), self.batch_size):
            features = self._features(inputs.to(self.device), index)
            like = features[:1].clone() if like is None else like
            if features.shape != (len(inputs), *like.shape[1:]) or features.dtype != like.dtype:
                raise InputError(
                    f"cached(head={self.head!r}): a batch of {len(inputs)} has features {tuple(features.shape)} of "
                    f"{features.dtype} and the first batch gave {tuple(like.shape[1:])} of {like.dtype} for each "
                    "example; train without them by cache=False."
                )
            done += len(inputs)
            if done > total:
                break
            self.targets.append(targets.cpu())
            if self.progress is not None:
                self.progress(done, total)
            yield features
        if done != total:
            raise InputError(
                f"cached(examples=...): their length is {total} and they yielded {'more' if done > total else done}; "
                "a loader must yield every example once."
            )

    @property
    def all_targets(self) -> Tensor:
        """On the CPU, once everything has been visited."""
        return torch.cat(self.targets)

    def _features(self, inputs: Tensor, index: Tensor) -> Tensor:
        with self.autocast:
            if self.augment is None:
                return features_of(self.model, self.head, inputs)
            versions = (self.augment(inputs, index, self.seed, view) for view in range(self.views))
            return torch.stack([features_of(self.model, self.head, version) for version in versions], 1)


def _check(
    examples: Examples, batch_size: int, precision: str, keep: str, limit: int, augment: Augment | None, views: int
) -> None:
    whole("cached", "batch_size", batch_size, 1)
    whole("cached", "views", views, 0)
    one_of("cached", "precision", precision, _DTYPES)
    one_of("cached", "keep", keep, ("auto", "memory", "disk"))
    at_least("cached", "limit", limit, 0)
    steps = augment.steps if augment is not None else ()
    if bool(steps) != bool(views):
        raise InputError(
            f"cached(augment of {len(steps)} steps, views={views}): versions come from an augmentation and it needs a "
            "number of them; pass both, or neither."
        )
    if len(examples) == 0:
        raise InputError("cached(examples=...): there are none; give at least one.")


def _gathered(parts: Iterable[Tensor], layout: Layout, device: torch.device) -> Tensor:
    features = torch.empty((layout.rows, *layout.shape), dtype=layout.dtype, device=device)
    done = 0
    for part in parts:
        features[done : done + len(part)] = part
        done += len(part)
    return features


def _found(
    path: Path,
    layout: Layout,
    first: Tensor,
    examples: Examples,
    passes: _Passes,
    say: Callable[[str], object],
) -> MappedExamples | None:
    """The features at `path`, if they are there and right."""
    if not path.exists():
        return None
    reason = damage(path, layout)
    if reason is None:
        found = MappedExamples(path, layout, examples.targets.cpu(), views=passes.views)
        if close(found.first(len(first)), first.cpu()):
            mark_used(path)
            if passes.progress is not None:
                passes.progress(layout.rows, layout.rows)
            return found
        reason = "does not hold what the model computes now"
    say(f"{path} {reason}; the features are computed again.")
    path.unlink(missing_ok=True)
    return None


def _written(
    path: Path, parts: Iterable[Tensor], layout: Layout, passes: _Passes, *, temporary: bool
) -> MappedExamples:
    write(path, parts, layout)
    # opened before others go: a file that is open stays readable whoever deletes it
    written = MappedExamples(path, layout, passes.all_targets, views=passes.views, temporary=temporary)
    prune(path.parent)
    return written


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    # by attribute: a module may override train(), to do more than change its mode
    modes = [(module, module.training) for module in model.modules()]
    for module, _ in modes:
        module.training = False
    try:
        yield
    finally:
        for module, mode in modes:
            module.training = mode
