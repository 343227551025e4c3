"""Trainings of several processes as a test starts, ends and compares them."""

import json
import os
import subprocess
import sys
import time
from contextlib import contextmanager

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

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


@contextmanager
def one_thread():
    """As each process has that torchrun starts."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def children(parent, folder):
    """The processes that train, once they have written a checkpoint."""
    until = time.monotonic() + 60
    while not any((folder / "checkpoints").glob("step-*")):
        assert time.monotonic() < until
        time.sleep(0.005)
    listed = subprocess.run(["ps", "-o", "pid=", "--ppid", str(parent)], capture_output=True, text=True, check=True)
    return [int(one) for one in listed.stdout.split()]


def same_weights(found, wanted, close=CLOSE):
    assert found.keys() == wanted.keys()
    for key, values in wanted.items():
        np.testing.assert_allclose(found[key], values, err_msg=key, **close)


def same_training(found, wanted, close=CLOSE):
    """What was read of one that other processes have told, and another."""
    assert found["rates"] == wanted["rates"]
    assert found["stopped"] == wanted["stopped"]
    assert found["rollbacks"] == [list(one) for one in wanted["rollbacks"]]
    np.testing.assert_allclose(found["losses"], wanted["losses"], **close)
    for row, expected in zip(found["rows"], wanted["rows"], strict=True):
        assert row == pytest.approx(expected, rel=max(close["rtol"], 1e-3), abs=1e-6, nan_ok=True)
    same_weights(found["weights"], wanted["weights"], close)


def history(folder):
    rows = [json.loads(line) for line in (folder / "history.jsonl").read_text().splitlines()]
    return [{key: row[key] for key in row if "seconds" not in key and "per_second" not in key} for row in rows]


def same_run(folder, other):
    for row, wanted in zip(history(folder), history(other), strict=True):
        assert row == pytest.approx(wanted, rel=1e-3)
    weights, wanted = load_file(folder / "model.safetensors"), load_file(other / "model.safetensors")
    torch.testing.assert_close(weights, wanted, **CLOSE)
