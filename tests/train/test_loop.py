"""The loop: events, validation, early stopping, interruption and resume."""

import os
import signal

import pytest
import torch
from torch import nn

import latih
from latih.train import Callback, Recipe, StopTraining


def task(n=200, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 8, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long()


def net(dropout=0.0):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.ReLU(), nn.Dropout(dropout), nn.Linear(16, 2))


def train(model=None, recipe=None, **options):
    options = {"valid": task(60, 1), "progress": False} | options
    return latih.train(model or net(), task(), recipe=recipe or Recipe(epochs=3), **options)


def test_training_learns_and_records_every_epoch_and_every_update():
    run = train(recipe=Recipe(epochs=8, lr=0.2))
    assert run.summary["kept"]["valid_accuracy"] > 0.9
    assert run.history.column("epoch") == list(range(1, 9))
    assert len(run.history.losses) == 8 * 7 == run.summary["updates"]
    assert run.history.losses[-1] < run.history.losses[0]


def test_every_event_is_told_in_order():
    class Witness(Callback):
        def __init__(self):
            self.told = []

    def telling(event):
        return lambda self, trainer: self.told.append(event)

    events = [name for name in vars(Callback) if name.startswith("on_")]
    witness = type("All", (Witness,), {name: telling(name) for name in events})()
    train(recipe=Recipe(epochs=1, batch_size=200), callbacks=[witness])
    assert witness.told == events


def test_a_misspelt_event_fails_when_the_class_is_defined():
    with pytest.raises(TypeError, match=r"on_epoch_ends.*the events are on_fit_start"):
        type("Wrong", (Callback,), {"on_epoch_ends": lambda self, trainer: None})


def test_a_callback_can_stop_training_and_the_history_says_why():
    class Enough(Callback):
        def on_epoch_end(self, trainer):
            raise StopTraining("that is enough")

    run = train(callbacks=[Enough()])
    assert run.history.stopped == "that is enough"
    assert len(run.history.rows) == 1


def test_early_stopping_gives_the_best_weights_back():
    recipe = Recipe(epochs=40, lr=0.3, patience=3, watch="loss", schedule="constant()")
    run = train(recipe=recipe)
    x, y = task(60, 1)
    kept = run.summary["kept"]["valid_loss"]
    assert "no better valid_loss in 3 epochs" in run.history.stopped
    assert kept == min(run.history.column("valid_loss"))
    assert float(nn.functional.cross_entropy(run.predict(x), y)) == pytest.approx(kept, rel=1e-5)


def test_of_epochs_with_equal_accuracy_the_one_with_the_lower_loss_is_kept():
    x, y = task()
    far = (x[:2] * 100, y[:2])  # two examples, far from the border: always right or always wrong
    run = latih.train(net(), task(), far, recipe=Recipe(epochs=6, lr=0.01), progress=False)
    accuracies, losses = run.history.column("valid_accuracy"), run.history.column("valid_loss")
    tied = [loss for accuracy, loss in zip(accuracies, losses, strict=True) if accuracy == max(accuracies)]
    assert len(tied) > 1
    assert run.summary["kept"]["valid_loss"] == min(tied)


def test_patience_zero_keeps_the_last_weights():
    run = train(recipe=Recipe(epochs=4, patience=0, lr=0.3))
    x, y = task(60, 1)
    last = run.history.rows[-1]["valid_loss"]
    assert float(nn.functional.cross_entropy(run.predict(x), y)) == pytest.approx(last, rel=1e-5)


def test_the_performance_schedule_reacts_to_the_validation_result():
    recipe = Recipe(epochs=12, lr=1e-9, schedule="performance(factor=0.5, patience=2)", patience=0, watch="loss")
    assert train(recipe=recipe).history.column("lr")[-1] < 1e-9


