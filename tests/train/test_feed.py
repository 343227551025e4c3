"""Data that fails once does not end a run; a disk that is full ends it in one sentence, and it can go on."""

import errno
import os

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset

import latih
from latih import Recipe
from latih._checks import InputError
from latih.train import Callback

RECIPE = Recipe(epochs=3, batch_size=8, optimizer="sgd(lr=0.1)", patience=0)


class Flaky(Dataset):
    """Fails at given reads, counted over the whole run."""

    def __init__(self, *reads, error=None):
        generator = torch.Generator().manual_seed(0)
        self.x = torch.randn(64, 4, generator=generator)
        self.reads, self.count = reads, 0
        self.error = error or OSError("the drive does not answer")

    def __len__(self):
        return len(self.x)

    def __getitem__(self, index):
        self.count += 1
        if self.count in self.reads:
            raise self.error
        return self.x[index], (self.x[index, 0] > 0).long()


class Says(Callback):
    def __init__(self):
        self.said = []

    def on_fit_start(self, trainer):
        trainer.say = self.said.append


def train(data, **options):
    torch.manual_seed(0)
    return latih.train(nn.Linear(4, 2), data, recipe=RECIPE, progress=False, **options)


def test_a_read_that_fails_once_is_tried_again_and_changes_nothing():
    says = Says()
    run, clean = train(Flaky(100), callbacks=[says]), train(Flaky())
    assert says.said == ["batch 4 of epoch 2 could not be read (OSError: the drive does not answer); trying once more"]
    assert run.history.losses == clean.history.losses
    assert torch.equal(run.model.weight, clean.model.weight)


def test_a_batch_that_fails_twice_is_an_error_in_one_sentence():
    with pytest.raises(InputError, match=r"train: batch 4 of epoch 2 could not be read, twice: OSError: the drive"):
        train(Flaky(*range(100, 200)))


def test_a_mistake_that_has_a_sentence_keeps_it():
    with pytest.raises(InputError, match=r"^picture 7 is no picture$"):
        train(Flaky(*range(100, 200), error=InputError("picture 7 is no picture")))


def test_a_mistake_in_the_step_is_not_taken_for_one_of_the_data():
    class Fails(Callback):
        count = 0

        def on_loss(self, trainer):
            self.count += 1
            raise RuntimeError("mine")

    fails = Fails()
    with pytest.raises(RuntimeError, match="mine"):
        train(Flaky(), callbacks=[fails])
    assert fails.count == 1


def test_a_loader_that_fails_once_goes_on():
    run = train(DataLoader(Flaky(100), batch_size=8))
    assert run.summary["updates"] == 24


def test_a_full_disk_is_one_sentence_and_the_run_can_go_on(tmp_path, monkeypatch):
    whole = train(Flaky())
    sync = os.fsync

    def full(handle):
        if (tmp_path / "run/checkpoints/step-000000008").exists():
            raise OSError(errno.ENOSPC, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(InputError, match=r"cannot write .*: No space left on device; free some space"):
        train(Flaky(), out=tmp_path / "run")
    monkeypatch.setattr(os, "fsync", sync)
    resumed = train(Flaky(), out=tmp_path / "run", resume=True)
    assert resumed.history.losses == whole.history.losses
    assert torch.equal(resumed.model.weight, whole.model.weight)
