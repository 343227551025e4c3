"""Small trainings, each by name, that mean the same in one process, in several, and in shards.

Each takes the folder to write to, and how: options of `latih.train` for all that it trains.
"""

import json
import os
from dataclasses import replace

import numpy as np
import torch
import torch.distributed as dist
from torch import nn

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


def whole(tensor):
    return tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor


def told(run, trace):
    timed = ("seconds", "examples_per_second")
    return {
        "rates": trace.rates,
        "losses": run.history.losses,
        "rows": [{key: one for key, one in row.items() if key not in timed} for row in run.history.rows],
        "weights": {key: whole(one).tolist() for key, one in run.model.state_dict().items()},
        "stopped": run.history.stopped,
        "rollbacks": [(one["step"], one["changed"]) for one in run.history.rollbacks],
    }


def plain(out, **how):
    return trained(out=out / "plain", **how)


def one_left_without_an_example(out, **how):
    return trained(replace(PLAIN, epochs=2), train=data(size=97), **how)


def accumulated(out, **how):
    return trained(replace(PLAIN, epochs=2, accumulate=3), **how)


def unused(out, **how):
    return trained(replace(PLAIN, epochs=1), Branch(), **how)


def stops_early(out, **how):
    x, y = data()
    recipe = replace(PLAIN, epochs=30, patience=2, watch="loss")
    return trained(recipe, valid=(x[:33], 1 - y[:33]), **how)


def spoilt(out, **how):
    x, y = data()
    x = x.copy()
    x[40] = np.nan
    return trained(train=(x, y), **how)


def diverging(out, **how):
    return trained(replace(PLAIN, optimizer="sgd()", lr=3e38, clip="none()", epochs=2), **how)


def resumed(out, **how):
    """Interrupted in the middle of an epoch, and gone on with."""
    first = trained(out=out / "resumed", callbacks=[Stop()], **how)
    assert first["stopped"] == "interrupted"
    assert len(first["rates"]) == 10
    rest = trained(model=net(), out=out / "resumed", resume=True, **how)
    return rest | {"rates": first["rates"] + rest["rates"]}


def saved_in_between(out, **how):
    return trained(replace(PLAIN, save_every="2 steps", epochs=2), out=out / "steps", **how)


COMMON = [plain, one_left_without_an_example, accumulated, unused, stops_early, spoilt, diverging, resumed]
COMMON += [saved_in_between]


def normalised(out, **how):
    said = []

    class Listen(Callback):
        def on_fit_start(self, trainer):
            trainer.say = said.append

    found = trained(model=net(nn.BatchNorm1d(12)), train=data(size=104), callbacks=[Listen()], **how)
    return found | {"said": said}


def refusals(calls):
    """What each call is refused with, by its name."""
    sentences = {}
    for name, call in calls.items():
        try:
            call()
        except InputError as error:
            sentences[name] = str(error)
    return sentences


def from_all(found):
    """What each of the processes has found."""
    everyone = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, found)
    return everyone


def agree(found):
    """All processes came to the same, bit for bit."""
    return len(set(from_all(json.dumps(found)))) == 1


def end(results, out):
    """The first process writes for the test to read, and all leave together: gloo may send for others still."""
    if dist.get_rank() == 0:
        (out / "results.json").write_text(json.dumps(results))
    dist.barrier()
    dist.destroy_process_group()
