"""Watching changes nothing: not the training, not the model, not torch; and never ends it."""

import copy
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih._checks import InputError
from latih.watch import _look, _loop, _sampling, _structure, watch


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.norm, self.inner, self.head = (
            nn.Conv2d(1, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.Conv2d(4, 4, 3, padding=1),
            nn.Linear(4, 3),
        )

    def forward(self, x):
        x = F.relu(self.norm(self.stem(x.view(-1, 1, 4, 4))), inplace=True)
        return self.head(F.dropout(x + self.inner(x), 0.3, self.training).mean((2, 3)))


class Reader(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.lstm, self.head = nn.Embedding(9, 6), nn.LSTM(6, 5, 2, dropout=0.2), nn.Linear(5, 3)

    def forward(self, x):
        return self.head(self.lstm(self.table((x.abs() * 3).long().clamp(max=8)))[0].mean(1))


def transformer():
    return nn.Sequential(
        nn.Unflatten(1, (2, 8)), nn.TransformerEncoderLayer(8, 2, 12, batch_first=True), nn.Flatten(), nn.Linear(16, 3)
    )


def mlp():
    return nn.Sequential(
        nn.Linear(16, 12), nn.BatchNorm1d(12), nn.ReLU(inplace=True), nn.Dropout(0.4), nn.Linear(12, 3)
    )


def spectral():
    return nn.Sequential(nn.utils.spectral_norm(nn.Linear(16, 12)), nn.GELU(), nn.Linear(12, 3))


MODELS = {"mlp": mlp, "residual": Residual, "lstm": Reader, "transformer": transformer, "spectral norm": spectral}
METHODS = {
    "sgd": lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
    "adamw": lambda p: torch.optim.AdamW(p, lr=0.01),
    "fused": lambda p: torch.optim.Adam(p, lr=0.01, fused=True),
}


def train(model, optimizer, steps=50):
    for _ in range(steps):
        x, y = torch.randn(8, 16), torch.randint(3, (8,))
        F.cross_entropy(model(x), y).backward()
        optimizer.step()
        optimizer.zero_grad()


def state(model):
    generators = [
        torch.get_rng_state(),
        torch.tensor(np.random.get_state()[1].astype("int64")),
        torch.tensor([random.random()]),
    ]
    return [*model.state_dict().values(), *generators]


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("name", MODELS)
def test_training_is_bit_identical_to_training_unwatched(name, method, given):
    ends = []
    start = MODELS[name]()
    for watched in (False, True):
        torch.manual_seed(1)
        random.seed(1)
        np.random.seed(1)
        model = copy.deepcopy(start)
        optimizer = METHODS[method](model.parameters())
        if watched:
            with watch(model, optimizer=optimizer if given else None, every=3) as w:
                train(model, optimizer)
            assert (w.record.updates, len(w.record.samples), w.record.notes) == (50, 17, [])
        else:
            train(model, optimizer)
        ends.append(state(model))
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def hooks(model, optimizer):
    of_modules = [len(vars(one)[name]) for one in model.modules() for name in vars(one) if name.endswith("_hooks")]
    return of_modules, len(optimizer._optimizer_step_pre_hooks), len(optimizer._optimizer_step_post_hooks)


class Failing(nn.Module):
    def __init__(self, error):
        super().__init__()
        self.inner, self.error = nn.Linear(16, 3), error

    def forward(self, x):
        if self.error is not None and len(x) == 5:
            raise self.error
        return self.inner(x)


@pytest.mark.parametrize("error", [ValueError("forward"), KeyboardInterrupt()])
@pytest.mark.parametrize("place", ["forward", "backward", "loop"])
def test_an_error_leaves_the_block_unchanged_and_nothing_stays(place, error):
    model = Failing(error if place == "forward" else None)
    optimizer = METHODS["sgd"](model.parameters())
    before, backward, scale = hooks(model, optimizer), torch.autograd.backward, torch.amp.GradScaler.scale
    attributes = [set(vars(one)) for one in model.modules()]

    def fail(gradient):
        raise error

    def loop():
        train(model, optimizer, 3)
        output = model(torch.randn(5, 16))
        if place == "backward":
            output.register_hook(fail)
            output.sum().backward()
        raise error

    with pytest.raises(type(error)) as caught, watch(model, optimizer=optimizer, every=1):
        loop()
    assert caught.value is error
    assert hooks(model, optimizer) == before
    assert [set(vars(one)) for one in model.modules()] == attributes
    assert torch.autograd.backward is backward
    assert torch.amp.GradScaler.scale is scale
    assert torch.overrides._get_current_function_mode_stack() == []


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_blocks_may_end_in_any_order(order):
    models = [mlp(), mlp()]
    optimizers = [METHODS["sgd"](model.parameters()) for model in models]
    backward = torch.autograd.backward
    blocks = [watch(model, optimizer=optimizer) for model, optimizer in zip(models, optimizers, strict=True)]
    for block in blocks:
        block.__enter__()
    for place in order:
        train(models[place], optimizers[place], 3)
        blocks[place].__exit__(None, None, None)
    assert [len(block.record.losses) for block in blocks] == [3, 3]
    assert torch.autograd.backward is backward


def test_two_watches_on_one_model_see_the_same():
    model = mlp()
    optimizer = METHODS["sgd"](model.parameters())
    with watch(model, optimizer=optimizer, every=2) as one, watch(model, optimizer=optimizer, every=2) as other:
        train(model, optimizer, 5)
    assert one.record.losses == other.record.losses
    assert [sample.readings for sample in one.record.samples] == [sample.readings for sample in other.record.samples]
    assert one.record.notes == other.record.notes == []


def test_a_block_cannot_be_opened_twice():
    model = mlp()
    with watch(model) as w, pytest.raises(InputError, match="already open"):
        w.__enter__()


def test_users_hooks_run_as_often_as_without_us():
    counts = []
    for watched in (False, True):
        model, calls = mlp(), []
        optimizer = METHODS["sgd"](model.parameters())
        for module in model:
            module.register_forward_hook(lambda *_, calls=calls: calls.append(1))
            module.register_forward_pre_hook(lambda *_, calls=calls: calls.append(1))
        if watched:
            with watch(model, optimizer=optimizer, every=1):
                train(model, optimizer, 4)
        else:
            train(model, optimizer, 4)
        counts.append(len(calls))
    assert counts[0] == counts[1] == 4 * 5 * 2


BROKEN = [
    (_sampling.statistics, "of_output"),
    (_sampling.statistics, "of_gradient"),
    (_sampling, "norms"),
    (_sampling, "sample_of"),
    (_sampling.Capture, "_product"),
    (_structure, "read"),
    (_structure, "parameters_of"),
    (_look.LossReader, "read"),
    (_loop.Reach, "first"),
    (_loop.Ledger, "begins"),
    (_loop.Suspect, "gradient_is_lost"),
    (_loop.Rates, "note"),
]


@pytest.mark.parametrize(("home", "name"), BROKEN, ids=lambda part: part if isinstance(part, str) else "")
def test_an_error_of_our_own_is_noted_once_and_training_goes_on(monkeypatch, home, name):
    def broken(*args, **kwargs):
        raise RuntimeError("a bug of ours")

    model = mlp()
    twin = copy.deepcopy(model)
    torch.manual_seed(2)
    train(twin, METHODS["sgd"](twin.parameters()), 6)
    monkeypatch.setattr(home, name, broken)
    torch.manual_seed(2)
    optimizer = METHODS["sgd"](model.parameters())
    with watch(model, optimizer=optimizer, every=1) as w:
        train(model, optimizer, 6)
        record = w.record
    assert [note for note in record.notes if "a bug of ours" in note]
    assert len(record.notes) <= 2
    assert torch.overrides._get_current_function_mode_stack() == []
    assert all(torch.equal(a, b) for a, b in zip(model.state_dict().values(), twin.state_dict().values(), strict=True))
    assert hooks(model, optimizer) == hooks(twin, METHODS["sgd"](twin.parameters()))


def test_a_model_that_is_changed_inside_the_block_is_read_again():
    model = mlp()
    optimizer = METHODS["sgd"](model.parameters())
    with watch(model, optimizer=optimizer, every=1) as w:
        train(model, optimizer, 3)
        model[4] = nn.Sequential(nn.Linear(12, 7), nn.Tanh(), nn.Linear(7, 3))
        optimizer.add_param_group({"params": model[4].parameters()})
        train(model, optimizer, 3)
        model[0].weight = nn.Parameter(model[0].weight.detach().clone())
        train(model, optimizer, 2)
        model[0].bias.requires_grad_(False)
        train(model, optimizer, 1)
    assert w.record.changed == [3, 6, 8]
    assert [layer.name for layer in w.record.layers] == ["0", "4.0", "4.2"]
    assert [one.name for one in w.record.parameters if not one.optimised] == ["0.weight"]
    assert [one.name for one in w.record.parameters if not one.trainable] == ["0.bias"]
    assert len(w.record.losses) == 9
    assert w.record.samples[-1].readings[0].weight_change is None  # nobody's optimizer moves it
    assert w.record.samples[-1].readings[-1].weight_change > 0
    assert w.record.notes == []


def test_what_cannot_be_watched_is_refused():
    with pytest.raises(InputError, match="no parameters"):
        watch(nn.ReLU())
    with pytest.raises(InputError, match="must be a torch"):
        watch(lambda x: x)
    with pytest.raises(InputError, match="whole number"):
        watch(mlp(), every=0)
    with pytest.raises(InputError, match="optimizer"):
        watch(mlp(), optimizer="adam")
    with pytest.raises(InputError, match="must be numbers"), watch(mlp()) as w:
        w.log(accuracy="high")


def test_a_lazy_model_is_read_once_its_shapes_are_known():
    model = nn.Sequential(nn.LazyLinear(8), nn.ReLU(), nn.Linear(8, 3))
    with watch(model, every=1) as w:
        loss = F.cross_entropy(model(torch.randn(8, 16)), torch.randint(3, (8,)))
        loss.backward()
        optimizer = METHODS["sgd"](model.parameters())
        optimizer.step()
        optimizer.zero_grad()
        train(model, optimizer, 3)
    assert [layer.name for layer in w.record.layers] == ["0", "2"]
    assert len(w.record.losses) == 4
    assert w.record.samples[-1].readings[0].out_std > 0


def test_a_frozen_model_and_a_batch_of_one_are_no_trouble():
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 1))
    optimizer = METHODS["sgd"](model.parameters())
    with watch(model, optimizer=optimizer, every=1) as w:
        for _ in range(2):
            F.mse_loss(model(torch.randn(1, 4)), torch.zeros(1, 1)).backward()
            optimizer.step()
    assert w.record.notes == []
    assert (w.record.samples[0].readings[0].rank, w.record.samples[0].readings[0].alive_spread) == (None, None)
    model.requires_grad_(False)
    with watch(model) as w:
        model(torch.randn(2, 4))
    assert (w.record.updates, w.record.notes) == (0, [])


def test_a_copy_that_is_made_inside_the_block_is_not_watched(tmp_path):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x, y = torch.randn(16, 4), torch.randint(2, (16,))
    with watch(model, optimizer=optimizer) as w:
        for _ in range(12):
            average, twin = copy.deepcopy(model), copy.deepcopy(optimizer)
            F.cross_entropy(average(x), y).backward()  # a teacher, say: none of the watched model's business
            twin.step()
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
        torch.save(model, tmp_path / "model.pt")
    assert w.record.updates == len(w.record.losses) == 12
    assert w.record.notes == []
