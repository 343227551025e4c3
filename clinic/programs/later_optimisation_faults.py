"""Tables, windows and tastes whose training is at fault: rates, optimizers, penalties, sizes."""

from __future__ import annotations

import copy
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .._base import Setup, faulty
from .._data import arm, chaos, circuit, digits, friedman, hastie, hires, photo_points, purchases, table, waveforms
from .._scores import accuracy, r2
from .._sequences import passages
from .later_data_faults import Tastes, preferred
from .later_dense_faults import adam, net, sgd


@faulty("learning-rate-too-high", also=("dead-units", "not-learning"), tags=("mlp", "windows", "series", "regression"))
def chaos_nadam_at_one_half(seed: int, fixed: bool) -> Setup:
    """NAdam at 0.5, taken over from a grid that was meant for SGD."""
    torch.manual_seed(seed)
    data = chaos().standardised().standardised_targets()

    def nadam(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.NAdam(model.parameters(), lr=2e-3 if fixed else 0.5)

    return Setup(net([18, 40, 40, 40, 1], nn.ReLU), nn.MSELoss(), nadam, *data.parts, r2, batch_size=40, epochs=12)


@faulty("learning-rate-too-high", also=("oscillating-loss",), tags=("mlp", "regression", "schedule"), tier="real")
def arm_one_cycle_up_to_two_fifths(seed: int, fixed: bool) -> Setup:
    """One cycle of AdamW up to 0.4, a peak that papers give for SGD; the way down cannot mend all of it."""
    torch.manual_seed(seed)
    peak = 0.01 if fixed else 0.4

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> Any:
        return torch.optim.lr_scheduler.OneCycleLR(optimizer, peak, total_steps=updates + 1)

    model = net([3, 64, 64, 64, 2], nn.Tanh)
    return Setup(model, nn.MSELoss(), adam(peak), *arm().parts, r2, batch_size=32, epochs=14, schedule=schedule)


@faulty(
    "learning-rate-too-low", also=("not-learning", "underfitting"), tags=("mlp", "regression", "schedule"), tier="real"
)
def friedman_rate_times_rate(seed: int, fixed: bool) -> Setup:
    """`LambdaLR` multiplies the rate by what its function says, and the function says a rate: 0.003 times 0.003."""
    torch.manual_seed(seed)
    data = friedman().standardised().standardised_targets()
    model = nn.Sequential(net([10, 64, 32, 1], nn.SELU), nn.Flatten(0))

    def schedule(optimizer: torch.optim.Optimizer, updates: int) -> Any:
        return torch.optim.lr_scheduler.LambdaLR(
            optimizer, lambda step: (1.0 if fixed else 3e-3) * (1 - step / (updates + 1))
        )

    return Setup(model, nn.HuberLoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=14, schedule=schedule)


@faulty("learning-rate-too-low", also=("underfitting",), tags=("mlp", "classification", "schedule"), tier="real")
def shells_plateau_asked_every_batch(seed: int, fixed: bool) -> Setup:
    """`ReduceLROnPlateau` hears of each batch's noisy loss in place of an epoch's mean; the rate is soon nothing."""
    torch.manual_seed(seed)
    state: dict[str, Any] = {"heard": []}

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        if "plateau" not in state:
            state["plateau"] = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.3, patience=3)
        loss = F.cross_entropy(model(inputs), targets)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        state["heard"].append(loss.item())
        if len(state["heard"]) == (43 if fixed else 1):
            state["plateau"].step(sum(state["heard"]) / len(state["heard"]))
            state["heard"].clear()
        return loss.detach()

    return Setup(
        net([10, 48, 48, 2], nn.ReLU),
        F.cross_entropy,
        sgd(0.05),
        *hastie().parts,
        accuracy,
        32,
        epochs=14,
        update=update,
    )


