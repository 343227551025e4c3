"""Gradients not cleared, parameters that nothing moves; fourth series."""

from __future__ import annotations

from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import checkers, digits, fashion, friedman, module_words, moons, patches, spirals
from .._scores import accuracy, r2
from .._sequences import letter_names, passages, photo_patches, scaled_consumption
from .fourth_signals import adam, dense, sgd

faulty = partial(base.faulty, half="parted")


@faulty("missing-zero-grad", also=("oscillating-loss", "diverged", "learning-rate-too-high"), tags=("cnn", "real-data"))
def patches_gradients_never_cleared(seed: int, fixed: bool) -> Setup:
    """A convolutional net's loop has no `zero_grad`: every step goes along the sum of all gradients so far."""
    torch.manual_seed(seed)
    model = nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 16, 3), nn.ReLU(), nn.Flatten()
    ).append(nn.Linear(256, 2))
    loss, data = nn.CrossEntropyLoss(), patches()
    return Setup(model, loss, sgd(0.05), *data.parts, accuracy, batch_size=32, epochs=8, zero_grad=fixed)


@faulty("missing-zero-grad", also=("oscillating-loss", "diverged", "learning-rate-too-high"), tags=("lstm", "series"))
def hours_gradients_never_cleared(seed: int, fixed: bool) -> Setup:
    """A forecast by a GRU, and the loop has `backward` and `step` only."""
    torch.manual_seed(seed)

    class Forecast(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gru, self.head = nn.GRU(1, 24, batch_first=True), nn.Linear(24, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(self.gru(x)[1][-1])

    data = scaled_consumption()
    return Setup(Forecast(), nn.MSELoss(), adam(5e-3), *data.parts, r2, batch_size=32, epochs=8, zero_grad=fixed)


@faulty("missing-zero-grad", also=("oscillating-loss", "diverged", "learning-rate-too-high"), tags=("mlp",))
def moons_gradients_never_cleared(seed: int, fixed: bool) -> Setup:
    """A first net on two moons, its loop written from memory, without clearing gradients."""
    torch.manual_seed(seed)
    loss, data = nn.CrossEntropyLoss(), moons(1000, 0.2)
    model = dense([2, 32, 32, 2], nn.ReLU)
    return Setup(model, loss, sgd(0.05, 0.9), *data.parts, accuracy, batch_size=32, epochs=15, zero_grad=fixed)


@faulty("frozen-parameters", also=("not-learning", "underfitting"), tags=("lstm", "text", "real-data"), tier="real")
def chapters_untrained_vectors_frozen(seed: int, fixed: bool) -> Setup:
    """`nn.Embedding.from_pretrained` freezes by default, and the file of vectors that it was given is random still."""
    torch.manual_seed(seed)
    data, size = passages()

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding = nn.Embedding.from_pretrained(torch.rand(size, 24) - 0.5, freeze=not fixed)
            self.fc = nn.Linear(24, 8)

        def forward(self, x: Tensor) -> Tensor:
            return self.fc(self.embedding(x).mean(1))

    return Setup(Reader(), nn.CrossEntropyLoss(), adam(1e-2), *data.parts, accuracy, batch_size=32, epochs=10)


class _Convolutions(nn.Module):
    """Two convolutions under the name `features` and one layer under `classifier`."""

    def __init__(self, width: int = 12) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, width, 5, stride=2, padding=2),
            nn.ReLU(),
            nn.Conv2d(width, 4 * width, 3, stride=2, padding=1),
            nn.ReLU(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
        )
        self.classifier = nn.Linear(4 * width, 10)

    def forward(self, x: Tensor) -> Tensor:
        return self.classifier(self.features(x))


@faulty("frozen-parameters", also=("underfitting", "not-learning"), tags=("cnn", "real-data"), tier="real")
def clothes_features_frozen_without_weights(seed: int, fixed: bool) -> Setup:
    """`pretrained=False` was left from a test: the features that are frozen for fine-tuning are random ones."""
    torch.manual_seed(seed)
    model = _Convolutions(16)
    for parameter in model.features.parameters():
        parameter.requires_grad = fixed
    loss, data = nn.CrossEntropyLoss(), fashion()
    return Setup(model, loss, adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=12)


@faulty("frozen-parameters", also=("underfitting", "not-learning"), tags=("mlp", "classification"), tier="real")
def spirals_all_but_the_last_layer_frozen(seed: int, fixed: bool) -> Setup:
    """A loop over all but the last two parameters sets `requires_grad = False` in a net that nobody has trained."""
    torch.manual_seed(seed)
    model = dense([2, 48, 48, 48, 2], nn.ReLU)
    for parameter in list(model.parameters())[:-2]:
        parameter.requires_grad = fixed
    return Setup(model, nn.CrossEntropyLoss(), adam(5e-3), *spirals().parts, accuracy, batch_size=32, epochs=25)


@faulty("unoptimised-parameters", also=("frozen-parameters", "underfitting"), tags=("cnn", "real-data"), tier="real")
def digits_optimizer_of_the_classifier_only(seed: int, fixed: bool) -> Setup:
    """`Adam(model.classifier.parameters())` came with a recipe for fine-tuning, and this net starts from nothing."""
    torch.manual_seed(seed)
    optimizer = lambda model: torch.optim.Adam((model if fixed else model.classifier).parameters(), lr=5e-3)  # noqa: E731
    loss = nn.CrossEntropyLoss()
    return Setup(_Convolutions(), loss, optimizer, *digits().parts, accuracy, batch_size=32, epochs=12)


@faulty("unoptimised-parameters", also=("unreached-parameters", "frozen-parameters", "underfitting"), tags=("mlp",))
def checkers_layers_in_a_python_list(seed: int, fixed: bool) -> Setup:
    """Hidden layers stand in a Python list, not in a `ModuleList`: `model.parameters()` does not know them."""
    torch.manual_seed(seed)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            layers = [nn.Linear(2, 64), nn.Linear(64, 64), nn.Linear(64, 64)]
            self.layers = nn.ModuleList(layers) if fixed else layers
            self.out = nn.Linear(64, 2)

        def forward(self, x: Tensor) -> Tensor:
            for layer in self.layers:
                x = torch.relu(layer(x))
            return self.out(x)

    return Setup(Net(), nn.CrossEntropyLoss(), adam(5e-3), *checkers().parts, accuracy, batch_size=32, epochs=25)


@faulty("unoptimised-parameters", also=("underfitting",), tags=("autoencoder", "real-data"), tier="real")
def photographs_only_the_decoder_is_passed(seed: int, fixed: bool) -> Setup:
    """Encoder and decoder are two nets, and the optimizer was given the parameters of the second."""
    torch.manual_seed(seed)

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.encoder = nn.Sequential(nn.Flatten(), nn.Linear(768, 128), nn.ReLU(), nn.Linear(128, 4))
            self.decoder = nn.Sequential(nn.Linear(4, 128), nn.ReLU(), nn.Linear(128, 768), nn.Sigmoid())

        def forward(self, x: Tensor) -> Tensor:
            return self.decoder(self.encoder(x)).view_as(x)

    optimizer = lambda model: torch.optim.Adam((model if fixed else model.decoder).parameters(), lr=2e-3)  # noqa: E731
    return Setup(Autoencoder(), nn.MSELoss(), optimizer, *photo_patches().parts, r2, batch_size=32, epochs=15)


class _Names(nn.Module):
    """A GRU over the signs of a name and a classifier of its script; `cut` off from each other, or not."""

    def __init__(self, size: int, detached: bool) -> None:
        super().__init__()
        self.embedding, self.gru = nn.Embedding(size, 16, padding_idx=0), nn.GRU(16, 48, batch_first=True)
        self.head, self.detached = nn.Linear(48, 10), detached

    def forward(self, x: Tensor) -> Tensor:
        found, _ = self.gru(self.embedding(x))
        found = found.masked_fill((x == 0).unsqueeze(2), -1.0).amax(1)
        return self.head(found.detach() if self.detached else found)


@faulty("unreached-parameters", also=("frozen-parameters", "underfitting"), tags=("gru", "text"), tier="real")
def names_state_detached_before_the_head(seed: int, fixed: bool) -> Setup:
    """`detach` was put in against "backward through the graph a second time": the GRU never hears of the loss."""
    torch.manual_seed(seed)
    data, size = letter_names(24)
    loss = nn.CrossEntropyLoss()
    return Setup(_Names(size, not fixed), loss, adam(5e-3), *data.parts, accuracy, batch_size=32, epochs=8)


@faulty("unreached-parameters", also=("frozen-parameters", "underfitting"), tags=("mlp", "regression"), tier="real")
def friedman_features_through_numpy(seed: int, fixed: bool) -> Setup:
    """Features go through `.detach().numpy()` for a logarithm and come back by `torch.tensor`, without a history."""
    torch.manual_seed(seed)

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.features = nn.Sequential(nn.Linear(10, 24), nn.Sigmoid(), nn.Linear(24, 12))
            self.out = nn.Linear(12, 1)

        def forward(self, x: Tensor) -> Tensor:
            found = self.features(x)
            found = torch.log1p(found.exp()) if fixed else torch.tensor(found.detach().exp().numpy()).log1p()
            return self.out(found)

    data = friedman().standardised().standardised_targets().on_targets(lambda y: y.unsqueeze(1))
    return Setup(Net(), nn.MSELoss(), adam(1e-2), *data.parts, r2, batch_size=32, epochs=20)


@faulty("unreached-parameters", also=("underfitting",), tags=("mlp", "text", "embedding", "real-data"), tier="real")
def modules_second_branch_overwritten(seed: int, fixed: bool) -> Setup:
    """`out = self.words(x)`, then `out = self.first(x[:, :3])`: the second line forgets the first branch."""
    torch.manual_seed(seed)
    data, size = module_words()

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words = nn.Sequential(nn.EmbeddingBag(size, 32), nn.Linear(32, 32), nn.ReLU())
            self.first = nn.Sequential(nn.Embedding(size, 32), nn.Flatten(), nn.Linear(96, 32), nn.ReLU())
            self.head = nn.Linear(32, 6)

        def forward(self, x: Tensor) -> Tensor:
            out = self.words(x)
            out = out + self.first(x[:, :3]) if fixed else self.first(x[:, :3])
            return self.head(F.dropout(out, 0.2, self.training))

    return Setup(Net(), nn.CrossEntropyLoss(), adam(3e-3), *data.parts, accuracy, batch_size=32, epochs=10)
