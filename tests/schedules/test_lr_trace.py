"""The trace of the rate depends on the optimizer steps alone: not on the number of processes, not on a resume."""

import json
import os
import subprocess
import sys

import pytest

from latih._notation import build, names

TEXTS = [*names("schedules"), "warmup(7) >> cosine()", "warmup(5) >> performance(0.5, 2)", "warmup(3) >> one_cycle()"]
every = pytest.mark.parametrize("text", TEXTS)
STEPS = 48


def score(step):
    return 1.0 / (1 + step % 17)


def run(text, stops=(), asks=1):
    """What a loop does with a schedule: count updates, keep the scores, ask.

    `stops` are kills with a resume. `asks` is how often one object is asked in an update: by each process and for each
    of the parts that a batch is accumulated from.
    """
    schedule = build("schedules", text).over(STEPS)
    updates, scores, trace = 0, (), []
    while updates < STEPS:
        heard = {(schedule(updates, scores), schedule.momentum_at(updates, scores)) for _ in range(asks)}
        trace.append(heard)
        updates += 1
        if updates % 4 == 0:
            scores = (*scores, (updates, score(updates)))
        if updates in stops:
            saved = json.loads(json.dumps({"updates": updates, "scores": scores}))
            schedule = build("schedules", text).over(STEPS)
            updates, scores = saved["updates"], tuple(map(tuple, saved["scores"]))
    return trace


@every
@pytest.mark.parametrize("processes", [2, 4])
@pytest.mark.parametrize("accumulate", [1, 2])
def test_being_asked_by_many_processes_changes_nothing(text, processes, accumulate):
    """A schedule that counted its calls would run ahead, as schedulers that are stepped once a process do."""
    assert run(text, asks=processes * accumulate) == run(text)


@every
def test_a_resume_at_every_step_gives_one_trace(text):
    whole = run(text)
    assert len(whole) == STEPS
    for stop in range(1, STEPS):
        assert run(text, stops={stop}) == whole
    assert run(text, stops=set(range(1, STEPS))) == whole


WORKER = """
import json, os, sys
import torch
import torch.distributed as dist
from torch import nn
from latih._notation import build
from latih.optim import nag

torch.set_num_threads(1)
dist.init_process_group("gloo")
rank, world = dist.get_rank(), dist.get_world_size()
torch.manual_seed(0)
model = nn.parallel.DistributedDataParallel(nn.Linear(4, 1).double())
x = torch.randn(64, 4, dtype=torch.float64)
y = x.sum(1, keepdim=True) + 0.3 * torch.randn(64, 1, dtype=torch.float64)
optimizer, schedule = nag(lr=0.05)(model), build("schedules", sys.argv[1]).over(40)
trace, scores = [], ()
for update in range(40):
    batch = (torch.arange(16) + 16 * update) % 64
    mine = batch[rank::world]
    rate = optimizer.param_groups[0]["lr"] = 0.05 * schedule(update, scores)
    trace.append(rate)
    optimizer.zero_grad()
    (model(x[mine]) - y[mine]).square().mean().backward()
    optimizer.step()
    if update % 4 == 3:
        with torch.no_grad():
            loss = (model.module(x[rank::world]) - y[rank::world]).square().sum() / 64
        dist.all_reduce(loss)
        scores = (*scores, (update + 1, loss.item()))
with open(f"{sys.argv[2]}/{world}-{rank}.json", "w") as file:
    json.dump({"trace": trace, "weights": model.module.weight.tolist()}, file)
dist.barrier()  # nobody leaves while another still needs the store
del model
dist.destroy_process_group()
os._exit(0)  # gloo's threads now and then abort an interpreter that takes its time to leave
"""


@pytest.mark.slow
@pytest.mark.parametrize("text", ["warmup(8) >> performance(0.5, 1, tolerance=0.2)", "warmup(8) >> cosine()"])
def test_real_processes_see_one_trace(tmp_path, text):
    script = tmp_path / "worker.py"
    script.write_text(WORKER)
    for world in (1, 2, 4):
        launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", f"--nproc-per-node={world}"]
        environment = {**os.environ, "OMP_NUM_THREADS": "1"}
        subprocess.run([*launch, script, text, tmp_path], check=True, capture_output=True, env=environment)
    found = [json.loads(file.read_text()) for file in sorted(tmp_path.glob("*.json"))]
    assert len(found) == 7
    assert len(set(found[0]["trace"])) > 8  # it moved
    for one in found:
        assert one["trace"] == found[0]["trace"]
        assert one["weights"][0] == pytest.approx(found[0]["weights"][0], rel=1e-9)
