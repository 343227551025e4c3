"""Small trainings, each by name, for one process or for all that torchrun starts: `processes_program.py OUT`."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import latih
from latih import InputError
from latih.train import Callback, Recipe

SIZE = 101  # the last of 7 batches of 16 holds 5: parts of 3 and 2, of 2, 1, 1 and 1
PLAIN = Recipe(epochs=3, batch_size=16, lr=0.05, optimizer="nag()", schedule="warmup(5) >> cosine()", clip="norm(0.5)")


def data(size=SIZE):
    x = np.random.default_rng(0).normal(size=(size, 6)).astype(np.float32)
    return x, (x[:, 0] + x[:, 1] ** 2 > 0.5).astype(int)


def net(*middle):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 12), *middle, nn.ReLU(), nn.Linear(12, 2))


class Branch(nn.Module):
    """A layer that no loss reaches."""

    def __init__(self):
        super().__init__()
        self.used, self.unused = net(), nn.Linear(3, 3)

    def forward(self, x):
        return self.used(x)


class Stop(Callback):
    """Asks for an end in the middle of an epoch, in one process, as a signal does."""

    def on_loss(self, trainer):
        if trainer.step.count == 9 and trainer.world.rank == trainer.world.size - 1:
            os.kill(os.getpid(), 15)


class Trace(Callback):
    def __init__(self):
        self.rates = []

    def on_step_end(self, trainer):
        self.rates.append(trainer.step.lr)


def trained(recipe=PLAIN, model=None, train=None, **options):
    trace = Trace()
    x, y = data()
    callbacks = [trace, *options.pop("callbacks", [])]
    model, valid = model or net(), options.pop("valid", (x[:33], y[:33]))
    run = latih.train(model, train or (x, y), valid, recipe=recipe, callbacks=callbacks, progress=False, **options)
    return told(run, trace)


def told(run, trace):
    timed = ("seconds", "examples_per_second")
    return {
        "rates": trace.rates,
        "losses": run.history.losses,
        "rows": [{key: one for key, one in row.items() if key not in timed} for row in run.history.rows],
        "weights": {key: one.tolist() for key, one in run.model.state_dict().items()},
        "stopped": run.history.stopped,
        "rollbacks": [(one["step"], one["changed"]) for one in run.history.rollbacks],
    }


def plain(out):
    return trained(out=out / "plain")


def one_left_without_an_example(out):
    return trained(replace(PLAIN, epochs=2), train=data(size=97))


def accumulated(out):
    return trained(replace(PLAIN, epochs=2, accumulate=3))


def unused(out):
    return trained(replace(PLAIN, epochs=1), Branch())


def regression(out):
    x, _ = data()
    pair = x, x[:, :1] * 3 - x[:, 1:2]
    torch.manual_seed(0)
    trace = Trace()
    recipe = replace(PLAIN, epochs=2, metric="r2", clip="auto()")
    return told(latih.train(nn.Linear(6, 1), pair, pair, recipe=recipe, callbacks=[trace], progress=False), trace)


def stops_early(out):
    x, y = data()
    return trained(replace(PLAIN, epochs=30, patience=2, watch="loss"), valid=(x[:33], 1 - y[:33]))


def spoilt(out):
    x, y = data()
    x = x.copy()
    x[40] = np.nan
    return trained(train=(x, y))


def diverging(out):
    return trained(replace(PLAIN, optimizer="sgd()", lr=3e38, clip="none()", epochs=2))


def resumed(out):
    """Interrupted in the middle of an epoch, and gone on with."""
    first = trained(out=out / "resumed", callbacks=[Stop()])
    assert first["stopped"] == "interrupted"
    assert len(first["rates"]) == 10
    rest = trained(model=net(), out=out / "resumed", resume=True)
    return rest | {"rates": first["rates"] + rest["rates"]}


def saved_in_between(out):
    return trained(replace(PLAIN, save_every="2 steps", epochs=2), out=out / "steps")


SAME = [plain, one_left_without_an_example, accumulated, unused, regression, stops_early, spoilt, diverging, resumed]
SAME += [saved_in_between]


def dropped(out):
    """Twice: at once, and resumed in the middle."""
    model = lambda: net(nn.Dropout(0.5))  # noqa: E731
    whole = trained(model=model(), out=out / "dropped-whole")
    trained(model=model(), out=out / "dropped", callbacks=[Stop()])
    return {"whole": whole, "resumed": trained(model=model(), out=out / "dropped", resume=True)}


def normalised(out):
    said = []

    class Listen(Callback):
        def on_fit_start(self, trainer):
            trainer.say = said.append

    return trained(model=net(nn.BatchNorm1d(12)), train=data(size=104), callbacks=[Listen()]) | {"said": said}


def refused(out):
    x, y = (torch.from_numpy(one) for one in data())
    rank = dist.get_rank()
    calls = {
        "loader": lambda: trained(train=DataLoader(TensorDataset(x, y), batch_size=16)),
        "batch": lambda: trained(replace(PLAIN, batch_size=1)),
        "heal": lambda: trained(heal=True),
        "other data": lambda: trained(train=(x[: 90 + rank], y[: 90 + rank])),
        "batch norm": lambda: trained(model=net(nn.BatchNorm1d(12)), train=data(size=97)),
        "folder": lambda: trained(out=out / "plain"),
    }
    sentences = {}
    for name, call in calls.items():
        try:
            call()
        except InputError as error:
            sentences[name] = str(error)
    return sentences


def agree(found):
    """All processes came to the same weights; buffers included, once they were shared."""
    text = json.dumps(found)
    texts = [None] * dist.get_world_size()
    dist.all_gather_object(texts, text)
    return all(one == text for one in texts)


def main():
    out = Path(sys.argv[1])
    dist.init_process_group("gloo")
    results: dict = {}
    for work in [*SAME, dropped, normalised]:
        results[work.__name__] = found = work(out)
        found.pop("said", None) if dist.get_rank() else None
        if work in SAME:
            results["agreed"] = results.get("agreed", True) and agree(found)
    results["refused"] = refused(out)
    if dist.get_rank() == 0:
        (out / "results.json").write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
