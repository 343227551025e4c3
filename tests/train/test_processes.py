"""Training in two and four processes equals training in one."""

import json
import os
import signal
from pathlib import Path

import numpy as np
import processes_program as program
import pytest
import torch
from runs import CLOSE, MODEL, children, ended, one_thread, same_run, same_training, same_weights, torchrun
from safetensors.torch import load_file
from trainings import net, trained

from latih.train import Recipe, World

PROGRAM = Path(program.__file__)


@pytest.fixture(scope="module", params=[2, 4])
def together(request, tmp_path_factory):
    """What the program found in several processes, and in this one; and its folder."""
    folder = tmp_path_factory.mktemp(f"{request.param}-processes")
    process = torchrun(request.param, PROGRAM, folder, cwd=folder)
    code, _, err = ended(process)
    assert code == 0, err[-3000:]
    return json.loads((folder / "results.json").read_text()), folder, request.param


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("one-process")
    with one_thread():
        return {work.__name__: work(folder) for work in program.SAME}


@pytest.mark.parametrize("name", [work.__name__ for work in program.SAME])
def test_rates_losses_metrics_and_weights_are_those_of_one_process(name, together, alone):
    same_training(together[0][name], alone[name])


def test_all_processes_end_with_the_same_bits(together):
    assert all(together[0]["agreed"].values())


def test_what_was_trained_says_something(alone):
    assert len(alone["plain"]["rates"]) == 21
    assert alone["stops_early"]["stopped"].startswith("no better")
    assert [changed for _, changed in alone["spoilt"]["rollbacks"]] == ["left out 1 example (#40)"]
    assert alone["diverging"]["stopped"] == "diverged"


def test_dropout_is_resumed_with_the_same_masks(together):
    whole, resumed = together[0]["dropped"]["whole"], together[0]["dropped"]["resumed"]
    # of four, gloo may add in another order
    np.testing.assert_allclose(resumed["losses"], whole["losses"], **CLOSE)
    same_weights(resumed["weights"], whole["weights"])


def test_batch_norm_says_whose_statistics_it_takes(together):
    found, _, count = together
    assert found["normalised"]["said"] == [
        f"batch norm: each of the {count} processes normalises by its own part of a batch"
    ]
    assert np.isfinite(found["normalised"]["losses"]).all()


def test_what_cannot_be_divided_is_refused_in_a_sentence(together):
    refused = together[0]["refused"]
    assert "pass its Dataset" in refused["loader"]
    assert "take at least" in refused["batch"]
    assert "works in one process" in refused["heal"]
    assert "find_lr works in one process" in refused["rate"]
    assert "give every process the whole data" in refused["other data"]
    assert "on which batch norm fails" in refused["batch norm"]
    assert "not empty" in refused["folder"]


def test_a_run_of_several_processes_goes_on_in_one(together, tmp_path):
    """And its folder is that of one: plain keys, one history."""
    found, folder, _ = together
    begun = Recipe.read(folder / "plain/recipe.toml")
    saved = load_file(folder / "plain/model.safetensors")
    assert set(saved) == set(net().state_dict())
    assert len((folder / "plain/history.jsonl").read_text().splitlines()) == begun.epochs
    rest = trained(out=folder / "resumed", resume=True)
    assert rest["losses"] == found["resumed"]["losses"]


def test_one_process_alone_sends_nothing():
    tensor = torch.arange(3)
    world = World()
    assert world.sum(tensor) is tensor
    assert world.part(tensor) is tensor
    assert world.once(lambda: 3) == 3


def test_torchrun_of_the_command_line_leaves_one_folder_and_one_report(table):
    code, out, err = ended(
        torchrun(2, "-m", "latih", "train", "t.csv", *MODEL, "--epochs", "4", "--out", "two", cwd=table)
    )
    assert code == 0, err[-3000:]
    assert out.count("latih  mlp") == out.count("4/4") == out.count("use it with") == 1
    assert {one.name for one in (table / "two").iterdir()} == {one.name for one in (table / "one").iterdir()}
    same_run(table / "two", table / "one")


@pytest.mark.slow
def test_a_mistake_is_said_once_and_exits_with_2(table):
    code, _, err = ended(torchrun(2, "-m", "latih", "train", "absent.csv", "--out", "bad", cwd=table))
    assert code != 0
    assert len([line for line in err.splitlines() if line.startswith("latih: ")]) == 1
    assert "exitcode  : 2" in err
    assert not (table / "bad").exists()


@pytest.mark.slow
def test_a_killed_process_is_restarted_by_torchrun_and_the_run_ends_as_if_nothing_had_happened(table):
    words = ["-m", "latih", "train", "t.csv", *MODEL, "--epochs", "60", "--save-every", "5 steps", "--patience", "0"]
    assert ended(torchrun(2, *words, "--out", "undisturbed", cwd=table))[0] == 0
    process = torchrun(2, "--max-restarts", "1", *words, "--out", "killed", cwd=table)
    workers = children(process.pid, table / "killed")
    os.kill(workers[-1], signal.SIGKILL)
    code, out, err = ended(process)
    assert "lost another one" in err
    assert code == 0, err[-3000:]
    assert out.count("latih  mlp") == 2
    same_run(table / "killed", table / "undisturbed")
