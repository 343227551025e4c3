"""Right nets on right data, trained by a loop, an optimizer, a penalty or for a length that does not suit."""

from __future__ import annotations

import itertools
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import Split, digits, fashion, friedman, moons, parity, rings, spirals, table
from .._scores import accuracy, binary_accuracy, r2


def net(*sizes: int, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    """Linear layers with an activation between; images are flattened."""
    layers: list[nn.Module] = [nn.Flatten()]
    for n_in, n_out in itertools.pairwise(sizes):
        layers += [nn.Linear(n_in, n_out), activation()]
    return nn.Sequential(*layers[:-1])


def classify(model: nn.Module, data: Split, optimizer: Any, **facts: Any) -> Setup:
    """Cross-entropy and accuracy."""
    return Setup(model, F.cross_entropy, optimizer, *data.parts, accuracy, **facts)


def squared_error(output: Tensor, target: Tensor) -> Tensor:
    """Mean squared error of outputs (n, 1) against targets (n,)."""
    return F.mse_loss(output[:, 0], target)


def fit(model: nn.Module, data: Split, optimizer: Any, **facts: Any) -> Setup:
    """Squared error and R2."""
    return Setup(model, squared_error, optimizer, *data.parts, r2, **facts)


@faulty("not-learning", also=("missing-zero-grad",), tier="real", tags=("mlp", "classification", "real-data", "loop"))
def digits_gradients_cleared_before_the_step(seed: int, fixed: bool) -> Setup:
    """`zero_grad` stands between `backward` and `step`, so every step is made with no gradient."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        loss = F.cross_entropy(model(inputs), targets)
        if fixed:
            optimizer.zero_grad()
        loss.backward()
        if not fixed:
            optimizer.zero_grad()
        optimizer.step()
        return loss.detach()

    return classify(
        net(64, 50, 10),
        digits(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        batch_size=25,
        epochs=6,
        update=update,
    )


@faulty("not-learning", also=("unreached-parameters",), tier="real", tags=("mlp", "regression", "loop"))
def friedman_loss_wrapped_again(seed: int, fixed: bool) -> Setup:
    """The loss is put into a new tensor with `requires_grad=True` to silence an error; nothing is connected to it."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = squared_error(model(inputs), targets)
        if not fixed:
            loss = torch.tensor(loss.item(), requires_grad=True)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return fit(
        net(10, 64, 32, 1),
        friedman().standardised().standardised_targets(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        batch_size=32,
        epochs=12,
        update=update,
    )


@faulty("not-learning", also=("unoptimised-parameters",), tags=("mlp", "classification", "binary", "loop"))
def rings_step_only_every_hundredth(seed: int, fixed: bool) -> Setup:
    """Gradients should be gathered over 4 batches; the counter starts anew each epoch and never gets to 100."""
    torch.manual_seed(seed)
    every, seen = (4 if fixed else 100), [0]

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        loss = F.binary_cross_entropy_with_logits(model(inputs)[:, 0], targets)
        (loss / 4).backward()
        seen[0] = (seen[0] + 1) % 60  # batches of an epoch
        if (seen[0] + 1) % every == 0:
            optimizer.step()
            optimizer.zero_grad()
        return loss.detach()

    data = rings().on_targets(Tensor.float)
    return Setup(
        net(6, 32, 16, 1, activation=nn.ELU),
        F.binary_cross_entropy_with_logits,
        lambda m: torch.optim.Adam(m.parameters(), lr=1e-2),
        *data.parts,
        binary_accuracy,
        batch_size=15,
        epochs=15,
        update=update,
    )


@faulty("over-regularised", tags=("mlp", "classification", "real-data"))
def digits_weight_decay_of_one(seed: int, fixed: bool) -> Setup:
    """SGD with a weight decay of 1, where 1e-4 was meant: the weights are pulled to zero."""
    torch.manual_seed(seed)
    decay = 1e-4 if fixed else 1.0
    return classify(
        net(64, 64, 10, activation=nn.ELU),
        digits(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9, weight_decay=decay),
        batch_size=32,
        epochs=8,
    )


@faulty("over-regularised", tags=("mlp", "classification", "dropout", "real-data"))
def fashion_keeps_one_unit_in_twenty(seed: int, fixed: bool) -> Setup:
    """Dropout of 0.95, where 0.05 was meant (elsewhere the number is what is kept)."""
    torch.manual_seed(seed)
    share = 0.05 if fixed else 0.95
    model = nn.Sequential(nn.Flatten())
    for n_in, n_out in ((784, 80), (80, 80), (80, 40)):
        model.extend([nn.Linear(n_in, n_out), nn.ReLU(), nn.Dropout(share)])
    model.append(nn.Linear(40, 10))
    return classify(model, fashion(2000), lambda m: torch.optim.Adam(m.parameters(), lr=1e-3), batch_size=32, epochs=6)


@faulty("over-regularised", tags=("mlp", "regression", "penalty", "loop"))
def friedman_penalty_outweighs_the_loss(seed: int, fixed: bool) -> Setup:
    """A hand-written L1 penalty of 0.01 over two thousand weights is larger than the loss itself."""
    torch.manual_seed(seed)
    strength = 1e-5 if fixed else 1e-2

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        penalty = torch.stack([parameter.abs().sum() for parameter in model.parameters()]).sum()
        loss = squared_error(model(inputs), targets) + strength * penalty
        loss.backward()
        optimizer.step()
        return loss.detach()

    return fit(
        net(10, 48, 48, 1, activation=nn.SiLU),
        friedman().standardised().standardised_targets(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        batch_size=32,
        epochs=20,
        update=update,
    )


@faulty("overfitting", tags=("mlp", "regression", "real-data"))
def diabetes_learnt_by_heart(seed: int, fixed: bool) -> Setup:
    """A wide net learns three hundred noisy patients by heart; the fix is a small net, less long, with decay."""
    torch.manual_seed(seed)
    model = net(10, 12, 1, activation=nn.Tanh) if fixed else net(10, 256, 256, 1)
    decay = 0.05 if fixed else 0.0
    return fit(
        model,
        table("diabetes").standardised().standardised_targets(),
        lambda m: torch.optim.AdamW(m.parameters(), lr=2e-3, weight_decay=decay),
        batch_size=16,
        epochs=15 if fixed else 80,
    )


@faulty("overfitting", tags=("mlp", "classification", "binary"))
def moons_every_noisy_point(seed: int, fixed: bool) -> Setup:
    """Sixty noisy points and a net that encircles each of them; more points are the cure."""
    torch.manual_seed(seed)
    data = moons(2000, 0.45)
    return classify(
        net(2, 128, 128, 2),
        data if fixed else data.first(60),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        batch_size=25,
        epochs=5 if fixed else 200,
    )


@faulty("overfitting", tags=("mlp", "regression", "dropout"))
def friedman_noise_learnt_by_heart(seed: int, fixed: bool) -> Setup:
    """Noise as large as the signal, 200 rows, 100 epochs; the fix decays weights and stops early."""
    torch.manual_seed(seed)
    decay = 0.1 if fixed else 0.0
    data = friedman(1500, 4.0).standardised().standardised_targets().first(200)
    return fit(
        net(10, 12, 1, activation=nn.SiLU) if fixed else net(10, 200, 200, 1, activation=nn.SiLU),
        data,
        lambda m: torch.optim.AdamW(m.parameters(), lr=5e-3, weight_decay=decay),
        batch_size=20,
        epochs=20 if fixed else 100,
    )


@faulty("underfitting", tags=("mlp", "classification", "real-data"))
def digits_through_two_units(seed: int, fixed: bool) -> Setup:
    """Ten digits pass through one hidden layer of two rectified units."""
    torch.manual_seed(seed)
    return classify(
        net(64, 48 if fixed else 2, 10),
        digits(),
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        batch_size=32,
        epochs=10,
    )


@faulty("underfitting", also=("missing-nonlinearity",), tags=("mlp", "regression"))
def friedman_one_hidden_unit(seed: int, fixed: bool) -> Setup:
    """One hidden unit for a function of five columns."""
    torch.manual_seed(seed)
    return fit(
        net(10, 40 if fixed else 1, 1, activation=nn.Tanh),
        friedman().standardised().standardised_targets(),
        lambda m: torch.optim.RMSprop(m.parameters(), lr=5e-3),
        batch_size=25,
        epochs=25,
    )


@faulty("underfitting", also=("learning-rate-too-low",), tags=("mlp", "classification"))
def spirals_stopped_after_two_epochs(seed: int, fixed: bool) -> Setup:
    """Training ends after two epochs, when the loss has only begun to fall."""
    torch.manual_seed(seed)
    return classify(
        net(2, 64, 64, 2, activation=nn.SiLU),
        spirals(),
        lambda m: torch.optim.Adam(m.parameters(), lr=5e-3),
        batch_size=10,
        epochs=15 if fixed else 2,
    )


@faulty("unsuited-optimizer", also=("learning-rate-too-low",), tags=("mlp", "classification", "real-data"))
def digits_adadelta_at_adams_rate(seed: int, fixed: bool) -> Setup:
    """Adadelta at 1e-3, a rate for Adam; its own is 1."""
    torch.manual_seed(seed)
    lr = 1.0 if fixed else 1e-3
    return classify(
        net(64, 64, 64, 10), digits(), lambda m: torch.optim.Adadelta(m.parameters(), lr=lr), batch_size=32, epochs=10
    )


@faulty("unsuited-optimizer", also=("learning-rate-too-low",), tags=("mlp", "classification"))
def spirals_adagrad_runs_dry(seed: int, fixed: bool) -> Setup:
    """Adagrad at 0.01 divides by all gradients that ever were: its steps fade before the spiral is found."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        chosen = torch.optim.Adam if fixed else torch.optim.Adagrad
        return chosen(model.parameters(), lr=1e-2)

    return classify(net(2, 40, 40, 2, activation=nn.Tanh), spirals(), optimizer, batch_size=30, epochs=30)


@faulty("unsuited-optimizer", also=("underfitting", "learning-rate-too-low"), tags=("mlp", "classification"))
def parity_plain_sgd_on_a_plateau(seed: int, fixed: bool) -> Setup:
    """Plain SGD at 0.01 on parity, whose first gradients are nearly flat: it does not leave the plateau in time."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        adam = torch.optim.Adam(model.parameters(), lr=1e-2)
        return adam if fixed else torch.optim.SGD(model.parameters(), lr=1e-2)

    return classify(net(5, 40, 40, 2, activation=nn.Tanh), parity(5), optimizer, batch_size=32, epochs=20)


@faulty("missing-zero-grad", tags=("mlp", "classification", "real-data"))
def digits_gradients_pile_up(seed: int, fixed: bool) -> Setup:
    """Gradients are never cleared: each step follows the sum of all before it."""
    torch.manual_seed(seed)
    return classify(
        net(64, 64, 64, 10),
        digits(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.05, momentum=0.9),
        batch_size=32,
        epochs=8,
        zero_grad=fixed,
    )


@faulty("missing-zero-grad", tier="real", tags=("mlp", "regression"))
def friedman_gradients_pile_up(seed: int, fixed: bool) -> Setup:
    """Adam on gradients that are never cleared goes on in directions that were right long ago."""
    torch.manual_seed(seed)
    return fit(
        net(10, 64, 64, 1, activation=nn.LeakyReLU),
        friedman().standardised().standardised_targets(),
        lambda m: torch.optim.Adam(m.parameters(), lr=3e-3),
        batch_size=32,
        epochs=15,
        zero_grad=fixed,
    )


@faulty("missing-zero-grad", tags=("mlp", "classification", "loop"))
def spirals_cleared_once_an_epoch(seed: int, fixed: bool) -> Setup:
    """`zero_grad` stands in the epoch's loop instead of the batch's."""
    torch.manual_seed(seed)
    seen = [0]

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        if fixed or seen[0] % 30 == 0:
            optimizer.zero_grad()
        seen[0] += 1
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return classify(
        net(2, 64, 64, 2),
        spirals(),
        lambda m: torch.optim.SGD(m.parameters(), lr=0.1, momentum=0.9),
        batch_size=30,
        epochs=30,
        update=update,
    )
