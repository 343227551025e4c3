"""Whether features may be computed once: measured on a batch, in the mode in which the trainer runs the model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor, nn

from latih._checks import InputError, whole
from latih._notation import build
from latih.data import Examples
from latih.tape import ancestors, mapped, recording, split_batch, tensors, untouched, unwrap

from ._close import close
from ._randomness import generators, reseed
from ._received import arriving, features_of, only_tensor, run, split_at


def why_not(
    model: nn.Module,
    head: str | Sequence[str],
    batch: Any,
    *,
    augment: str = "none()",
    views: int = 0,
    examples: Examples | None = None,
) -> str | None:
    """Why training the module at `head` on features computed once would differ from training it within the model.

    None where it would not. Otherwise a clause that completes "the features are not cached: ...". The model runs a few
    times in training mode, as the trainer would run it, with what it does looked at and nothing guessed from the kinds
    of its layers. Afterwards parameters, buffers, modes and random generators are what they were, bit for bit.

    Caching is refused where images are augmented anew in every epoch; where a parameter before or beside the head is
    trained; where something random is drawn before the head; where two passes over one batch differ, or an example's
    features depend on the other examples, or buffers outside the head move; where features in evaluation differ from
    those in training; where the model is anything else than its head on its features.

    Args:
        model: Frozen as it is to be trained.
        head: Path as in `model.named_modules()`, or several paths, one leading into the next (see `widened`).
        batch: Inputs (n, *shape) or (inputs, targets), of at least two examples that differ; moved to the model.
        augment: Notation of what is done to the images.
        views: Number of augmented versions that will be cached.
        examples: What the batch was taken from; then it is also seen whether they are the same at every visit and come
            in the order asked for, which those of a shuffling DataLoader or with random transforms are not.

    Raises:
        InputError: For a path that is no submodule, a batch of one example, and inputs on which the model fails.

    >>> net = nn.Sequential(nn.Linear(4, 3), nn.ReLU(), nn.Linear(3, 2))
    >>> why_not(net, "2", torch.randn(8, 4))
    '0.weight before the head is still trained'
    >>> net[0].requires_grad_(False)
    Linear(in_features=4, out_features=3, bias=True)
    >>> why_not(net, "2", torch.randn(8, 4)) is None
    True
    """
    whole("why_not", "views", views, 0)
    model = unwrap(model)
    devices = {tensor.device for tensor in [*model.parameters(), *model.buffers()]}
    inputs, _ = split_batch(batch)
    if devices:
        inputs = mapped(inputs, lambda tensor: tensor.to(next(iter(devices))))
    sizes = {len(tensor) if tensor.dim() else 0 for tensor in tensors(inputs)}
    if len(sizes) != 1 or min(sizes) < 2:
        raise InputError(
            "why_not(batch=...): the inputs must be tensors with one row for each example, of at least two; "
            "one alone cannot show whether examples affect each other."
        )
    modules = split_at(model, head, f"why_not(head={head!r})")
    if build("augment", augment).steps and not views:
        return "the images are augmented anew in every epoch (--views 8 caches 8 of them)"
    with untouched(list(model.modules()), devices), recording():
        if examples is not None and (reason := _unsteady(examples)):
            return reason
        model.train()
        case = _look(model, head, modules, inputs)
        return next((reason for found in _REASONS if (reason := found(case))), None)


@dataclass
class _Case:
    """What one pass in training mode has shown."""

    model: nn.Module
    head: str | Sequence[str]
    modules: nn.Sequential
    """The head."""
    inputs: Any
    buffers: dict[str, Tensor]
    """Outside the head, as they were before the pass."""
    output: Any = None
    entries: int = 0
    features: Tensor | None = None
    """What the head was first called with, where that was one tensor."""
    behind: list[Tensor] = field(default_factory=list)
    """The trained tensors that the features were computed from."""
    drawn: bool = False
    """Whether a random number was drawn before the head."""

    @property
    def size(self) -> int:
        return len(next(tensors(self.inputs)))

    @property
    def received(self) -> Tensor:
        assert self.features is not None
        return self.features

    def again(self, rows: Tensor | None = None) -> Tensor:
        """The features of the same batch, or of its `rows`, in another pass."""
        inputs = self.inputs
        if rows is not None:
            inputs = mapped(inputs, lambda tensor: tensor[rows.to(tensor.device)])
        reseed()
        with torch.no_grad():
            return features_of(self.model, self.head, inputs).clone()


def _look(model: nn.Module, head: str | Sequence[str], modules: nn.Sequential, inputs: Any) -> _Case:
    inside = {id(buffer) for buffer in modules.buffers()}
    outside = {name: buffer.clone() for name, buffer in model.named_buffers() if id(buffer) not in inside}
    case, devices = _Case(model, head, modules, inputs, outside), {tensor.device for tensor in tensors(inputs)}

    def tell(*arrival: Any) -> None:
        case.entries += 1
        received = only_tensor(arrival)
        if case.entries == 1 and received is not None:
            case.drawn = generators(devices) != start
            case.behind = _trained_behind(received)
            case.features = received.detach().clone()  # a copy: the head may work in place

    reseed()
    start = generators(devices)
    with arriving(modules[0], tell):
        case.output = run(model, inputs, "why_not(batch=...)")
    return case


def _entered_once(case: _Case) -> str | None:
    if case.entries > 1:
        return "the head is entered more than once"
    if case.entries == 0:
        return "the model does not call its head as a module"
    return "the head takes more than one tensor" if case.features is None else None


def _trained(case: _Case) -> str | None:
    # reversed: of a weight that several modules share, the first name counts
    names = {id(tensor): name for name, tensor in [*case.model.named_parameters(remove_duplicate=False)][::-1]}
    found = [names.get(id(tensor), "a tensor") for tensor in case.behind]
    order = list(names.values())[::-1]
    first = min(found, key=lambda name: order.index(name) if name in order else len(order), default=None)
    return first and f"{first} before the head is still trained"


def _noisy(case: _Case) -> str | None:
    # by the generators, not the values: a rare draw need not show in one batch, and it moves the head's own dropout
    return "dropout or other noise before the head is on" if case.drawn else None


def _without_rows(case: _Case) -> str | None:
    rowed = case.received.dim() > 0 and len(case.received) == case.size
    return None if rowed else "the features do not have one row for each example"


def _unrepeatable(case: _Case) -> str | None:
    return None if close(case.again(), case.received) else "two passes over the same batch differ"


def _mixed(case: _Case) -> str | None:
    # same examples in front, others behind, and the same shape, so that even the rounding stays
    half = (case.size + 1) // 2
    rows = torch.arange(case.size) % half
    same = close(case.again(rows)[:half], case.received[:half])
    return None if same else "the features of an example depend on its batch (an unfrozen batch norm?)"


def _moving(case: _Case) -> str | None:
    for name, buffer in case.model.named_buffers():
        if name in case.buffers and not _identical(buffer, case.buffers[name]):
            return f"the buffer {name} outside the head changes in training (an unfrozen batch norm?)"
    return None


def _going_on(case: _Case) -> str | None:
    otherwise = "the model does not end with its head"
    if not isinstance(case.output, Tensor):
        return otherwise
    inside = {id(parameter) for parameter in case.modules.parameters()}
    # a branch beside the head that is still zero shows in the graph alone
    if any(id(tensor) not in inside for tensor in _trained_behind(case.output)):
        return otherwise
    reseed()  # nothing is drawn before the head, so its dropout draws what it drew in the whole model
    with torch.no_grad():
        answer = case.modules(case.received.clone())
    return None if isinstance(answer, Tensor) and close(answer, case.output.detach()) else otherwise


def _evaluated(case: _Case) -> str | None:
    # by attribute: a module may override train(), to do more than change its mode
    for module in case.model.modules():
        module.training = False
    return None if close(case.again(), case.received) else "the features in evaluation differ from those in training"


_REASONS = (
    _entered_once,
    _trained,
    _noisy,
    _without_rows,
    _unrepeatable,
    _mixed,
    _moving,
    _going_on,
    _evaluated,  # last, for it changes the modes
)


def _unsteady(examples: Examples) -> str | None:
    """Why the examples of one epoch are not those of the next."""
    order = torch.arange(len(examples)).flip(0)
    first, second = (next(iter(examples.batches(order, 16))) for _ in range(2))
    if not torch.equal(first.indices.cpu(), order[: len(first.indices)]):
        return "the order of the examples is their loader's own"
    same = _identical(first.inputs, second.inputs) and _identical(first.targets, second.targets)
    return None if same else "the examples differ from one visit to the next (random transforms?)"


def _trained_behind(values: Tensor) -> list[Tensor]:
    """The leaves of the graph of `values`: tensors that a backward pass would reach."""
    if values.grad_fn is None:
        return [values] if values.requires_grad else []
    return [node.variable for node in ancestors([values.grad_fn]) if hasattr(node, "variable")]


def _identical(one: Tensor, other: Tensor) -> bool:
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    return torch.allclose(one, other, rtol=0.0, atol=0.0, equal_nan=True)
