"""`latih.fine_tune`: the whole way, in every phase, and back into it after an interruption."""

import copy
import os
import signal
from dataclasses import replace

import pytest
import torch
from torch import nn

import latih
from latih import InputError, Recipe
from latih.train import Callback, StopTraining

PHASES = "head(epochs=2) >> top(epochs=2, share=0.5) >> whole(epochs=2)"
RECIPE = Recipe(epochs=6, lr=0.01, batch_size=16, patience=0, optimizer="momentum()")


def pretrained(seed: int = 0) -> nn.Sequential:
    torch.manual_seed(seed)
    stem = [nn.Linear(12, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.2)]
    return nn.Sequential(*stem, nn.Linear(24, 16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 7))


def task(outputs: int = 3, size: int = 96):
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(size, 12, generator=generator)
    return x, (x[:, :outputs] + 0.3 * torch.randn(size, outputs, generator=generator)).argmax(1)


def tuned(model, out=None, **options):
    x, y = task()
    given = {"recipe": RECIPE, "phases": PHASES, "progress": False} | options
    return latih.fine_tune(model, (x[:64], y[:64]), (x[64:], y[64:]), out=out, **given)


class KillAt(Callback):
    """SIGTERM at one update of one phase."""

    def __init__(self, phase: int, update: int) -> None:
        self.phase, self.update, self.begun = phase, update, 0

    def on_fit_start(self, trainer):
        self.begun += 1

    def on_step_end(self, trainer):
        if self.begun == self.phase and trainer.step.count == self.update:
            os.kill(os.getpid(), signal.SIGTERM)


def test_only_the_output_layer_moves_in_the_first_phase_and_everything_in_the_last():
    model = pretrained()
    before = copy.deepcopy(model.state_dict())
    tuned(model, phases="head(epochs=2)")
    moved = [name for name, value in model.state_dict().items() if name not in ("7.weight", "7.bias")]
    assert all(torch.equal(model.state_dict()[name], before[name]) for name in moved)
    tuned(model, phases="whole(epochs=2)", norms="batch")
    assert not torch.equal(model[0].weight, before["0.weight"])
    assert all(parameter.requires_grad for parameter in model.parameters())


def test_cached_features_give_the_weights_of_the_uncached_run():
    cached, uncached = pretrained(), pretrained()
    tuned(cached, phases="head(epochs=4)")
    tuned(uncached, phases="head(epochs=4)", cache=False)
    for one, other in zip(cached.parameters(), uncached.parameters(), strict=True):
        torch.testing.assert_close(one, other, rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize(("phase", "update"), [(1, 3), (2, 5), (3, 2)])
def test_a_run_interrupted_in_any_phase_ends_as_the_uninterrupted_one(tmp_path, phase, update):
    whole = pretrained()
    uninterrupted = tuned(whole, tmp_path / "whole")
    first = tuned(pretrained(), tmp_path / "run", callbacks=[KillAt(phase, update)])
    assert first.interrupted
    resumed_model = pretrained()
    resumed = tuned(resumed_model, tmp_path / "run", resume=True)
    assert not resumed.interrupted
    for name, value in whole.state_dict().items():
        assert torch.equal(value, resumed_model.state_dict()[name]), name
    drop = ("seconds", "examples_per_second")
    rows = [
        [{k: v for k, v in row.items() if k not in drop} for row in run.history.rows]
        for run in (uninterrupted, resumed)
    ]
    assert rows[0] == rows[1]


def test_the_clippings_of_finished_phases_are_remembered(tmp_path):
    recipe = replace(RECIPE, clip="norm(0.01)")
    whole = tuned(pretrained(), tmp_path / "whole", recipe=recipe)
    tuned(pretrained(), tmp_path / "run", recipe=recipe, callbacks=[KillAt(2, 3)])
    resumed = tuned(pretrained(), tmp_path / "run", recipe=recipe, resume=True)
    assert sum(whole.history.clipped.values()) > 0
    assert resumed.history.clipped == whole.history.clipped


def test_a_phase_killed_before_its_first_checkpoint_begins_again(tmp_path):
    whole = pretrained()
    tuned(whole, tmp_path / "whole")
    tuned(pretrained(), tmp_path / "run", callbacks=[KillAt(2, 1)])
    for checkpoint in (tmp_path / "run" / "phases" / "2-top" / "checkpoints").iterdir():
        for file in checkpoint.iterdir():
            file.unlink()
        checkpoint.rmdir()
    model = pretrained()
    tuned(model, tmp_path / "run", resume=True)
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in whole.state_dict().items())


def test_a_phase_that_makes_it_worse_is_taken_back(capsys):
    model = pretrained()
    recipe = replace(RECIPE, lr=0.05, watch="loss")
    run = tuned(model, phases="head(epochs=20) >> whole(epochs=1, rate=1e3)", recipe=recipe, progress=True)
    x, y = task()
    model.eval()
    kept = run.summary["kept"]
    assert kept["epoch"] <= 20
    assert "its weights are not kept" in capsys.readouterr().out
    assert nn.functional.cross_entropy(model(x[64:]), y[64:]).item() == pytest.approx(kept["valid_loss"], rel=1e-5)


