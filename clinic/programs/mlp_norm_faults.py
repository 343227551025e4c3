"""Nets on vectors with batch norm in the wrong mode or on tiny batches, and SELU without what it needs."""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import digits, fashion, fashion_raw, friedman, spirals, table
from .._scores import accuracy, binary_accuracy, r2


def normed(sizes: list[int], activation: type[nn.Module] = nn.ReLU, **norm: Any) -> nn.Sequential:
    """Linear, batch norm, activation for all but the last pair of sizes."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in itertools.pairwise(sizes[:-1]):
        layers += [nn.Linear(n_in, n_out, bias=False), nn.BatchNorm1d(n_out, **norm), activation()]
    return nn.Sequential(*layers, nn.Linear(sizes[-2], sizes[-1]))


@faulty("norm-batch-too-small", tags=("mlp", "classification", "batch-norm", "real-data"))
def digits_batch_norm_in_pairs(seed: int, fixed: bool) -> Setup:
    """Batch norm over batches of two: each unit only hears which of the two examples was larger."""
    torch.manual_seed(seed)
    return Setup(
        normed([64, 32, 32, 32, 10]),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05 if fixed else 0.01),
        *digits().first(1000).parts,
        accuracy,
        batch_size=20 if fixed else 2,
        epochs=12 if fixed else 2,
    )


@faulty("norm-batch-too-small", tags=("mlp", "regression", "batch-norm", "accumulation"))
def friedman_tiny_microbatches(seed: int, fixed: bool) -> Setup:
    """Gradients are accumulated over 16 parts, so batch norm sees two rows at a time although the batch is 32."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets().first(1120)
    return Setup(
        normed([10, 64, 64, 1], nn.SiLU),
        lambda output, target: F.mse_loss(output.squeeze(1), target),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        *data.parts,
        r2,
        batch_size=32,
        accumulate=1 if fixed else 16,
        epochs=6,
    )


class LeftInEval(nn.Module):
    """The batch norms of `net` stay in evaluation, whatever mode the whole is put in."""

    def __init__(self, net: nn.Module, frozen: bool):
        super().__init__()
        self.net, self.frozen = net, frozen

    def forward(self, x: Tensor) -> Tensor:
        if self.frozen:
            for layer in self.net.modules():
                if isinstance(layer, nn.BatchNorm1d):
                    layer.eval()
        return self.net(x)


@faulty("norm-wrong-mode", tier="real", tags=("mlp", "classification", "batch-norm", "real-data"))
def fashion_batch_norm_frozen_from_scratch(seed: int, fixed: bool) -> Setup:
    """Batch norm is put in eval mode at every call, a habit from fine-tuning, in a deep net trained from scratch."""
    torch.manual_seed(seed)
    net = normed([784, *[50] * 12, 10])
    return Setup(
        LeftInEval(net, not fixed),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *fashion(2000).parts,
        accuracy,
        batch_size=50,
        epochs=6,
    )


@faulty("norm-wrong-mode", tier="real", tags=("mlp", "classification", "binary", "batch-norm", "real-data"))
def tumours_never_back_in_train_mode(seed: int, fixed: bool) -> Setup:
    """The loop looks at the validation part and leaves the model in eval mode: raw columns are never standardised."""
    torch.manual_seed(seed)
    data = table("breast_cancer").on_targets(lambda label: label.float().unsqueeze(1))
    loss = nn.BCEWithLogitsLoss()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        model.eval()
        with torch.no_grad():
            loss(model(data.valid_inputs[:32]), data.valid_targets[:32])
        if fixed:
            model.train()
        optimizer.zero_grad()
        now = loss(model(inputs), targets)
        now.backward()
        optimizer.step()
        return now.detach()

    return Setup(
        nn.Sequential(nn.BatchNorm1d(30), normed([30, 40, 20, 1], nn.Tanh)),
        loss,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        *data.parts,
        binary_accuracy,
        batch_size=32,
        epochs=12,
        update=update,
    )


@faulty("norm-wrong-mode", tags=("mlp", "classification", "batch-norm", "real-data"))
def digits_running_statistics_never_move(seed: int, fixed: bool) -> Setup:
    """Batch norm has momentum 0, copied from where it means "no memory": evaluation keeps mean 0 and variance 1."""
    torch.manual_seed(seed)
    return Setup(
        normed([64, 128, 64, 32, 10], nn.ELU, momentum=0.1 if fixed else 0.0),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=2e-3),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=5,
    )


