"""Nets that fit too much, too little or not at all; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import (
    concrete,
    digits,
    fashion,
    friedman,
    hastie,
    houses,
    loans,
    patches,
    pendulum,
    table,
    waveforms,
    weather,
)
from .._scores import accuracy, binary_accuracy, r2
from .._sequences import passages
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


def certainty(output: Tensor, target: Tensor) -> float:
    """Minus the cross-entropy of logits."""
    return -F.cross_entropy(output, target).item()


@faulty("overfitting", tags=("cnn", "real-data"), tier="real")
def digits_sixty_pictures_by_heart(seed: int, fixed: bool) -> Setup:
    """A wide convolutional net on sixty labelled pictures: all of them right, one in five new ones wrong."""
    torch.manual_seed(seed)
    data = digits() if fixed else digits().first(60)
    model = nn.Sequential(
        nn.Conv2d(1, 32, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(512, 128), nn.ReLU()
    ).append(nn.Linear(128, 10))
    epochs = 8 if fixed else 80
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *data.parts, accuracy, batch_size=32, epochs=epochs)


@faulty("overfitting", tags=("text", "embedding", "real-data"), tier="real")
def chapters_forty_epochs(seed: int, fixed: bool) -> Setup:
    """Words of two hundred numbers each, four hundred passages, no dropout, forty epochs: by heart, and too sure."""
    torch.manual_seed(seed)
    data, size = passages()
    data, width = data if fixed else data.first(400), 64 if fixed else 200
    model = nn.Sequential(
        nn.EmbeddingBag(size, width), nn.Dropout(0.3 if fixed else 0.0), nn.Linear(width, 64), nn.ReLU()
    ).append(nn.Linear(64, 8))
    epochs = 11 if fixed else 40
    return Setup(model, nn.CrossEntropyLoss(), adam(3e-3), *data.parts, certainty, batch_size=32, epochs=epochs)


@faulty("overfitting", tags=("mlp", "binary"), tier="real")
def loans_large_net_for_sixty_epochs(seed: int, fixed: bool) -> Setup:
    """Two layers of 256 on three hundred loans until the training loss is 0."""
    torch.manual_seed(seed)
    data = loans().standardised().on_targets(lambda y: y.float().unsqueeze(1))
    data = data if fixed else data.first(300)
    model = dense([6, 32, 16, 1], nn.ReLU) if fixed else dense([6, 256, 256, 1], nn.ReLU)
    loss = nn.BCEWithLogitsLoss()

    def score(output: Tensor, target: Tensor) -> float:
        return -loss(output, target).item()

    return Setup(model, loss, adam(2e-3), *data.parts, score, batch_size=32, epochs=12 if fixed else 60)


@faulty("underfitting", also=("missing-nonlinearity",), tags=("mlp", "binary"), tier="real")
def hastie_logistic_regression(seed: int, fixed: bool) -> Setup:
    """A logistic regression where the class depends on a sum of squares."""
    torch.manual_seed(seed)
    data = hastie().on_targets(lambda y: y.float().unsqueeze(1))
    model = dense([10, 64, 32, 1], nn.ReLU) if fixed else nn.Sequential(nn.Linear(10, 1))
    loss = nn.BCEWithLogitsLoss()
    return Setup(model, loss, adam(3e-3), *data.parts, binary_accuracy, batch_size=32, epochs=15)


@faulty("underfitting", tags=("mlp", "regression"), tier="real")
def pendulum_two_hidden_units(seed: int, fixed: bool) -> Setup:
    """One hidden layer of two units for a swing that depends on angle and speed together."""
    torch.manual_seed(seed)
    model = dense([2, 64, 64, 2], nn.Tanh) if fixed else dense([2, 2, 2], nn.Tanh)
    return Setup(model, nn.MSELoss(), adam(5e-3), *pendulum().parts, r2, batch_size=32, epochs=20)


@faulty("underfitting", tags=("autoencoder", "real-data"), tier="real")
def digits_through_one_number(seed: int, fixed: bool) -> Setup:
    """The code of an autoencoder has one number, which cannot say which digit it was."""
    torch.manual_seed(seed)
    code, data = 16 if fixed else 1, table("digits").on_inputs(lambda x: x / 16)
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, code), nn.Linear(code, 64), nn.ReLU())
    model.extend([nn.Linear(64, 64), nn.Sigmoid()])
    train, valid = (data.inputs, data.inputs), (data.valid_inputs, data.valid_inputs)
    return Setup(model, nn.MSELoss(), adam(3e-3), train, valid, r2, batch_size=32, epochs=20)


@faulty("underfitting", also=("learning-rate-too-low",), tags=("mlp", "real-data"), tier="real")
def clothes_stopped_after_one_epoch(seed: int, fixed: bool) -> Setup:
    """A single pass over a small set with plain SGD, and the loss is still falling steeply when it ends."""
    torch.manual_seed(seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 64), nn.ReLU())
    model.append(nn.Linear(64, 10))
    loss, epochs = nn.CrossEntropyLoss(), 20 if fixed else 1
    return Setup(model, loss, sgd(0.02), *fashion(2000).parts, accuracy, batch_size=32, epochs=epochs)


@faulty("over-regularised", also=("underfitting", "not-learning"), tags=("cnn", "dropout", "real-data"), tier="real")
def clothes_dropout_after_every_layer(seed: int, fixed: bool) -> Setup:
    """Dropout of 0.8 after each convolution and dense layer of a small net."""
    torch.manual_seed(seed)
    p = 0.1 if fixed else 0.8
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Conv2d(8, 16, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Flatten(),
        nn.Linear(784, 64),
        nn.ReLU(),
        nn.Dropout(p),
        nn.Linear(64, 10),
    )
    return Setup(model, nn.CrossEntropyLoss(), adam(1e-3), *fashion(1500).parts, accuracy, batch_size=32, epochs=8)


@faulty("over-regularised", also=("underfitting", "not-learning"), tags=("mlp", "regression"), tier="real")
def weather_decay_of_a_half(seed: int, fixed: bool) -> Setup:
    """`weight_decay=0.5` in Adam: the penalty is larger than the error, and the net says nearly the mean."""
    torch.manual_seed(seed)
    data = weather().standardised().standardised_targets()
    optimizer = adam(3e-3, weight_decay=1e-5 if fixed else 0.5)
    return Setup(dense([4, 64, 64, 1], nn.ReLU), nn.MSELoss(), optimizer, *data.parts, r2, batch_size=32, epochs=15)


@faulty("over-regularised", also=("underfitting", "not-learning"), tags=("cnn", "series"), tier="real")
def signals_decay_of_a_third(seed: int, fixed: bool) -> Setup:
    """SGD with momentum and `weight_decay=0.3` in a net without norms: its weights shrink to nothing."""
    torch.manual_seed(seed)
    data = waveforms().on_inputs(lambda x: x.unsqueeze(1))
    model = nn.Sequential(
        nn.Conv1d(1, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Conv1d(16, 16, 5, padding=2),
        nn.ReLU(),
        nn.MaxPool1d(2),
        nn.Flatten(),
        nn.Linear(128, 5),
    )
    optimizer = sgd(0.02, 0.9, weight_decay=5e-4 if fixed else 0.3)
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *data.parts, accuracy, batch_size=32, epochs=12)


@faulty("over-regularised", also=("underfitting", "wrong-loss"), tags=("mlp", "regression", "penalty"))
def friedman_sum_of_absolute_weights(seed: int, fixed: bool) -> Setup:
    """An L1 penalty of 0.02 times the sum over all weights, which is ten times the error."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    model = dense([10, 64, 64, 1], nn.ReLU)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        penalty = sum(parameter.abs().sum() for parameter in model.parameters())
        return F.mse_loss(output, target) + (1e-5 if fixed else 2e-2) * penalty

    return Setup(model, loss, adam(2e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty("not-learning", also=("unoptimised-parameters", "learning-rate-too-low"), tags=("cnn", "real-data"))
def patches_without_a_step(seed: int, fixed: bool) -> Setup:
    """The loop has `zero_grad` and `backward`, and `optimizer.step()` was forgotten."""
    torch.manual_seed(seed)
    loss = nn.CrossEntropyLoss()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        found = loss(model(inputs), targets)
        found.backward()
        if fixed:
            optimizer.step()
        return found.detach()

    model = nn.Sequential(
        nn.Conv2d(3, 12, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(432, 32), nn.ReLU()
    ).append(nn.Linear(32, 2))
    return Setup(model, loss, adam(1e-3), *patches().parts, accuracy, batch_size=32, epochs=8, update=update)


@faulty("not-learning", also=("learning-rate-too-low",), tags=("mlp", "regression", "schedule"), tier="real")
def houses_rate_by_an_integer_division(seed: int, fixed: bool) -> Setup:
    """The rate falls by `(total - step) // total`, an integer division: from the second update on it is 0."""
    torch.manual_seed(seed)
    data = houses().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> object:
        part = lambda step: 1 - step / updates if fixed else (updates - step) // updates  # noqa: E731
        return torch.optim.lr_scheduler.LambdaLR(optimizer, part)

    model, loss = dense([6, 64, 32, 1], nn.ReLU), nn.MSELoss()
    return Setup(model, loss, adam(3e-3), *data.parts, r2, batch_size=32, epochs=12, schedule=schedule)


@faulty("unoptimised-parameters", also=("not-learning",), tags=("mlp", "regression"), tier="real")
def concrete_optimizer_of_an_earlier_net(seed: int, fixed: bool) -> Setup:
    """In a notebook the net's cell was run again and the optimizer's was not: it moves the net of before."""
    torch.manual_seed(seed)
    data = concrete().standardised().standardised_targets()
    earlier = dense([4, 48, 48, 1], nn.ReLU)
    model = dense([4, 48, 48, 1], nn.ReLU)
    optimizer = lambda model: torch.optim.Adam((model if fixed else earlier).parameters(), lr=3e-3)  # noqa: E731
    return Setup(model, nn.MSELoss(), optimizer, *data.parts, r2, batch_size=32, epochs=15)


@faulty("not-learning", also=("unreached-parameters", "wrong-loss"), tags=("cnn", "series"), tier="real")
def signals_loss_made_to_require_a_gradient(seed: int, fixed: bool) -> Setup:
    """`torch.tensor(loss.item(), requires_grad=True)` silences an error of `backward`, and no gradient arrives."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        found = F.cross_entropy(output, target)
        return found if fixed else torch.tensor(found.item(), requires_grad=True)

    data = waveforms().on_inputs(lambda x: x.unsqueeze(1))
    model = nn.Sequential(
        nn.Conv1d(1, 16, 7, padding=3), nn.ReLU(), nn.MaxPool1d(4), nn.Flatten(), nn.Linear(128, 32), nn.ReLU()
    ).append(nn.Linear(32, 5))
    return Setup(model, loss, adam(2e-3), *data.parts, accuracy, batch_size=32, epochs=10)
