"""The record's part about data and loss: tensors in a few numbers, and what is compared with what."""

from __future__ import annotations

from typing import Literal

import msgspec


class Values(msgspec.Struct, kw_only=True):
    """A tensor of inputs or targets in a few numbers; features are the columns, or the channels of images."""

    shape: tuple[int, ...]
    """Of one batch."""
    dtype: str
    mean: float = 0.0
    std: float = 0.0
    """Over everything."""
    low: float = 0.0
    high: float = 0.0
    non_finite: float = 0.0
    """Share of values that are NaN or infinite."""
    constant: float = 0.0
    """Share of features that do not vary over the examples."""
    feature_means: list[float] = []
    feature_stds: list[float] = []
    """Per feature, at most the 256 with the largest and smallest scale."""
    distinct: int | None = None
    """Different values, where they are whole numbers and few (below 1000)."""
    varies: float = 1.0
    """Share of examples that differ from the first one."""


class Batch(msgspec.Struct, kw_only=True):
    """The targets of one sampled update."""

    size: int
    """Examples."""
    classes: dict[int, int] = {}
    """Class -> how often it was there; truth values of binary losses are classes 0 and 1."""
    right: dict[int, int] = {}
    """Class -> how many of them the largest output (the right side of one half) was at; empty if it cannot be told."""
    mean: float = 0.0
    std: float = 0.0
    """Of targets that are values: over the examples, each the mean of its columns."""


class Loss(msgspec.Struct, kw_only=True):
    """What the loss does with the output and the targets."""

    ops: list[str] = []
    """As in `latih.tape.Tape.loss_ops`: ["log_softmax", "nll", "mean"]."""
    kind: str = "unknown"
    """cross_entropy, nll, binary_cross_entropy, bce_with_logits, mse, mae, huber, ... from the ops; else unknown."""
    reduction: Literal["mean", "sum", "unknown"] = "unknown"
    sign: int = 1
    """-1 where the loss is negated before it is differentiated."""
    baseline: float | None = None
    """Loss of the best constant output on the batches seen: what is reached without looking at the inputs."""
    floor: float | None = None
    """Smallest value that the loss can take (0 for most; None if unknown)."""
    output_shape: tuple[int, ...] = ()
    target_shape: tuple[int, ...] = ()
    targets: Values | None = None
    classes: dict[int, int] = {}
    """Label -> how often it was seen, where targets are classes."""
    outputs: Values | None = None
    """What the model put out, before the loss."""
    class_count: int | None = None
    """Classes that the loss knows, where targets are classes."""
    weighted: bool = False
    """Classes, or positive examples, have weights of their own; `baseline` knows of them."""
    class_weights: list[float] = []
    """They themselves, by class; of a binary loss those of "no" and "yes", where one weight is for all outputs."""
    added: list[Values] = []
    """Targets of squared or absolute errors that are added to the loss of this kind."""
    spread: tuple[int, ...] = ()
    """Shape to which targets have blown the outputs up by broadcasting, every example against every other."""
    row_sums: tuple[float, float] | None = None
    """Smallest and largest sum over an example's outputs: of probabilities, or of the exponentials of what nll gets."""
    target_sums: tuple[float, float] | None = None
    """Smallest and largest sum over an example's targets, where these are several numbers."""
    batches: list[Batch] = []
    """The sampled updates' targets, in order."""
    association: float | None = None
    """p-value of "targets have nothing to do with inputs", on `association_size` examples of the sampled batches."""
    association_size: int = 0
    neighbours: float | None = None
    """Mean loss of guessing an example from its five nearest others among the same, itself left out."""
    neighbours_error: float = 0.0
    """Its standard error."""
