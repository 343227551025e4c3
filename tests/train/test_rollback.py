"""A run that diverges goes back to its last good state by itself; a healthy one does not notice."""

import math
import os
import signal

import msgspec
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import latih
from latih import Recipe
from latih.train import Callback, Reporter, Rollback

RECIPE = Recipe(epochs=8, batch_size=20, lr=0.1, optimizer="momentum()", patience=0)


def task(n=400, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 8, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long()


def net(dropout=0.0, norm=True):
    torch.manual_seed(0)
    between = nn.BatchNorm1d(16) if norm else nn.Identity()
    return nn.Sequential(nn.Linear(8, 16), between, nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def train(data=None, model=None, recipe=RECIPE, **options):
    options = {"valid": task(200, 1), "progress": False} | options
    return latih.train(model or net(), data or task(), recipe=recipe, **options)


class At(Callback):
    """Does something once, after so many updates."""

    def __init__(self, step, do):
        self.step, self.do = step, do

    def on_step_end(self, trainer):
        if trainer.step.count == self.step:
            self.do(trainer)


class Says(Callback):
    def __init__(self):
        self.said = []

    def on_fit_start(self, trainer):
        trainer.say = self.said.append


class NanAt:
    """A loss that is NaN at given calls that are differentiated, whatever the batch."""

    def __init__(self, *calls):
        self.calls, self.count = calls, 0

    def __call__(self, output, target):
        self.count += output.requires_grad
        return F.cross_entropy(output, target) * (math.nan if self.count in self.calls else 1.0)


def finite(model):
    return all(one.isfinite().all() for one in model.state_dict().values())


# -- a healthy run


@pytest.mark.parametrize("optimizer", ["adam()", "momentum()", "schedule_free_adamw()", "adagrad()"])
@pytest.mark.parametrize("workings", [{}, {"accumulate": 2}, {"clip": "auto(20)"}])
def test_a_healthy_run_is_the_same_with_and_without_protection_bit_for_bit(optimizer, workings):
    runs = []
    for tries in (0, 3):
        recipe = Recipe(epochs=6, batch_size=20, optimizer=optimizer, rollback=tries, **workings)
        runs.append(train(model=net(0.3), recipe=recipe))
    bare, protected = runs
    assert protected.history.rollbacks == []
    assert "rollbacks" not in protected.summary
    assert protected.history.losses == bare.history.losses
    for one, other in zip(protected.model.state_dict().values(), bare.model.state_dict().values(), strict=True):
        assert torch.equal(one, other)


# -- faults


def test_examples_that_are_not_finite_are_left_out_and_the_rate_stays():
    x, y = task()
    x[7, 3], x[250, 0] = math.nan, math.inf
    says = Says()
    run, clean = train((x, y), callbacks=[says]), train()
    assert run.history.stopped is None
    assert len(says.said) == 1
    assert "left out 2 examples (#7, #250)" in says.said[0]
    assert "2 values of the batch" in says.said[0] or "1 values of the batch" in says.said[0]
    assert [one["rate_factor"] for one in run.history.rollbacks] == [1.0]
    assert run.summary["updates"] == clean.summary["updates"]
    assert finite(run.model)
    ours, theirs = (one.history.rows[-1]["valid_accuracy"] for one in (run, clean))
    assert ours > theirs - 0.05


def test_an_infinite_target_is_left_out():
    x, _ = task()
    targets = x[:, :2] + 1.0
    targets[11, 0] = math.inf
    run = train((x, targets), model=net(norm=False), valid=(x[:50], x[:50, :2] + 1.0))
    assert "#11" in run.history.rollbacks[0]["changed"]
    assert len(run.history.rollbacks) == 1
    assert finite(run.model)
    assert run.history.rows[-1]["valid_loss"] < 0.1


def test_a_loss_that_is_lost_once_costs_half_of_the_rate_and_one_batch():
    says = Says()
    run, clean = train(loss=NanAt(70), callbacks=[says]), train()
    assert run.history.stopped is None
    (done,) = run.history.rollbacks
    assert (done["epoch"], done["step"], done["back_to"], done["rate_factor"]) == (4, 70, 60, 0.5)
    assert says.said == [
        "epoch 4, update 70: the loss is not finite; went back to update 60 (after epoch 3), learning rate x 0.5 "
        "(try 1 of 3)"
    ]
    assert all(math.isfinite(one["train_loss"]) for one in run.history.rows)
    assert [row.get("rollbacks") for row in run.history.rows] == [None, None, None, 1, None, None, None, None]
    rates, usual = run.history.column("lr"), clean.history.column("lr")
    assert rates[:3] == usual[:3]
    assert rates[4:] == pytest.approx([rate / 2 for rate in usual[4:]])
    assert run.history.rows[-1]["valid_accuracy"] > clean.history.rows[-1]["valid_accuracy"] - 0.05


def test_a_batch_that_is_lost_on_good_weights_too_is_skipped():
    x, y = task()
    x[:, 7] = (torch.arange(400) == 33).float()

    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net(norm=False)

        def forward(self, x):
            return self.net(x) + (1 - x[:, 7:]).log()  # infinite for one finite example

    run = train((x, y), model=Net(), recipe=Recipe(epochs=2, batch_size=20, patience=0), valid=None)
    assert run.history.stopped is None
    assert {(one["changed"], one["rate_factor"]) for one in run.history.rollbacks} == {("skipped the batch", 1.0)}
    assert len(run.history.rollbacks) == 2  # once an epoch
    assert "aten.log" in run.history.rollbacks[0]["why"]


@pytest.mark.parametrize("value", [math.nan, 1e30, math.inf])
def test_a_weight_that_is_corrupted_in_memory_is_put_back(value):
    def corrupt(trainer):
        with torch.no_grad():
            trainer.step.model[0].weight[0, 0] = value

    run, clean = train(model=net(norm=False), callbacks=[At(95, corrupt)]), train(model=net(norm=False))
    assert run.history.stopped is None
    assert len(run.history.rollbacks) == 1
    assert max(float(one.detach().abs().max()) for one in run.model.parameters()) < 100
    assert run.history.rows[-1]["valid_accuracy"] > clean.history.rows[-1]["valid_accuracy"] - 0.05


def test_a_weight_that_is_lost_in_the_last_update_of_an_epoch_is_never_validated():
    def corrupt(trainer):
        with torch.no_grad():
            trainer.step.model[0].weight[0, 0] = math.nan

    run = train(callbacks=[At(100, corrupt)])  # after our own look at that update
    assert run.history.rollbacks[0]["why"].startswith("a weight is not finite")
    assert all(math.isfinite(loss) for loss in run.history.column("valid_loss"))


@pytest.mark.parametrize("free", [True, False])
def test_a_spike_of_the_learning_rate_costs_a_window_and_not_the_run(free):
    """The schedule multiplies the rate by 300 for the updates 100 to 140."""

    class Spike(Callback):
        def on_fit_start(self, trainer):
            usual = trainer.step.schedule
            factor = type(usual)(lambda at: 300.0 if 100 <= at.step < 140 else 1.0, 0)
            trainer.step.schedule = factor

    wait = () if free else (ReadsCost(),)
    recipe = Recipe(epochs=12, batch_size=20, lr=0.1, optimizer="sgd()", patience=0)
    run = train(model=net(norm=False), recipe=recipe, callbacks=[Spike(), *wait])
    assert run.history.stopped is None
    assert 1 <= len(run.history.rollbacks) <= 3
    assert run.history.rollbacks[0]["back_to"] <= 100
    assert run.history.rows[-1]["valid_accuracy"] > 0.9
    assert run.history.rows[-1]["valid_loss"] < 0.3


class ReadsCost(Callback):
    """As on a device where reading a loss has to wait."""

    def on_fit_start(self, trainer):
        next(one for one in trainer.callbacks if isinstance(one, Rollback))._reads_free = False


def test_where_reading_costs_losses_are_read_every_25_updates_and_before_validation():
    looks = []

    class Looks(Callback):
        def on_fit_start(self, trainer):
            rollback = next(one for one in trainer.callbacks if isinstance(one, Rollback))
            look = rollback._look
            rollback._look = lambda trainer: (looks.append(trainer.step.count), look(trainer))[1]

    train(recipe=Recipe(epochs=2, batch_size=10), callbacks=[ReadsCost(), Looks()])
    assert looks == [25, 40, 65, 80]


def test_where_reading_costs_a_batch_is_fetched_again_to_ask_it():
    x, y = task()
    x[7, 3] = math.nan
    run = train((x, y), callbacks=[ReadsCost()])
    assert run.history.rollbacks[0]["changed"] == "left out 1 example (#7)"
    assert len(run.history.rollbacks) == 1
    assert finite(run.model)


def test_a_rate_far_too_high_is_divided_by_ten_until_it_trains():
    recipe = Recipe(epochs=10, batch_size=20, lr=1e4, optimizer="sgd()", patience=0, schedule="constant()")
    x, _ = task()
    run = train((x, x[:, :2]), model=nn.Linear(8, 2), valid=(x[:50], x[:50, :2]), recipe=recipe)
    assert run.history.rollbacks[0]["rate_factor"] == 0.1


def test_a_run_that_is_always_lost_ends_at_its_last_good_weights_and_says_where_it_was_lost(tmp_path):
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head, self.lost = nn.Linear(8, 8), nn.Linear(8, 2), False

        def forward(self, x):
            body = self.body(x)
            return self.head((body - body.max() - 1).log() if self.lost and self.training else body)

    model, says = Net(), Says()
    lose = At(50, lambda trainer: setattr(model, "lost", True))
    run = train(model=model, callbacks=[lose, says], out=tmp_path / "run", recipe=RECIPE)
    assert run.history.stopped == "diverged"
    assert len(says.said) == 3
    where = "the loss is not finite, since the model (aten.log): it was given finite"
    assert run.history.diverged.startswith(f"update 54, after going back 3 times: {where}")
    assert finite(run.model)
    summary = msgspec.json.decode((tmp_path / "run/summary.json").read_bytes())
    assert summary["stopped"] == "diverged"
    assert summary["diverged"] == run.history.diverged
    assert [one["step"] for one in summary["rollbacks"]] == [51, 52, 53]
    assert (tmp_path / "run/model.safetensors").exists()


def test_rollback_zero_lets_a_run_diverge():
    run = train(loss=NanAt(70), recipe=Recipe(epochs=8, batch_size=20, rollback=0))
    assert run.history.rollbacks == []
    assert not finite(run.model)


def test_a_loader_decides_what_comes_when_so_its_batch_is_only_skipped():
    x, y = task()
    x[7, 3] = math.nan
    run = train(DataLoader(TensorDataset(x, y), batch_size=20), recipe=Recipe(epochs=2, lr=0.05, patience=0))
    assert [one["changed"] for one in run.history.rollbacks] == ["skipped the batch"] * 2
    assert finite(run.model)


def test_the_line_is_printed_above_the_bar(capsys):
    train(loss=NanAt(70), callbacks=[Reporter()])
    assert "update 70: the loss is not finite; went back to update 60" in capsys.readouterr().out


# -- resume


class InterruptAt(Callback):
    def __init__(self, step):
        self.step = step

    def on_loss(self, trainer):
        if trainer.step.count == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize("step", [65, 79, 120])
def test_a_resumed_run_remembers_what_was_left_out_and_how_slow_it_is(tmp_path, step):
    def faults():
        x, y = task()
        x[7, 3] = math.nan

        def corrupt(trainer):
            with torch.no_grad():
                trainer.step.model[0].weight[0, 0] = math.nan

        return {"data": (x, y), "model": net(0.3), "callbacks": [At(50, corrupt)]}

    whole = train(**faults())
    assert len(whole.history.rollbacks) == 2
    first = faults()
    first["callbacks"].append(InterruptAt(step))
    assert train(**first, out=tmp_path / "run").interrupted
    resumed = train(**faults(), out=tmp_path / "run", resume=True)
    assert resumed.history.rollbacks == whole.history.rollbacks
    assert resumed.history.losses == whole.history.losses
    assert resumed.history.column("lr") == whole.history.column("lr")
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)


def test_a_checkpoint_never_holds_weights_that_are_lost(tmp_path):
    def corrupt(trainer):
        with torch.no_grad():
            trainer.step.model[0].weight[0, 0] = math.nan

    broken = train(out=tmp_path / "run", callbacks=[At(66, corrupt), InterruptAt(65)])
    assert broken.interrupted
    assert len(broken.history.rollbacks) == 1
    assert finite(broken.model)
    resumed = train(out=tmp_path / "run", resume=True)
    assert resumed.history.stopped is None
    assert finite(resumed.model)


# -- no false alarms


def trouble(run):
    return [one["why"] for one in run.history.rollbacks]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(epochs=4, batch_size=1, lr=0.01, optimizer="sgd()", patience=0),
        Recipe(epochs=10, batch_size=4, lr=0.1, optimizer="momentum()", patience=0),
        Recipe(epochs=10, batch_size=8, lr=0.05, schedule="warmup(100) >> cosine()", patience=0),
        Recipe(epochs=20, batch_size=8, lr=0.05, schedule="cosine(200) >> cosine(200) >> cosine()", patience=0),
        Recipe(epochs=10, batch_size=8, schedule="one_cycle()", patience=0),
    ],
    ids=["batches of one", "batches of four", "warm-up", "restarts", "one cycle"],
)
def test_a_noisy_run_is_left_alone(recipe, seed):
    x, y = task(seed=seed)
    noisy = torch.rand(len(y), generator=torch.Generator().manual_seed(seed)) < 0.2
    y = torch.where(noisy, 1 - y, y)
    assert trouble(train((x, y), model=net(0.5, norm=False), recipe=recipe)) == []


def test_rare_classes_and_rare_large_losses_are_left_alone():
    x, y = task(1000)
    rare = torch.arange(1000) % 50 == 0
    y = torch.where(rare, y, torch.zeros_like(y))
    assert trouble(train((x, y), recipe=Recipe(epochs=10, batch_size=4, lr=0.05, patience=0))) == []
    values = x[:, :2].sinh() ** 3  # heavy tails
    run = train((x, values), model=net(norm=False), valid=None, recipe=Recipe(epochs=10, batch_size=4, patience=0))
    assert trouble(run) == []


def test_a_loader_in_the_order_of_the_classes_is_left_alone():
    x, y = task(600)
    order = y.argsort(stable=True)
    loader = DataLoader(TensorDataset(x[order], y[order]), batch_size=4)
    run = train(loader, model=net(norm=False), recipe=Recipe(epochs=6, lr=0.01, optimizer="sgd()", patience=0))
    assert trouble(run) == []
