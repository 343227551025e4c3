"""A model that is divided among processes trains as one that is not, and its checkpoints are anyone's."""

import json
import os
import shutil
import signal
from pathlib import Path

import numpy as np
import pytest
import shards_program as program
import torch
from runs import CLOSE, MODEL, children, ended, one_thread, same_run, same_training, same_weights, torchrun
from safetensors import safe_open
from safetensors.torch import load_file, save_file
from trainings import Stop, net, trained

from latih.cli import main
from latih.train import InputError, Recipe, predict
from latih.train._manifest import Damaged, verified
from latih.train._shard_files import Piece, Shards, header

PROGRAM = Path(program.__file__)


@pytest.fixture(scope="module", params=[2, pytest.param(4, marks=pytest.mark.slow)])
def sharded(request, tmp_path_factory):
    """What the program found in several processes, its folder, and their number."""
    folder = tmp_path_factory.mktemp(f"{request.param}-shards")
    with one_thread():
        trained(program.ADAM, out=folder / "of-one", callbacks=[Stop()])
    code, _, err = ended(torchrun(request.param, PROGRAM, folder, cwd=folder))
    assert code == 0, err[-3000:]
    return json.loads((folder / "results.json").read_text()), folder, request.param


@pytest.fixture(scope="module")
def alone(tmp_path_factory):
    folder = tmp_path_factory.mktemp("undivided")
    with one_thread():
        found = {name: work(folder) for name, work in program.SAME.items()}
        return found | {"of_every_optimizer": program.of_every_optimizer(folder), "adam": trained(program.ADAM)}


@pytest.mark.parametrize("name", program.SAME)
def test_rates_losses_metrics_and_weights_are_those_of_one_process(name, sharded, alone):
    assert sharded[0]["agreed"][name]
    # in half precision, what is rounded depends on the size of a part
    close = dict(rtol=1e-2, atol=1e-2) if name == "in_half_precision" else CLOSE
    same_training(sharded[0][name], alone[name], close)


@pytest.mark.parametrize("name", program.optimizers())
def test_every_optimizer_steps_on_shards_as_on_the_whole(name, sharded, alone):
    same_weights(sharded[0]["of_every_optimizer"][name], alone["of_every_optimizer"][name])


def test_each_process_holds_its_share_of_weights_gradients_and_optimizer_state(sharded):
    found, _, count = sharded
    for held in found["measured"]:
        for kind, (here, whole) in held.items():
            # rows are whole: the two of the last layer are more than a quarter of it
            assert here <= (0.51 if count == 2 else 0.35) * whole, kind
    for kind in ("weights", "gradients", "state"):
        assert sum(held[kind][0] for held in found["measured"]) == found["measured"][0][kind][1]


def test_repeated_blocks_are_gathered_one_by_one_and_what_is_shared_with_the_whole(sharded):
    assert sharded[0]["parts"] == {
        "net": ["", "0", "2"],
        "tied": ["", "blocks.0", "blocks.1"],
        "transformer": ["", "encoder.layers.0", "encoder.layers.1", "head"],
    }


def test_the_weights_that_a_run_leaves_are_plain_ones(sharded, alone):
    _, folder, _ = sharded
    saved = load_file(folder / "plain/model.safetensors")
    same_weights({key: one.tolist() for key, one in saved.items()}, alone["plain"]["weights"])
    assert not list((folder / "plain").glob(".*"))


