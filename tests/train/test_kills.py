"""A training that is killed at any moment, and resumed, ends as if nothing had happened."""

import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch

from latih.cli import main
from latih.train import Recipe

KILLS = 30


@pytest.fixture
def soak(monkeypatch):
    monkeypatch.syspath_prepend(str(Path(__file__).parents[2] / "scripts"))
    import soak_kills

    return soak_kills


@pytest.mark.timeout(600)
def test_killed_thirty_times_with_0_2_and_4_workers_every_run_ends_bit_for_bit_the_same(soak, tmp_path):
    total = 0
    for kills, same in soak.chains(tmp_path, seed=1):
        assert same
        total += kills
        if total >= KILLS:
            break
    assert total >= KILLS


def killed(words, folder, chance, newest):
    """The command line, killed a moment after its next checkpoint; its exit code."""
    with (folder / "stderr").open("wb") as stderr:
        process = subprocess.Popen(words, cwd=folder, stdout=subprocess.DEVNULL, stderr=stderr)
    before = newest(folder / "run")
    while chance is not None and process.poll() is None and newest(folder / "run") == before:
        time.sleep(0.002)
    if chance is not None:
        time.sleep(chance.uniform(0.0, 0.05))
        process.kill()
    return process.wait()


@pytest.mark.timeout(600)
def test_the_command_line_killed_three_times_ends_bit_for_bit_the_same(soak, tmp_path, monkeypatch):
    soak.write_pictures(tmp_path / "pictures")
    words = ["pictures", "--model", "cnn(depth=1)", "--augment", "flip()", "--epochs", "12", "--batch-size", "2"]
    words += ["--save-every", "3 steps", "--no-check"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        assert main(["train", *words, "--out", "alone", "--workers", "0"]) == 0
    finally:
        torch.set_num_threads(threads)
    chance, codes = random.Random(0), []
    for workers in ("0", "2", "4", "0"):
        asked = ["--resume"] if codes else words
        started = [sys.executable, "-B", "-m", "latih", "train", *asked, "--out", "run", "--workers", workers]
        codes.append(killed(started, tmp_path, chance if len(codes) < 3 else None, soak.newest))
    assert codes == [-signal.SIGKILL] * 3 + [0], (tmp_path / "stderr").read_text()
    assert soak.ending(tmp_path / "run") == soak.ending(tmp_path / "alone")
    assert Recipe.read(tmp_path / "run/recipe.toml").save_every == "3 steps"