@faulty("not-learning", also=("unoptimised-parameters",), tags=("mlp", "classification", "federated", "real-data"))
def digits_copies_never_come_home(seed: int, fixed: bool) -> Setup:
    """Two copies of the net learn on half a batch each; their mean is computed, but never loaded into the net."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        learnt, losses = [], []
        for part, wanted in zip(inputs.chunk(2), targets.chunk(2), strict=True):
            site = copy.deepcopy(model)
            local = torch.optim.SGD(site.parameters(), lr=0.1)
            for _ in range(2):
                local.zero_grad()
                loss = F.cross_entropy(site(part), wanted)
                loss.backward()
                local.step()
            learnt.append(site.state_dict())
            losses.append(loss.detach())
        mean = {name: torch.stack([state[name] for state in learnt]).mean(0) for name in learnt[0]}
        if fixed:
            model.load_state_dict(mean)
        return torch.stack(losses).mean()

    model = nn.Sequential(nn.Flatten(), net([64, 40, 10], nn.ReLU))
    return Setup(model, F.cross_entropy, sgd(0.1, 0.0), *digits().parts, accuracy, 64, epochs=8, update=update)


@faulty(
    "oscillating-loss",
    also=("unsuited-optimizer", "learning-rate-too-high", "diverged"),
    tags=("mlp", "regression"),
    tier="real",
)
def circuit_betas_the_wrong_way_round(seed: int, fixed: bool) -> Setup:
    """Adam's `betas=(0.999, 0.9)`: it follows directions a thousand updates old at steps made for the last ten."""
    torch.manual_seed(seed)
    data = circuit().standardised().standardised_targets()
    betas = (0.9, 0.999) if fixed else (0.999, 0.9)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(model.parameters(), lr=1e-2, betas=betas)

    model = net([4, 48, 48, 1], nn.Hardswish)
    return Setup(model, nn.MSELoss(), optimizer, *data.parts, r2, batch_size=24, epochs=12)


@faulty(
    "diverged", also=("wrong-loss", "exploding-gradient"), tags=("mlp", "metric", "pairs", "real-data"), tier="real"
)
def digits_distance_of_a_pair_to_itself(seed: int, fixed: bool) -> Setup:
    """Distances of all pairs of a batch, the square root of squares: at a row's distance to itself its slope is 0/0."""
    torch.manual_seed(seed)
    data, model = digits(), nn.Sequential(nn.Flatten(), net([64, 48, 12], nn.ReLU))

    def loss(output: Tensor, target: Tensor) -> Tensor:
        squares = (output[:, None] - output[None]).square().sum(2)
        apart = (squares + 1e-8).sqrt() if fixed else squares.sqrt()
        same = target[:, None] == target[None]
        return torch.where(same, apart, F.relu(4 - apart)).square().mean()

    def score(output: Tensor, target: Tensor) -> float:
        with torch.no_grad():
            nearest = torch.cdist(output, model(data.inputs)).nan_to_num(torch.inf).argmin(1)
        return (data.targets[nearest] == target).float().mean().item()

    return Setup(model, loss, adam(2e-3), *data.parts, score, batch_size=48, epochs=8)


@faulty("over-regularised", also=("underfitting",), tags=("mlp", "windows", "classification", "max-norm"))
def signals_held_too_short(seed: int, fixed: bool) -> Setup:
    """After each update every unit's weights are cut to a length of 0.15; papers say 3."""
    torch.manual_seed(seed)

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        loss = F.cross_entropy(model(inputs), targets)
        loss.backward()
        optimizer.step()
        with torch.no_grad():
            for layer in model:
                if isinstance(layer, nn.Linear):
                    layer.weight.copy_(layer.weight.renorm(2, 0, 3.0 if fixed else 0.15))
        return loss.detach()

    model = net([32, 64, 32, 5], nn.LeakyReLU)
    return Setup(model, F.cross_entropy, adam(3e-3), *waveforms().parts, accuracy, 30, epochs=12, update=update)