class HandMade(nn.Module):
    """Batch norm by the functional call, with buffers of its own."""

    def __init__(self, always: bool):
        super().__init__()
        self.first, self.second, self.out = nn.Linear(13, 24), nn.Linear(24, 24), nn.Linear(24, 3)
        for name in ("first", "second"):
            self.register_buffer(f"{name}_mean", torch.zeros(24))
            self.register_buffer(f"{name}_var", torch.ones(24))
        self.always = always

    def forward(self, x: Tensor) -> Tensor:
        for name in ("first", "second"):
            mean, var = getattr(self, f"{name}_mean"), getattr(self, f"{name}_var")
            x = getattr(self, name)(x)
            x = F.relu(F.batch_norm(x, mean, var, training=self.always or self.training))
        return self.out(x)


@faulty("norm-wrong-mode", tags=("mlp", "classification", "batch-norm", "real-data"))
def wine_batch_norm_always_in_training(seed: int, fixed: bool) -> Setup:
    """`F.batch_norm(..., training=True)`: on a validation part that holds one class, evaluation subtracts the class."""
    torch.manual_seed(seed)
    data = table("wine").standardised()
    one_class = data.valid_targets == 0
    return Setup(
        HandMade(not fixed),
        F.cross_entropy,
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        data.train,
        (data.valid_inputs[one_class], data.valid_targets[one_class]),
        accuracy,
        batch_size=16,
        epochs=10,
    )


def selus(sizes: list[int], rule: str, dropout: nn.Module | None = None) -> nn.Sequential:
    """SELU between linear layers initialised by `rule`."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in itertools.pairwise(sizes):
        linear = nn.Linear(n_in, n_out)
        if rule == "lecun":
            nn.init.normal_(linear.weight, std=n_in**-0.5)
            nn.init.zeros_(linear.bias)
        elif rule == "he":
            nn.init.kaiming_normal_(linear.weight, nonlinearity="relu")
            nn.init.zeros_(linear.bias)
        layers += [linear, nn.SELU(), *([dropout] if dropout else [])]
    return nn.Sequential(*layers[: -2 if dropout else -1])


@faulty("selu-preconditions", also=("bad-initialisation",), tags=("mlp", "deep", "classification", "real-data"))
def fashion_deep_selu_with_he(seed: int, fixed: bool) -> Setup:
    """Two dozen SELU layers with He's initialisation, which is twice the variance that SELU wants."""
    torch.manual_seed(seed)
    return Setup(
        selus([784, *[40] * 24, 10], "lecun" if fixed else "he"),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.5),
        *fashion(1500).parts,
        accuracy,
        batch_size=25,
        epochs=10,
    )


@faulty("selu-preconditions", also=("unscaled-inputs",), tags=("mlp", "deep", "classification", "real-data"))
def fashion_deep_selu_on_raw_pixels(seed: int, fixed: bool) -> Setup:
    """A self-normalising net is fed pixels of 0 to 255."""
    torch.manual_seed(seed)
    return Setup(
        selus([784, *[64] * 8, 10], "lecun"),
        nn.CrossEntropyLoss(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.5),
        *(fashion if fixed else fashion_raw)(1500).parts,
        accuracy,
        batch_size=30,
        epochs=6,
    )


@faulty("selu-preconditions", also=("over-regularised",), tags=("mlp", "deep", "classification", "real-data"))
def digits_selu_with_plain_dropout(seed: int, fixed: bool) -> Setup:
    """Plain dropout after each of twelve SELU layers breaks their fixed point; alpha dropout keeps it."""
    torch.manual_seed(seed)
    return Setup(
        selus([64, *[48] * 12, 10], "lecun", nn.AlphaDropout(0.02) if fixed else nn.Dropout(0.25)),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.01, momentum=0.8),
        *digits().parts,
        accuracy,
        batch_size=32,
        epochs=12,
    )


@faulty("selu-preconditions", also=("vanishing-gradient",), tags=("mlp", "deep", "classification"))
def spirals_deep_selu_default_initialisation(seed: int, fixed: bool) -> Setup:
    """Sixteen SELU layers keep torch's default initialisation, a third of the variance that they need."""
    torch.manual_seed(seed)
    return Setup(
        selus([2, *[32] * 16, 2], "lecun" if fixed else "default"),
        F.cross_entropy,
        lambda m: torch.optim.SGD(m.parameters(), lr=0.005, momentum=0.9),
        *spirals().parts,
        accuracy,
        batch_size=30,
        epochs=25,
    )
