"""The history in the tools that people watch runs with."""

import pytest
import torch
from torch import nn

import latih
from latih import InputError, Recipe
from latih.train import Log


def train(folder, tool):
    x = torch.randn(40, 3)
    data = (x, (x[:, 0] > 0).long())
    model = nn.Linear(3, 2)
    return latih.train(model, data, data, recipe=Recipe(epochs=3), callbacks=[Log(tool, folder)], progress=False)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_tensorboard_gets_every_row(tmp_path):
    pytest.importorskip("tensorboard")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    run = train(tmp_path, "tensorboard")
    events = EventAccumulator(str(tmp_path / "tensorboard"))
    events.Reload()
    seen = [(event.step, event.value) for event in events.Scalars("loss/valid")]
    assert [step for step, _ in seen] == [2, 4, 6]
    assert [value for _, value in seen] == pytest.approx(run.history.column("valid_loss"))


@pytest.mark.slow
def test_wandb_gets_a_run_of_its_own(tmp_path, monkeypatch):
    pytest.importorskip("wandb")
    monkeypatch.setenv("WANDB_MODE", "offline")
    train(tmp_path, "wandb")
    assert list(tmp_path.glob("wandb/offline-run-*"))


def test_an_unknown_tool_and_a_missing_package_are_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="did you mean 'tensorboard'"):
        Log("tensorbord", tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "wandb", None)
    with pytest.raises(InputError, match=r"pip install 'latih\[log\]'"):
        Log("wandb", tmp_path)
