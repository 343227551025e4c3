"""Classes count by what they are worth, not by how often they come."""

from __future__ import annotations

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latih.diagnose import Finding

from .._base import Case, Cure, Edit, Training
from ._copies import copied
from ._kinds import seen, whole
from ._losses import Around
from ._wrapping import loss_of

_CLASSES, _TRUTH = frozenset(("cross_entropy", "nll")), frozenset(("bce_with_logits", "binary_cross_entropy"))
_MOST = 50
"""Classes up to which a loss is asked once for each."""
_POWERS = {0.5: "the square root of", 1.0: ""}


class Balanced(Around):
    """The mean of a mean loss over examples, each weighted by its class.

    Asks the loss once for every class in the batch, so it fits any that is a mean over examples.
    """

    weight: Tensor

    def __init__(self, loss: object, weight: Tensor) -> None:
        super().__init__(loss)  # pyright: ignore[reportArgumentType]
        self.register_buffer("weight", weight.float())

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        """Scalar. `target` (n,) or (n, 1), whole numbers or truth values."""
        label = target.reshape(len(target)).round().long()
        total, parts = output.new_zeros(()), []
        for one in label.unique():
            mine = label == one
            share = self.weight.to(output)[one.clamp(0, len(self.weight) - 1)] * mine.sum() * (one >= 0)
            parts.append(share * self.loss(output[mine], target[mine]))
            total = total + share
        return torch.stack(parts).sum() / total.clamp_min(1e-12)

    def extra_repr(self) -> str:
        """The loss inside, and the weights."""
        weights = f"weight={[round(value, 4) for value in self.weight.tolist()[:8]]}"
        return ", ".join(part for part in (super().extra_repr(), weights) if part)


def class_weights(training: Training, case: Case, finding: Finding) -> Iterator[Training]:
    """Weighs rare classes up in the loss, by the root of how rare they are or in full.

    Weights are n_c to the power -1/2 or -1, scaled so that they are 1 on average over the examples; the batch's loss is
    divided by the weights in it. In full every class pulls alike, however rare it is; the root is between that and
    the plain mean. For several truth values an example, positive answers are weighted column by column.

    When: the finding class-imbalance, and the rare classes are what matters. It hurts the accuracy over all examples,
    and probabilities are no longer calibrated. Source: King & Zeng (2001); Cui et al. (2019) for powers below 1.
    """
    if not _weighted(training.loss):
        yield from weighted(training, case)


def weighted(training: Training, case: Case) -> Iterator[Training]:
    """With weights for its classes, whatever weights it has."""
    now = seen(training, case)
    if now is None or now.kind not in _CLASSES | _TRUTH:
        return
    for power, words in _POWERS.items():
        model, loss = copied(training)
        made = _made(loss, case, now.kind, power)
        if made is None or loss_of(model, made[0], case.batch) is None:
            return
        text = f"loss weighted by {words} the inverse of each class's frequency: {made[1]}".replace("  ", " ")
        yield training.edited(Edit("class_weights", text, _code(now.kind, case, power)), model=model, loss=made[0])


def _made(loss: object, case: Case, kind: str, power: float) -> tuple[nn.Module, str] | None:
    targets = case.targets
    single = targets.numel() == len(targets)
    if kind in _TRUTH and not single:
        return _by_column(loss, targets.to(case.batch[1].device), power)
    if not whole(targets[targets >= 0]):
        return None
    labels = targets[targets >= 0].long().flatten()
    count = torch.bincount(labels, minlength=max(case.classes or 0, 2)).double()
    weight = weights(count, power)
    shown = ", ".join(f"{place}: {value:.3g}" for place, value in enumerate(weight.tolist()[:8]))
    if kind in _CLASSES and (known := _known(loss, case, weight)) is not None:
        return known, shown
    if not single or len(count) > _MOST:
        return None
    return Balanced(loss, weight), shown


def weights(count: Tensor, power: float) -> Tensor:
    """Of classes that came `count` times: n_c^-power, 1 on average over the examples; 1 for a class that never came.

    >>> weights(torch.tensor([90.0, 10.0]), 1.0)
    tensor([0.5556, 5.0000])
    """
    raw = count.clamp_min(1).pow(-power)
    scaled = raw * count.sum() / (raw * count).sum().clamp_min(1e-12)
    return torch.where(count > 0, scaled, torch.ones_like(scaled))


def _known(loss: object, case: Case, weight: Tensor) -> nn.Module | None:
    """Torch's own losses take weights themselves; as many as there are outputs."""
    options: dict[str, object] = {}
    if type(loss) in (nn.CrossEntropyLoss, nn.NLLLoss):
        options = {
            name: getattr(loss, name)
            for name in ("ignore_index", "reduction", "label_smoothing")
            if hasattr(loss, name)
        }
    elif loss not in (F.cross_entropy, F.nll_loss):
        return None
    kind = nn.NLLLoss if loss is F.nll_loss or type(loss) is nn.NLLLoss else nn.CrossEntropyLoss
    like = case.batch[1].device
    return kind(weight=weight.float().to(like), **options)  # pyright: ignore[reportArgumentType]


def _by_column(loss: object, targets: Tensor, power: float) -> tuple[nn.Module, str] | None:
    """Several truth values an example: positive answers of each column."""
    if loss is not F.binary_cross_entropy_with_logits and type(loss) is not nn.BCEWithLogitsLoss:
        return None
    share = targets.double().mean(0).clamp(1 / (len(targets) + 1), 1 - 1 / (len(targets) + 1))
    weight = ((1 - share) / share).pow(power).float()
    shown = ", ".join(f"{value:.3g}" for value in weight.flatten().tolist()[:6])
    return nn.BCEWithLogitsLoss(pos_weight=weight.to(targets.device)), f"yes of each column {shown}"


def _weighted(loss: object) -> bool:
    inside = list(loss.modules()) if isinstance(loss, nn.Module) else []
    held = [getattr(one, name, None) for one in inside for name in ("weight", "pos_weight")]
    return any(isinstance(one, Tensor) for one in held)


def _code(kind: str, case: Case, power: float) -> str:
    if kind in _TRUTH:
        rare = "(1 - y_train.mean(0)) / y_train.mean(0)"
        return f"pos_weight = ({rare}) ** {power:g}\nloss_fn = nn.BCEWithLogitsLoss(pos_weight=pos_weight)"
    name = "NLLLoss" if kind == "nll" else "CrossEntropyLoss"
    count = "torch.bincount(y_train[y_train >= 0].long())"
    return f"weight = {count}.clamp_min(1).float() ** -{power:g}\nloss_fn = nn.{name}(weight=weight / weight.mean())"


CURE = Cure("class_weights", class_weights)