def test_a_checkpoint_has_a_file_of_rows_for_each_process_and_no_whole_weight(sharded):
    _, folder, count = sharded
    checkpoint = folder / "of-shards/checkpoints/step-000000010"
    names = {one.name for one in checkpoint.iterdir()}
    shards = {f"shard-{place}-of-{count}.safetensors" for place in range(1, count + 1)}
    assert names == {"state.pt", "manifest.json"} | shards
    assert json.loads((checkpoint / "manifest.json").read_text())["files"].keys() == names - {"manifest.json"}
    with safe_open(checkpoint / f"shard-2-of-{count}.safetensors", framework="pt") as file:
        piece = json.loads(file.metadata()["weights/0.weight"])
        each = -(-12 // count)
        assert piece == {"shape": [12, 6], "offset": [each, 0]}
        assert file.get_tensor("weights/0.weight").shape == (each, 6)
        assert any(key.startswith("state/optimizer/state/0/exp_avg") for key in file.keys())  # noqa: SIM118
    plain = torch.load(checkpoint / "state.pt", weights_only=True)
    assert all(one.numel() < 12 for one in _tensors(plain["weights"]))


def _tensors(tree):
    if isinstance(tree, dict):
        return [one for value in tree.values() for one in _tensors(value)]
    return [tree] if isinstance(tree, torch.Tensor) else []


def test_a_run_begun_in_shards_goes_on_in_one_process(sharded, alone, tmp_path):
    shutil.copytree(sharded[1] / "of-shards", tmp_path / "run", symlinks=True)
    rest = trained(program.ADAM, model=net(), out=tmp_path / "run", resume=True)
    np.testing.assert_allclose(rest["losses"], alone["adam"]["losses"], **CLOSE)
    same_weights(rest["weights"], alone["adam"]["weights"])


@pytest.mark.parametrize("name", ["of_one", "for_all"])
def test_a_run_begun_whole_goes_on_in_shards_and_the_other_way_round(name, sharded, alone):
    found = sharded[0]["interrupted"]
    np.testing.assert_allclose(found[name]["losses"], alone["adam"]["losses"], **CLOSE)
    same_weights(found[name]["weights"], alone["adam"]["weights"])


@pytest.mark.slow
def test_a_run_begun_in_shards_goes_on_in_another_number_of_shards(sharded, alone, tmp_path):
    _, folder, count = sharded
    shutil.copytree(folder / "of-shards", tmp_path / "moved", symlinks=True)
    code, _, err = ended(torchrun(5 - count // 2, PROGRAM, tmp_path, "moved", cwd=tmp_path))
    assert code == 0, err[-3000:]
    found = json.loads((tmp_path / "results.json").read_text())["moved"]
    np.testing.assert_allclose(found["losses"], alone["adam"]["losses"], **CLOSE)
    same_weights(found["weights"], alone["adam"]["weights"])


@pytest.mark.parametrize("harm", ["changed", "removed"])
def test_a_checkpoint_with_a_damaged_shard_is_set_aside(harm, sharded, alone, tmp_path, capsys):
    _, folder, count = sharded
    shutil.copytree(folder / "of-shards", tmp_path / "run", symlinks=True)
    shard = tmp_path / f"run/checkpoints/step-000000010/shard-2-of-{count}.safetensors"
    if harm == "removed":
        shard.unlink()
    else:
        content = bytearray(shard.read_bytes())
        content[-1] ^= 1
        shard.write_bytes(content)
    rest = trained(program.ADAM, model=net(), out=tmp_path / "run", resume=True)
    assert "set aside as damaged-*: step-000000010 (shard-2-of-" in capsys.readouterr().err
    assert (tmp_path / "run/checkpoints/damaged-step-000000010").is_dir()
    same_weights(rest["weights"], alone["adam"]["weights"])


def test_a_manifest_that_lacks_a_shard_is_damaged(sharded, tmp_path):
    _, folder, count = sharded
    shutil.copytree(folder / "of-shards/checkpoints/step-000000010", tmp_path / "step")
    manifest = json.loads((tmp_path / "step/manifest.json").read_text())
    del manifest["files"][f"shard-{count}-of-{count}.safetensors"]
    (tmp_path / "step/manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(Damaged, match="names no"):
        verified(tmp_path / "step")


def test_rows_are_read_across_files_and_a_gap_is_noticed(tmp_path):
    whole = torch.arange(14.0).reshape(7, 2)
    paths = [tmp_path / name for name in ("a", "b", "c")]
    for path, (first, last) in zip(paths, [(0, 3), (3, 6), (6, 7)], strict=True):
        save_file({"x": whole[first:last].contiguous()}, path, header({"x": Piece([7, 2], [first, 0])}))
    shards = Shards(paths)
    assert torch.equal(shards.whole("x"), whole)
    assert torch.equal(shards.rows("x", 2, 7), whole[2:])
    assert shards.rows("x", 7, 7).shape == (0, 2)
    with pytest.raises(ValueError, match="not complete"):
        Shards([paths[0], paths[2]]).whole("x")


def test_a_shard_that_cannot_be_written_ends_the_run_in_all_processes_with_one_sentence(sharded):
    found, folder, _ = sharded
    assert found["full_disk"]["said"] == [found["full_disk"]["said"][0]] * len(found["full_disk"]["said"])
    assert "No space left on device; free some space" in found["full_disk"]["said"][0]
    assert not [one for one in (folder / "full/checkpoints").iterdir() if "step" in one.name]


def test_going_back_asks_good_weights_and_leaves_the_model_as_it_was(sharded):
    assert sharded[0]["asked"]["loss"] == pytest.approx(sharded[0]["asked"]["expected"], rel=1e-5)
    assert sharded[0]["asked"]["untouched"]


def test_the_first_process_watches_its_rows_and_nobody_waits_for_it(sharded):
    healthy, lost = sharded[0]["watched"]["healthy"], sharded[0]["watched"]["lost"]
    assert healthy["updates"] == len(healthy["losses"]) == 21
    assert all(norm > 0 for norm in healthy["norms"])
    assert healthy["readings"] == ["0.weight", "2.weight"]
    assert healthy["codes"] == []
    assert len(healthy["notes"]) == 1
    assert "in shards" in healthy["notes"][0]
    assert lost["codes"] == ["L405"]


def test_batch_norm_says_whose_statistics_it_takes(sharded):
    found, _, count = sharded
    assert found["normalised"]["said"] == [
        f"batch norm: each of the {count} processes normalises by its own part of a batch"
    ]
    assert np.isfinite(found["normalised"]["losses"]).all()


def test_what_cannot_be_sharded_is_refused_in_a_sentence(sharded):
    refused = sharded[0]["refused"]
    assert "muon works on whole matrices, of which each process has only rows" in refused["muon"]
    assert "a live SGD holds the undivided weights" in refused["live"]
    assert "leave compile or shard out" in refused["compiled"]
    assert "scale has no rows to divide; give it the shape (1,)" in refused["scale"]
    assert "0 has sparse gradients" in refused["sparse"]
    assert "it is divided among processes already" in refused["twice"]
    assert "on which batch norm fails" in refused["batch norm"]
    assert "works in one process" in refused["heal"]


def test_one_process_has_none_to_divide_the_model_with(capsys, tmp_path):
    with pytest.raises(InputError, match=r"there is one process.*torchrun --nproc-per-node 2"):
        trained(shard=True)
    assert main(["train", "fashion-mini", "--shard", "--out", str(tmp_path / "run")]) == 2
    assert "--shard divides the model among processes, and there is one" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()


def test_torchrun_of_the_command_line_leaves_the_folder_that_one_process_leaves(table):
    words = ["-m", "latih", "train", "t.csv", *MODEL, "--epochs", "4", "--out", "two-shards", "--shard"]
    code, out, err = ended(torchrun(2, *words, cwd=table))
    assert code == 0, err[-3000:]
    assert out.count("latih  mlp") == out.count("4/4") == out.count("use it with") == 1
    assert {one.name for one in (table / "two-shards").iterdir()} == {one.name for one in (table / "one").iterdir()}
    same_run(table / "two-shards", table / "one")
    assert Recipe.read(table / "two-shards/recipe.toml") == Recipe.read(table / "one/recipe.toml")
    both = [predict(table / name, table / "valid.csv").values for name in ("one", "two-shards")]
    torch.testing.assert_close(*both, **CLOSE)


@pytest.mark.slow
def test_a_killed_process_is_restarted_by_torchrun_and_the_run_ends_as_if_nothing_had_happened(table):
    words = ["-m", "latih", "train", "t.csv", *MODEL, "--epochs", "60", "--save-every", "5 steps", "--patience", "0"]
    assert ended(torchrun(2, *words, "--shard", "--out", "undisturbed-shards", cwd=table))[0] == 0
    process = torchrun(2, "--max-restarts", "1", *words, "--shard", "--out", "killed-shards", cwd=table)
    workers = children(process.pid, table / "killed-shards")
    os.kill(workers[-1], signal.SIGKILL)
    code, out, err = ended(process)
    assert code == 0, err[-3000:]
    assert out.count("latih  mlp") == 2
    same_run(table / "killed-shards", table / "undisturbed-shards")