def test_rates_fall_from_the_output_to_the_input_and_rise_slowly_at_each_border():
    seen: dict[int, list] = {}

    class Rates(Callback):
        phase = 0

        def on_fit_start(self, trainer):
            self.phase += 1

        def on_gradients(self, trainer):
            groups = {group["name"]: group["lr"] for group in trainer.step.optimizer.param_groups}
            seen.setdefault(self.phase, []).append(groups)

    phases = "head(epochs=1) >> whole(epochs=5, rate=0.1, reused=1.0, decay=0.5, warmup=0.4)"
    tuned(pretrained(), phases=phases, callbacks=[Rates()])
    peak = max(seen[2], key=lambda groups: groups["7: weight"])
    assert peak["4: weight"] == pytest.approx(0.5 * peak["7: weight"] / 0.5)
    assert peak["0: weight"] == pytest.approx(0.5 * peak["4: weight"])
    assert peak["7: weight"] == pytest.approx(0.001, rel=0.2)
    assert seen[2][0]["7: weight"] < 0.2 * peak["7: weight"]


def test_the_optimizer_remembers_the_output_layer_across_a_border():
    norms = []

    class Memory(Callback):
        def on_fit_start(self, trainer):
            head = trainer.step.parameters[-2]
            state = trainer.step.optimizer.state.get(head, {})
            norms.append(float(state["momentum_buffer"].norm()) if "momentum_buffer" in state else 0.0)

    tuned(pretrained(), phases="head(epochs=2) >> whole(epochs=2)", callbacks=[Memory()])
    assert norms[0] == 0.0
    assert norms[1] > 0.0


def test_small_batches_keep_the_statistics_of_trained_batch_norms_and_large_ones_do_not(capsys):
    before = pretrained()[1].running_mean.clone()
    small, large = pretrained(), pretrained()
    tuned(small, phases="whole(epochs=2)", progress=True)
    assert "batch norms keep their statistics (batch 16)" in capsys.readouterr().out
    tuned(large, phases="whole(epochs=2)", recipe=Recipe(epochs=2, batch_size=32))
    assert torch.equal(small[1].running_mean, before)
    assert not torch.equal(large[1].running_mean, before)
    assert type(small[1]) is nn.BatchNorm1d


def test_the_statistics_of_a_new_domain_are_taken_on_request():
    x, y = task()
    model = pretrained()
    shifted = 5 + 3 * x
    latih.fine_tune(
        model, (shifted, y), classes=3, recipe=Recipe(epochs=1), phases="head()", recalibrate=True, progress=False
    )
    assert model[1].running_mean.abs().max() > 0.5


def test_values_are_predicted_in_their_own_units():
    x, _ = task()
    y = 1e4 * (x[:, :2] @ torch.tensor([[1.0], [2.0]])) + 5e4
    model = pretrained()
    run = latih.fine_tune(model, (x, y), recipe=Recipe(epochs=2), phases="head()", progress=False)
    assert run.predict(x).shape == (96, 1)


def test_a_stop_of_the_users_own_ends_the_phase_not_the_run():
    class Enough(Callback):
        def on_epoch_end(self, trainer):
            raise StopTraining("enough")

    run = tuned(pretrained(), callbacks=[Enough()])
    assert [row["phase"] for row in run.history.rows] == [1, 2, 3]


BAD = {
    "more phases than epochs": (dict(recipe=Recipe(epochs=1), phases="head() >> whole()"), "at least 2 epochs"),
    "an unknown phase": (dict(phases="neck()"), "not a method of phases"),
    "an unknown head": (dict(head="nonsense"), "nonsense"),
    "a wrong policy": (dict(norms="batches"), "did you mean 'batch'"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_mistake_is_one_sentence(name):
    options, sentence = BAD[name]
    with pytest.raises(InputError, match=sentence):
        tuned(pretrained(), **options)


def test_classes_that_only_validation_has_are_refused():
    x, y = task()
    with pytest.raises(InputError, match="never occur in training"):
        latih.fine_tune(pretrained(), (x, y % 2), (x, y), classes=3, progress=False)


def test_a_network_on_the_meta_device_is_refused():
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(12, 4), nn.ReLU(), nn.Linear(4, 3))
    with pytest.raises(InputError, match="meta"):
        tuned(model)


def test_an_output_layer_that_cannot_be_told_asks_for_its_name():
    class TwoHeads(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.a, self.b = nn.Linear(12, 8), nn.Linear(8, 3), nn.Linear(8, 3)

        def forward(self, x):
            h = self.body(x).relu()
            return self.a(h) + self.b(h)

    with pytest.raises(InputError, match="head="):
        tuned(TwoHeads())


def test_features_larger_than_memory_lie_on_disk_and_train_the_same(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    in_memory, on_disk = pretrained(), pretrained()
    tuned(in_memory, phases="head(epochs=3)")
    tuned(on_disk, phases="head(epochs=3)", cache_limit=1000, progress=True)
    assert "on disk" in capsys.readouterr().out
    assert all(torch.equal(one, other) for one, other in zip(in_memory.parameters(), on_disk.parameters(), strict=True))
