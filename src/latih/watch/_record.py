"""The contract: what was seen of a training, as plain data that is read without torch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec

from latih._checks import InputError

from ._loss_facts import Loss, Values

FORMAT = 1


class Layer(msgspec.Struct, kw_only=True):
    """One weighted layer, as the tape read it."""

    name: str
    """Path of the module; the weight's own name where a module has several, or is the whole model."""
    parameter: str
    kind: str
    """As in `latih.tape.WeightedLayer`."""
    activation: str = "unknown"
    """The function it feeds; "none" before the next layer or the end, "unknown" where the graph cannot tell."""
    constants: dict[str, Any] = {}
    between: list[str] = []
    """What lies between the layer and its activation (or the next layer)."""
    inputs: list[str] = []
    fan_in: int = 0
    fan_out: int = 0
    elements: int = 0
    is_head: bool = False
    in_residual: bool = False
    recurrent: bool = False
    shared: bool = False
    bias: bool = False


class Parameter(msgspec.Struct, kw_only=True):
    """One parameter and who looks after it."""

    name: str
    shape: tuple[int, ...]
    trainable: bool
    reached: bool | None = None
    """By the gradient of the loss; None if nobody looked."""
    optimised: bool | None = None
    """In the optimizer; None without one."""
    decayed: float = 0.0
    """Its weight decay."""
    fresh: bool | None = None
    """Looked like a random draw when watching began: never trained. None if it cannot be told."""


class Norm(msgspec.Struct, kw_only=True):
    """One normalisation layer."""

    name: str
    kind: str
    """batch_norm, layer_norm, group_norm, instance_norm, rms_norm."""
    features: int
    training: bool
    """Mode while the model trains."""
    tracks: bool = True
    """Has running statistics."""
    pinned: bool = False
    values: int | None = None
    """Values a channel that one batch gives it: batch size times positions."""
    affine: bool = True
    """Has a scale and a shift of its own, which may learn."""
    after_bias: bool = False
    """The layer in front has a bias that the norm cancels."""
    momentum: float | None = None
    """Share of the running statistics that one batch replaces; None where they are plain averages of all batches."""
    untouched: bool = False
    """When watching began the running statistics were still those of a new module: mean 0, variance 1."""


class Optimizer(msgspec.Struct, kw_only=True):
    """The optimizer as it was when watching began."""

    name: str
    """The class in lower case: sgd, adam, adamw, rmsprop, ..."""
    lr: float
    """Of the group with the most weights."""
    momentum: float = 0.0
    """beta 1 for Adam's family."""
    beta2: float | None = None
    """For Adam's family: the share of the average of squared gradients that is kept at every update."""
    weight_decay: float = 0.0
    decoupled: bool = False
    """Weight decay does not pass through the gradient (AdamW)."""
    adaptive: bool = False
    """The step's size does not depend on the gradient's scale."""


class Reading(msgspec.Struct, kw_only=True):
    """One layer at one sampled step. Numbers that could not be measured are None."""

    layer: str
    out_mean: float | None = None
    out_std: float | None = None
    """Of what the weight puts out, before norm and activation, over everything."""
    mean: float | None = None
    std: float | None = None
    """Of the activation that it feeds."""
    zeros: float | None = None
    """Share of activation values that are exactly 0."""
    saturated: float | None = None
    """Share of values on a flat part: slope below 1 % of the function's steepest (functions bounded on both sides)."""
    dead: float | None = None
    """Share of units that were on a flat part for every example of every sample in the window."""
    alive_spread: float | None = None
    """Std over examples, divided by the std over everything: near 0 where all examples look alike."""
    unit_spread: float | None = None
    """Deviation of a layer's units from their mean, divided by the std over everything: 0 where all units are alike."""
    rank: float | None = None
    """Effective rank (exponential of the spectrum's entropy) over examples, divided by what it could be: in (0, 1]."""
    grad_mean: float | None = None
    grad_std: float | None = None
    grad_norm: float | None = None
    """Gradient with respect to what the weight puts out; norm: root mean square over values times sqrt(values)."""
    weight_norm: float | None = None
    weight_std: float | None = None
    weight_grad: float | None = None
    """Norm of the weight's gradient, before clipping where that can be told."""
    weight_change: float | None = None
    """Norm of the true update of this step, divided by the weight's norm: weight decay and clipping included."""
    noise: float | None = None
    """Gradient noise: |std over parts of the batch| / |mean|, where it was measured."""


