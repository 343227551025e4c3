"""Tables, pictures and texts that went wrong on their way to the net; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import (
    Split,
    concrete,
    fashion,
    fashion_raw,
    friedman,
    hastie,
    hires,
    loans,
    patches,
    pumps,
    table,
    waveforms,
)
from .._scores import accuracy, balanced_accuracy, binary_accuracy, r2
from .._sequences import discs, overlap, passages
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


@faulty("non-finite-data", also=("diverged", "constant-inputs"), tags=("mlp", "real-data"), tier="real")
def digits_divided_by_a_deviation_of_zero(seed: int, fixed: bool) -> Setup:
    """`(x - x.mean(0)) / x.std(0)`: corner pixels are always 0, and 0 / 0 is NaN."""
    torch.manual_seed(seed)
    data = table("digits")
    mean, std = data.inputs.mean(0), data.inputs.std(0)
    data = data.on_inputs(lambda x: (x - mean) / (std + 1e-3 if fixed else std))
    model = dense([64, 64, 32, 10], nn.ReLU)
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=32, epochs=12)


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "regression"), tier="real")
def hires_logarithm_of_no_hires(seed: int, fixed: bool) -> Setup:
    """The net is to give the logarithm of a count; some hours have none, and log(0) is minus infinity."""
    torch.manual_seed(seed)
    data = hires().standardised().on_targets(torch.log1p if fixed else torch.log)
    data = data._replace(valid_targets=hires().valid_targets.log1p())
    return Setup(dense([4, 96, 96, 1], nn.ReLU), nn.MSELoss(), adam(5e-3), *data.parts, r2, batch_size=32, epochs=25)


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "binary"), tier="real")
def loans_incomes_left_blank(seed: int, fixed: bool) -> Setup:
    """Two of a hundred people left their income blank; `read_csv` made NaN of it and nobody filled it in."""
    torch.manual_seed(seed)
    data = loans().standardised().on_targets(lambda y: y.float().unsqueeze(1))
    drawn = torch.rand(len(data.inputs), generator=torch.Generator().manual_seed(5))
    inputs = data.inputs.clone()
    inputs[drawn < 0.02, 2] = 0.0 if fixed else float("nan")
    data = data._replace(inputs=inputs)
    loss = nn.BCEWithLogitsLoss()
    return Setup(dense([6, 64, 32, 1], nn.ReLU), loss, adam(2e-3), *data.parts, binary_accuracy, 32, epochs=12)


@faulty("label-range", also=("wrong-loss", "loss-output-mismatch", "diverged"), tags=("cnn", "segmentation"))
def discs_masks_of_255(seed: int, fixed: bool) -> Setup:
    """Masks were read from PNG files and are 0 and 255, where binary cross-entropy wants 0 and 1."""
    torch.manual_seed(seed)
    data = discs(16, 600)
    data = data if fixed else data.on_targets(lambda y: 255 * y)
    model = nn.Sequential(
        nn.Conv2d(1, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 12, 3, padding=1), nn.ReLU(), nn.Conv2d(12, 1, 1)
    )
    loss = nn.BCEWithLogitsLoss()
    return Setup(model, loss, adam(3e-3), *data.parts, overlap, batch_size=16, epochs=10)


@faulty("label-range", also=("wrong-loss", "loss-output-mismatch", "diverged"), tags=("mlp", "binary"), tier="real")
def hastie_classes_one_and_two(seed: int, fixed: bool) -> Setup:
    """The file's classes are 1 and 2, and go as they are to a loss for 0 and 1."""
    torch.manual_seed(seed)
    data = hastie().on_targets(lambda y: y.float().unsqueeze(1) + (0 if fixed else 1))

    def score(output: Tensor, target: Tensor) -> float:
        return binary_accuracy(output, target if fixed else target - 1)

    loss = nn.BCEWithLogitsLoss()
    return Setup(dense([10, 64, 64, 1], nn.ReLU), loss, adam(2e-3), *data.parts, score, batch_size=32, epochs=15)


@faulty("label-range", also=("wrong-loss", "loss-output-mismatch", "diverged"), tags=("mlp", "binary", "real-data"))
def tumours_minus_one_and_one(seed: int, fixed: bool) -> Setup:
    """Labels of -1 and 1, made for a support vector machine, under binary cross-entropy with logits."""
    torch.manual_seed(seed)
    data = table("breast_cancer").standardised().on_targets(lambda y: y.float().unsqueeze(1))
    train = data.inputs, data.targets if fixed else 2 * data.targets - 1

    def score(output: Tensor, target: Tensor) -> float:
        return max(-20.0, -F.binary_cross_entropy_with_logits(output, target).item())

    model = nn.Sequential(nn.Linear(30, 32), nn.ReLU(), nn.Dropout(0.2), nn.Linear(32, 1))
    return Setup(model, nn.BCEWithLogitsLoss(), sgd(0.05), train, data.valid, score, batch_size=16, epochs=12)