def test_the_history_says_how_often_and_how_much_was_clipped():
    run = train(recipe=Recipe(epochs=2, clip="norm(0.01)"))
    rows = run.history.rows
    assert sum(run.history.clipped.values()) == run.summary["updates"]
    assert set(run.history.clipped) <= {name for name, _ in net().named_parameters()}
    assert [row["clipped_steps"] for row in rows] == [1.0, 1.0]
    assert 0.5 < rows[0]["clipped_share"] < 1.0
    rare = train(recipe=Recipe(epochs=1, clip="norm(1e6)")).history.rows[0]
    assert (rare["clipped_steps"], rare["clipped_share"]) == (0.0, 0.0)


def test_the_same_seed_gives_the_same_run_and_the_callers_random_state_is_left_alone():
    torch.manual_seed(123)
    before = torch.get_rng_state()
    first = train(net(0.3))
    assert torch.equal(torch.get_rng_state(), before) is False  # net() seeds for itself
    torch.manual_seed(123)
    model = net(0.3)
    state = torch.get_rng_state()
    second = train(model)
    assert torch.equal(torch.get_rng_state(), state)
    assert first.history.losses == second.history.losses


def test_a_live_optimizer_is_used_as_it_is():
    model = net()
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    run = train(model, optimizer=optimizer, recipe=Recipe(epochs=2, schedule="constant()"))
    assert run.history.column("lr") == [3e-3, 3e-3]
    assert optimizer.state


def test_a_schedule_free_optimizer_is_validated_and_kept_at_its_averaged_weights():
    recipe = Recipe(epochs=4, optimizer="schedule_free_adamw(lr=0.05)", schedule="warmup(5)", patience=9, watch="loss")
    run = train(recipe=recipe)
    x, y = task(60, 1)
    assert run.summary["kept"]["valid_accuracy"] > 0.9
    assert float(nn.functional.cross_entropy(run.predict(x), y)) == pytest.approx(run.summary["kept"]["valid_loss"])


class InterruptAt(Callback):
    """Press Ctrl-C in the middle of a step."""

    def __init__(self, step):
        self.step = step

    def on_loss(self, trainer):
        if trainer.step.count == self.step:
            os.kill(os.getpid(), signal.SIGINT)


@pytest.mark.parametrize(
    ("optimizer", "clip"), [("adam()", "norm(0.3)"), ("schedule_free_adamw()", "none()"), ("nag()", "auto(50)")]
)
@pytest.mark.parametrize("step", [0, 3, 6, 7, 10, 20])
def test_an_interrupted_run_resumes_to_the_same_weights_bit_for_bit(tmp_path, step, optimizer, clip):
    recipe = Recipe(epochs=3, schedule="warmup(4) >> cosine()", optimizer=optimizer, clip=clip)
    whole = train(net(0.4), recipe)
    broken = train(net(0.4), recipe, out=tmp_path / "run", callbacks=[InterruptAt(step)])
    assert broken.interrupted
    assert broken.summary["updates"] == step + 1
    torch.manual_seed(99)  # a new process knows nothing of the old one's state
    resumed = train(net(0.4), recipe, out=tmp_path / "run", resume=True)
    for ours, theirs in zip(resumed.model.parameters(), whole.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
    assert resumed.history.losses == whole.history.losses
    assert resumed.history.clipped == whole.history.clipped
    for name in ("train_loss", "train_accuracy", "valid_loss", "valid_accuracy", "lr", "clipped_share"):
        assert resumed.history.column(name) == whole.history.column(name)


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    train(recipe=Recipe(epochs=5, keep_checkpoints=2), out=tmp_path / "run")
    best = os.readlink(tmp_path / "run/checkpoints/best")
    kept = {path.name for path in (tmp_path / "run/checkpoints").iterdir()}
    assert kept == {"best", best, "step-000000028", "step-000000035"}


def test_a_resumed_finished_run_stays_as_it_was(tmp_path):
    first = train(out=tmp_path / "run")
    again = train(out=tmp_path / "run", resume=True)
    assert again.history.rows == first.history.rows
    for ours, theirs in zip(again.model.parameters(), first.model.parameters(), strict=True):
        assert torch.equal(ours, theirs)