@faulty("over-regularised", also=("underfitting",), tags=("embedding", "recommender", "ranking"), tier="real")
def tastes_decayed_as_if_decoupled(seed: int, fixed: bool) -> Setup:
    """A decay of 0.05, ordinary for AdamW, goes to Adam, which adds it to the gradients: all tastes shrink to 0."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        method = torch.optim.AdamW if fixed else torch.optim.Adam
        return method(model.parameters(), lr=1e-2, weight_decay=0.05)

    return Setup(Tastes(6), nn.BCEWithLogitsLoss(), optimizer, *purchases().parts, preferred, batch_size=50, epochs=12)


@faulty("overfitting", tags=("mlp", "bag-of-words", "classification", "text", "real-data"))
def chapters_learnt_from_eighty_passages(seed: int, fixed: bool) -> Setup:
    """1,500 words as columns and eighty passages: the net knows each by heart; the others were there to be read."""
    torch.manual_seed(seed)
    data, words = passages()
    data = data.on_inputs(lambda codes: F.one_hot(codes, words).sum(1).clamp(max=1).float())
    part = data if fixed else data.first(80)
    model = nn.Sequential(nn.Linear(words, 64), nn.ReLU(), nn.Linear(64, 8))
    if fixed:
        model.insert(0, nn.Dropout(0.2))
    return Setup(
        model, nn.CrossEntropyLoss(), adam(2e-3), part.train, data.valid, accuracy, 16, epochs=6 if fixed else 60
    )


@faulty("overfitting", tags=("mlp", "regression", "real-data"), tier="real")
def diabetes_columns_in_bins_and_crossed(seed: int, fixed: bool) -> Setup:
    """Ten columns become 364 of crossed bins for 331 patients; the net remembers patients. The plain columns do."""
    torch.manual_seed(seed)
    data = table("diabetes").standardised().standardised_targets()

    def crossed(x: Tensor) -> Tensor:
        bins = F.one_hot((2 * x).round().long().clamp(-3, 3) + 3, 7).flatten(1).float()
        return torch.cat([bins, (bins[:, :14, None] * bins[:, None, 14:35]).flatten(1)], 1)

    data = data if fixed else data.on_inputs(crossed)
    model = nn.Sequential(net([data.inputs.shape[1], *((16,) if fixed else (128, 64)), 1], nn.ReLU), nn.Flatten(0))
    return Setup(
        model, nn.MSELoss(), adam(3e-3, weight_decay=0.1), *data.parts, r2, batch_size=16, epochs=12 if fixed else 70
    )


@faulty("underfitting", tags=("mlp", "coordinates", "regression", "image", "real-data"), tier="real")
def temple_from_bare_coordinates(seed: int, fixed: bool) -> Setup:
    """A small net is to draw a photograph from x and y alone and draws a blur; waves of x and y give it edges."""
    torch.manual_seed(seed)
    data = photo_points()
    waves = 2.0 ** torch.arange(4)
    if fixed:
        data = data.on_inputs(
            lambda x: torch.cat([f(w * torch.pi * x) for w in waves for f in (torch.sin, torch.cos)], 1)
        )
    model = net([16, 64, 64, 1] if fixed else [2, 4, 1], nn.ReLU)
    return Setup(model, nn.MSELoss(), adam(5e-3), *data.parts, r2, batch_size=64, epochs=16)


@faulty("underfitting", tags=("embedding", "recommender", "ranking"))
def tastes_of_one_number(seed: int, fixed: bool) -> Setup:
    """One number a person and one a good: tastes have three directions, and rank one follows a third of them."""
    torch.manual_seed(seed)

    optimizer, loss = adam(1e-2, weight_decay=0.1), lambda output, target: F.softplus(-output).mean()
    return Setup(Tastes(5 if fixed else 1), loss, optimizer, *purchases().parts, preferred, batch_size=64, epochs=12)


@faulty("unsuited-optimizer", also=("oscillating-loss",), tags=("mlp", "classification", "real-data"), tier="real")
def digits_rprop_on_small_batches(seed: int, fixed: bool) -> Setup:
    """Rprop believes the sign of each gradient; of batches of 8 signs are half chance, and its steps starve."""
    torch.manual_seed(seed)

    def optimizer(model: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.NAdam(model.parameters(), lr=2e-3) if fixed else torch.optim.Rprop(model.parameters())

    model = nn.Sequential(nn.Flatten(), net([64, 32, 10], nn.Tanh))
    return Setup(model, nn.CrossEntropyLoss(), optimizer, *digits().parts, accuracy, batch_size=8, epochs=4)


@faulty(
    "missing-zero-grad",
    also=("oscillating-loss", "diverged", "exploding-gradient"),
    tags=("mlp", "embedding", "counts"),
    tier="real",
)
def hires_only_the_body_is_cleared(seed: int, fixed: bool) -> Setup:
    """`model.body.zero_grad()` in place of the optimizer's: the embeddings' gradients pile up."""
    torch.manual_seed(seed)
    data = hires().on_targets(torch.log1p)

    class Codes(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hour, self.day = nn.Embedding(24, 8), nn.Embedding(7, 4)
            self.body = net([14, 48, 1], nn.ReLU)

        def forward(self, x: Tensor) -> Tensor:
            codes = [self.hour(x[:, 0].long()), self.day(x[:, 1].long()), (x[:, 2:] - 8) / 8]
            return self.body(torch.cat(codes, 1))

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        (optimizer if fixed else model.body).zero_grad()
        loss = F.mse_loss(model(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.detach()

    return Setup(Codes(), F.mse_loss, sgd(0.05), *data.parts, r2, batch_size=40, epochs=12, update=update)


@faulty("missing-zero-grad", also=("oscillating-loss", "diverged"), tags=("mlp", "regression", "multi-output"))
def arm_gradients_of_all_batches(seed: int, fixed: bool) -> Setup:
    """Gradients are never cleared; Adam's steps keep their size and follow the sum of all that ever was."""
    torch.manual_seed(seed)
    return Setup(net([3, 64, 32, 2], nn.SiLU), nn.MSELoss(), adam(1e-2), *arm().parts, r2, 30, 14, zero_grad=fixed)