@faulty("labels-unrelated", also=("overfitting", "not-learning"), tags=("cnn", "real-data"), tier="real")
def clothes_files_in_the_order_of_their_names(seed: int, fixed: bool) -> Setup:
    """`sorted(glob("*.png"))` gives 0, 1, 10, 100, ... and the labels stand in the order 0, 1, 2, 3, ..."""
    torch.manual_seed(seed)
    data = fashion(1200)
    listed = torch.tensor(sorted(range(1200), key=str))
    train = data.train if fixed else (data.inputs[listed], data.targets)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(784, 10),
    )
    return Setup(model, nn.CrossEntropyLoss(), adam(2e-3), train, data.valid, accuracy, batch_size=32, epochs=10)


@faulty("labels-unrelated", also=("overfitting", "not-learning"), tags=("mlp", "regression"), tier="real")
def concrete_rows_shuffled_targets_not(seed: int, fixed: bool) -> Setup:
    """`np.random.shuffle(X)` was called before the split, and `y` stayed as it was."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    order = torch.randperm(len(data.inputs), generator=torch.Generator().manual_seed(6))
    train = (data.inputs[order], data.targets[order if fixed else slice(None)])
    model = dense([4, 64, 64, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(2e-3), train, data.valid, r2, batch_size=32, epochs=20)


@faulty("labels-unrelated", also=("overfitting", "not-learning"), tags=("cnn", "series"), tier="real")
def signals_labels_shuffled_by_another_draw(seed: int, fixed: bool) -> Setup:
    """Signals and labels are each permuted by a `randperm` of their own."""
    torch.manual_seed(seed)
    data = waveforms().on_inputs(lambda x: x.unsqueeze(1))
    g = torch.Generator().manual_seed(8)
    first, second = (torch.randperm(len(data.inputs), generator=g) for _ in range(2))
    train = data.inputs[first], data.targets[first if fixed else second]
    model = nn.Sequential(
        nn.Conv1d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 32, 5, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(512, 5),
    )
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), train, data.valid, accuracy, batch_size=32, epochs=12)


@faulty("constant-inputs", also=("not-learning", "labels-unrelated"), tags=("mlp", "regression"), tier="real")
def friedman_each_row_by_its_own_scaler(seed: int, fixed: bool) -> Setup:
    """A `StandardScaler` is fitted to every row on its own as it is read: less its own mean, each number is 0."""
    torch.manual_seed(seed)
    data = friedman().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    data = data.standardised() if fixed else data.on_inputs(torch.zeros_like)
    return Setup(dense([10, 64, 64, 1], nn.ReLU), nn.MSELoss(), adam(1e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty("constant-inputs", also=("not-learning", "labels-unrelated"), tags=("cnn", "real-data"), tier="real")
def patches_one_buffer_appended_again_and_again(seed: int, fixed: bool) -> Setup:
    """The reader fills one array and appends it to a list without a copy: every picture is the last one."""
    torch.manual_seed(seed)
    data = patches()
    data = data if fixed else data.on_inputs(lambda x: x[-1:].expand_as(x).contiguous())
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(576, 32), nn.ReLU()
    ).append(nn.Linear(32, 2))
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=32, epochs=8)


@faulty("constant-inputs", also=("unscaled-inputs", "not-learning"), tags=("mlp", "real-data"), tier="real")
def clothes_divided_and_cast_to_integers(seed: int, fixed: bool) -> Setup:
    """Pixels are divided by 255 in an array of bytes: all but the purest white become 0."""
    torch.manual_seed(seed)
    data = fashion_raw().on_inputs(lambda x: x / 255 if fixed else (x / 255).byte().float())
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=64, epochs=10)


def rare(data: Split, label: int, every: int) -> Split:
    """The same with one of `every` training rows of class `label`."""
    found = (data.targets == label).nonzero()[:, 0]
    dropped = torch.ones(len(data.targets), dtype=torch.bool)
    dropped[found] = False
    dropped[found[::every]] = True
    return data._replace(inputs=data.inputs[dropped], targets=data.targets[dropped])


def weights_of(targets: Tensor) -> Tensor:
    """One over how common a class is, one on average."""
    return len(targets) / (targets.max() + 1) / torch.bincount(targets)


@faulty("class-imbalance", tags=("mlp", "classification"), tier="real")
def loans_hardly_anyone_pays_late(seed: int, fixed: bool) -> Setup:
    """Three loans of a hundred were paid late; the net says "in time" to all and is right 97 times."""
    torch.manual_seed(seed)
    data = rare(loans(4000).standardised(), 1, 16)
    loss = nn.CrossEntropyLoss(weight=weights_of(data.targets) if fixed else None)
    model = dense([6, 32, 16, 2], nn.ReLU)
    return Setup(model, loss, adam(1e-3), *data.parts, balanced_accuracy, batch_size=64, epochs=15)


@faulty("class-imbalance", tags=("cnn", "classification", "real-data"))
def patches_few_flowers(seed: int, fixed: bool) -> Setup:
    """One flower to thirty temples in the training part; a weighted draw would show as many of each."""
    torch.manual_seed(seed)
    data = rare(patches(12, 2400), 1, 30)
    loss = nn.CrossEntropyLoss(weight=weights_of(data.targets) if fixed else None)
    model = nn.Sequential(nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(432, 2))
    return Setup(model, loss, sgd(0.01), *data.parts, balanced_accuracy, batch_size=32, epochs=12)


@faulty("class-imbalance", also=("underfitting",), tags=("mlp", "binary"), tier="real")
def pumps_without_a_weight_for_failures(seed: int, fixed: bool) -> Setup:
    """Four pumps of a hundred fail, and the loss counts them as any other."""
    torch.manual_seed(seed)
    data = pumps().on_targets(lambda y: y.float().unsqueeze(1))

    def score(output: Tensor, target: Tensor) -> float:
        return balanced_accuracy(torch.cat([-output, output], 1), target[:, 0].long())

    loss = nn.BCEWithLogitsLoss(pos_weight=torch.tensor([23.0]) if fixed else None)
    return Setup(dense([8, 32, 32, 1], nn.ReLU), loss, adam(1e-3), *data.parts, score, batch_size=64, epochs=12)


@faulty("unshuffled-data", also=("oscillating-loss",), tags=("cnn", "real-data"), tier="real")
def clothes_folder_after_folder(seed: int, fixed: bool) -> Setup:
    """Pictures come folder by folder, a folder a class, from a loader with `shuffle=False`."""
    torch.manual_seed(seed)
    data = fashion(1500)
    order = data.targets.argsort(stable=True)
    model = nn.Sequential(
        nn.Conv2d(1, 8, 5, stride=2), nn.ReLU(), nn.Conv2d(8, 16, 3, stride=2), nn.ReLU(), nn.Flatten()
    ).extend([nn.Linear(400, 64), nn.ReLU(), nn.Linear(64, 10)])
    train, loss = (data.inputs[order], data.targets[order]), nn.CrossEntropyLoss()
    return Setup(model, loss, adam(1e-3), train, data.valid, accuracy, batch_size=32, epochs=8, shuffle=fixed)


@faulty("unshuffled-data", also=("oscillating-loss",), tags=("mlp", "text", "embedding", "real-data"), tier="real")
def chapters_one_after_another(seed: int, fixed: bool) -> Setup:
    """Passages stand in the order of the book, chapter by chapter, and are read so in every epoch."""
    torch.manual_seed(seed)
    data, size = passages()
    order = data.targets.argsort(stable=True)
    model = nn.Sequential(nn.EmbeddingBag(size, 48), nn.Linear(48, 64), nn.ReLU(), nn.Linear(64, 8))
    train, loss = (data.inputs[order], data.targets[order]), nn.CrossEntropyLoss()
    return Setup(model, loss, adam(3e-3), train, data.valid, accuracy, batch_size=32, epochs=10, shuffle=fixed)


@faulty("unshuffled-data", also=("oscillating-loss",), tags=("mlp", "binary"))
def loans_late_ones_last(seed: int, fixed: bool) -> Setup:
    """Good loans and late ones were read from two files and joined, and nobody shuffles what was joined."""
    torch.manual_seed(seed)
    data = loans().standardised().on_targets(lambda y: y.float().unsqueeze(1))
    order = data.targets[:, 0].argsort(stable=True)
    train, loss = (data.inputs[order], data.targets[order]), nn.BCEWithLogitsLoss()
    model = dense([6, 64, 32, 1], nn.Tanh)
    return Setup(model, loss, sgd(0.05, 0.9), train, data.valid, binary_accuracy, 25, epochs=12, shuffle=fixed)
