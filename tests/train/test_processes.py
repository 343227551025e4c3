"""Training in two and four processes equals training in one."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import processes_program as program
import pytest
import torch
from safetensors.torch import load_file

from latih.cli import main
from latih.train import Recipe, World

PROGRAM = Path(program.__file__)
CLOSE = dict(rtol=1e-4, atol=1e-5)
MODEL = [
    "--target",
    "y",
    "--model",
    "mlp(depth=2, width=8)",
    "--batch-size",
    "16",
    "--lr",
    "0.02",
    "--valid",
    "valid.csv",
]


def torchrun(count, *words, cwd):
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    launcher = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", str(count)]
    return subprocess.Popen(
        [*launcher, *map(str, words)],
        cwd=cwd,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def ended(process):
    out, err = process.communicate(timeout=240)
    return process.returncode, out, err


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
    folder, threads = tmp_path_factory.mktemp("one-process"), torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        return {work.__name__: work(folder) for work in program.SAME}
    finally:
        torch.set_num_threads(threads)


@pytest.mark.parametrize("name", [work.__name__ for work in program.SAME])
def test_rates_losses_metrics_and_weights_are_those_of_one_process(name, together, alone):
    found, expected = together[0][name], alone[name]
    assert found["rates"] == expected["rates"]
    assert found["stopped"] == expected["stopped"]
    assert found["rollbacks"] == [list(one) for one in expected["rollbacks"]]
    np.testing.assert_allclose(found["losses"], expected["losses"], **CLOSE)
    for row, wanted in zip(found["rows"], expected["rows"], strict=True):
        assert row == pytest.approx(wanted, rel=1e-3, nan_ok=True)
    for key, wanted in expected["weights"].items():
        np.testing.assert_allclose(found["weights"][key], wanted, err_msg=key, **CLOSE)


def test_all_processes_end_with_the_same_bits(together):
    assert together[0]["agreed"]


def test_what_was_trained_says_something(alone):
    assert len(alone["plain"]["rates"]) == 21
    assert alone["stops_early"]["stopped"].startswith("no better")
    assert [changed for _, changed in alone["spoilt"]["rollbacks"]] == ["left out 1 example (#40)"]
    assert alone["diverging"]["stopped"] == "diverged"


def test_dropout_is_resumed_with_the_same_masks(together):
    whole, resumed = together[0]["dropped"]["whole"], together[0]["dropped"]["resumed"]
    # of four, gloo may add in another order
    np.testing.assert_allclose(resumed["losses"], whole["losses"], **CLOSE)
    for key, wanted in whole["weights"].items():
        np.testing.assert_allclose(resumed["weights"][key], wanted, err_msg=key, **CLOSE)


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
    assert "give every process the whole data" in refused["other data"]
    assert "on which batch norm fails" in refused["batch norm"]
    assert "not empty" in refused["folder"]


def test_a_run_of_several_processes_goes_on_in_one(together, tmp_path):
    """And its folder is that of one: plain keys, one history."""
    found, folder, _ = together
    begun = Recipe.read(folder / "plain/recipe.toml")
    saved = load_file(folder / "plain/model.safetensors")
    assert set(saved) == set(program.net().state_dict())
    assert len((folder / "plain/history.jsonl").read_text().splitlines()) == begun.epochs
    rest = program.trained(out=folder / "resumed", resume=True)
    assert rest["losses"] == found["resumed"]["losses"]


def test_one_process_alone_sends_nothing():
    tensor = torch.arange(3)
    world = World()
    assert world.sum(tensor) is tensor
    assert world.part(tensor) is tensor
    assert world.once(lambda: 3) == 3


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """A folder with a table, and the run `one` that one process trained on it."""
    folder = tmp_path_factory.mktemp("table")
    chance = np.random.default_rng(0)
    for name, size in (("t", 150), ("valid", 41)):
        x = chance.normal(size=(size, 3))
        lines = [",".join([*map(str, row), "yes" if row[0] > row[1] else "no"]) for row in x]
        (folder / f"{name}.csv").write_text("\n".join(["a,b,c,y", *lines]) + "\n")
    before, threads = os.getcwd(), torch.get_num_threads()
    os.chdir(folder)
    torch.set_num_threads(1)
    try:
        assert main(["train", "t.csv", *MODEL, "--epochs", "4", "--out", "one"]) == 0
    finally:
        torch.set_num_threads(threads)
        os.chdir(before)
    return folder


def history(folder):
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if "seconds" not in key and "per_second" not in key} for row in rows]


def same_run(folder, other):
    for row, wanted in zip(history(folder), history(other), strict=True):
        assert row == pytest.approx(wanted, rel=1e-3)
    weights, wanted = load_file(folder / "model.safetensors"), load_file(other / "model.safetensors")
    torch.testing.assert_close(weights, wanted, **CLOSE)


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


def children(parent, folder):
    """The processes that train, once they have written a checkpoint."""
    until = time.monotonic() + 60
    while not any((folder / "checkpoints").glob("step-*")):
        assert time.monotonic() < until
        time.sleep(0.005)
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
    return [int(one) for one in listed.stdout.split()]