class Sample(msgspec.Struct, kw_only=True):
    """One step at which the layers were looked at."""

    step: int
    readings: list[Reading] = []
    grad_norm: float | None = None
    """Of all weights together."""
    clipped: float | None = None
    """Share of the gradient that a clip removed, where it was told."""
    training: bool = True
    """The model was in training mode."""
    stale_gradient: float | None = None
    """Norm of the gradient that was there before this step's backward pass, divided by the norm after it."""
    non_finite: list[str] = []
    """Parameters whose value or gradient is not finite."""


class Evaluation(msgspec.Struct, kw_only=True):
    """A result on held-out (or training) data."""

    step: int
    part: str
    """"valid" or "train"."""
    values: dict[str, float | None]
    """{"loss": 0.4, "accuracy": 0.9}; None where it was not finite."""


class Origin(msgspec.Struct, kw_only=True):
    """Where the first value that is not finite came from."""

    step: int
    layer: str
    """Path of the module."""
    op: str
    """e.g. aten.log, or DivBackward0 where it arose in the backward pass."""
    backward: bool
    what: str
    """One sentence: inputs finite or not, range of what went in."""


class Probes(msgspec.Struct, kw_only=True):
    """Short experiments that `check` makes on a copy of the model. None: not made."""

    start_loss: float | None = None
    """On the batch, training mode, at the given weights."""
    fit: list[float | None] | None = None
    """Losses of the user's own optimizer on one small batch, step by step."""
    fit_safe: list[float | None] | None = None
    """The same with Adam at a safe rate from the same weights: can the network fit it at all?"""
    blind: list[float | None] | None = None
    """`fit_safe` with the inputs replaced by their mean: what is learned without looking."""
    eval_gap: float | None = None
    """Difference of training-mode and evaluation-mode output without dropout, divided by the output's std."""
    order: float | None = None
    """p-value of "the targets come in random order" over the training data in the order they are fed."""
    association: float | None = None
    """p-value of "targets have nothing to do with inputs", by nearest neighbours on a sample of the training data."""
    association_size: int = 0
    """Examples that were used for it."""


class Record(msgspec.Struct, kw_only=True):
    """Everything that was seen; every rule is a function of it."""

    format: int = FORMAT
    model: str = ""
    """Class of the model."""
    layers: list[Layer] = []
    parameters: list[Parameter] = []
    unregistered: list[Parameter] = []
    """Parameters that lead to the output and are neither the model's nor the optimizer's, as of layers in a list."""
    batch_dependent: bool | None = None
    """In evaluation mode an answer changes with its batch; asked only where no module explains a batch norm."""
    mixed: bool | None = None
    """The same where nothing runs over the batch on purpose; None if it was not asked."""
    norms: list[Norm] = []
    dropout: float = 0.0
    """Largest dropout probability in the model."""
    training: bool = True
    """The model was in training mode at the first step."""
    optimizer: Optimizer | None = None
    inputs: Values | None = None
    """Of the first batches (or the training set, where it is known)."""
    loss: Loss = msgspec.field(default_factory=Loss)
    batch_size: int = 0
    examples: int | None = None
    """Training examples, where known."""
    planned: int | None = None
    """Updates that the run is planned to have, where known."""
    updates: int = 0
    """Done so far."""
    ended: bool = False
    """The watched block is over: nothing more will come."""
    losses: list[float | None] = []
    """Of every update so far; None where it was not finite."""
    rates: list[tuple[int, float]] = []
    """(update, learning rate of the largest group), at every change."""
    evaluations: list[Evaluation] = []
    samples: list[Sample] = []
    origin: Origin | None = None
    probes: Probes | None = None
    notes: list[str] = []
    """What could not be measured, and why."""
    changed: list[int] = []
    """Updates at which other parameters were found than before: the facts above are those of the latest model."""
    stale_updates: int = 0
    """Updates whose first backward pass added to the gradient of the update before, as without `zero_grad`."""

    def save(self, path: str | Path) -> None:
        """Write JSON lines: the record without its samples, then one line a sample."""
        head = msgspec.structs.replace(self, samples=[])
        lines = [msgspec.json.encode(head), *(msgspec.json.encode(sample) for sample in self.samples)]
        Path(path).write_bytes(b"\n".join(lines) + b"\n")

    @classmethod
    def load(cls, path: str | Path) -> Record:
        """Read what `save` wrote; needs no torch. Raises `InputError` for anything else."""
        try:
            first, *rest = Path(path).read_bytes().splitlines()
            record = msgspec.json.decode(first, type=cls)
            record.samples = [msgspec.json.decode(line, type=Sample) for line in rest]
        except (OSError, ValueError, msgspec.DecodeError) as error:
            raise InputError(f"{path}: not a record of a watched training ({error}).") from None
        return record
