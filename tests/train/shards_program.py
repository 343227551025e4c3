"""Small trainings in shards, each by name, for the processes that torchrun starts: `shards_program.py OUT [moved]`."""

import json
import os
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
import torch.distributed as dist
from processes_program import PLAIN, Branch, Stop, data, net
from shards_models import Flat, Measure, Scaled, Tied, Words, codes, trained
from torch import nn
from torch.distributed.fsdp import FSDPModule

from latih import InputError
from latih.train import Callback, LastGood, Watcher, _sharded_checkpoint
from latih.train._blame import loss_on
from latih.train._feed import refetch

DEEP = replace(PLAIN, epochs=2)


def plain(out):
    return trained(out=out / "plain")


def one_left_without_an_example(out):
    return trained(DEEP, train=data(size=97))


def validated_unevenly(out):
    x, y = data(size=600)
    return trained(replace(PLAIN, epochs=1), valid=(x[:513], y[:513]))


def accumulated(out):
    return trained(replace(DEEP, accumulate=3))


def unused(out):
    return trained(replace(PLAIN, epochs=1), Branch())


def tied(out):
    return trained(DEEP, Tied())


def transformer(out):
    return trained(DEEP, Words())


def clipped_by_value(out):
    return trained(replace(DEEP, clip="value(0.01)"))


def clipped_by_layer(out):
    return trained(replace(DEEP, clip="per_layer(0.05)"))


def clipped_by_unit(out):
    return trained(replace(DEEP, clip="adaptive(0.01)"))


def clipped_by_history(out):
    return trained(replace(DEEP, clip="auto(50)"))


def decayed(out):
    return trained(replace(DEEP, optimizer="adamw(weight_decay=0.1)"))


def switching(out):
    return trained(replace(DEEP, optimizer="schedule_free_adamw()", schedule="warmup(5)"))


def in_half_precision(out):
    return trained(replace(DEEP, precision="bfloat16"))


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


def saved_in_between(out):
    return trained(replace(DEEP, save_every="2 steps"), out=out / "steps")


def resumed(out):
    """Interrupted in the middle of an epoch, and gone on with."""
    first = trained(out=out / "resumed", callbacks=[Stop()])
    assert first["stopped"] == "interrupted"
    rest = trained(model=net(), out=out / "resumed", resume=True)
    return rest | {"rates": first["rates"] + rest["rates"]}


SAME = [
    plain,
    one_left_without_an_example,
    validated_unevenly,
    accumulated,
    unused,
    tied,
    transformer,
    clipped_by_value,
]
SAME += [clipped_by_layer, clipped_by_unit, clipped_by_history, decayed, switching, in_half_precision, stops_early]
SAME += [spoilt, diverging, saved_in_between, resumed]


def of_every_optimizer(out):
    """Weights after a few updates, by the name of the method; without torchrun, of one process."""
    return {
        name: trained(replace(PLAIN, epochs=1, batch_size=32, optimizer=name, lr=None))["weights"]
        for name in optimizers()
    }


def optimizers():
    from latih._notation import names

    return [name for name in names("optim") if name != "muon"]


def measured(out):
    measure = Measure()
    trained(replace(PLAIN, epochs=1, optimizer="adam()"), callbacks=[measure])
    everyone = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, measure.held)
    return everyone


def interrupted(out):
    """Left in the middle, in shards and whole, for others to go on with; and one of each gone on with."""
    recipe = replace(PLAIN, optimizer="adam()", keep_checkpoints=3)
    trained(recipe, out=out / "of-shards", callbacks=[Stop()])
    trained(recipe, out=out / "for-all", callbacks=[Stop()])
    of_one = trained(recipe, model=net(), out=out / "of-one", resume=True)
    whole = trained(recipe, model=net(), out=out / "for-all", resume=True, shard=False)
    return {"of_one": of_one, "for_all": whole, "undisturbed": trained(recipe)}


def watched(out):
    """By the first process alone, as the command line does it; of a healthy training and of a lost one."""
    found = {}
    for name, recipe in (("healthy", PLAIN), ("lost", replace(PLAIN, lr=3e38, optimizer="sgd()", rollback=0))):
        watcher = Watcher()
        trained(recipe, callbacks=[watcher] if dist.get_rank() == 0 else [])
        if watcher.watching is not None:
            record = watcher.watching.record
            found[name] = {
                "updates": record.updates,
                "losses": record.losses,
                "norms": [sample.grad_norm for sample in record.samples],
                "readings": [one.layer for one in record.samples[0].readings],
                "notes": record.notes,
                "codes": [one.code for one in watcher.findings],
            }
    return found


def normalised(out):
    said = []

    class Listen(Callback):
        def on_fit_start(self, trainer):
            trainer.say = said.append

    return trained(model=net(nn.BatchNorm1d(12)), train=data(size=104), callbacks=[Listen()]) | {"said": said}


def parts(out):
    """What is gathered by itself, of several models."""
    found = {}
    for name, model in (("net", net()), ("tied", Tied()), ("transformer", Words())):
        trained(replace(PLAIN, epochs=1), model)
        found[name] = [path for path, one in model.named_modules() if isinstance(one, FSDPModule)]
    return found


def asked(out):
    """The loss on weights of three updates ago, in the middle of a training."""
    found = {}

    class Ask(Callback):
        def on_step_end(self, trainer):
            step, (inputs, targets, _) = trainer.step, trainer.last
            if step.count == 3:
                self.good, self.model = LastGood(), net()
                self.good.take(step, 0)
                self.model.load_state_dict({key: one.full_tensor() for key, one in step.model.state_dict().items()})
            if step.count == 6:
                inputs, targets, _ = refetch(trainer, 5)
                before = [one.full_tensor() for one in step.model.parameters()]
                found["loss"] = loss_on(self.good, step, inputs, targets)
                with torch.no_grad():
                    found["expected"] = float(step.loss_function(self.model(inputs), targets))
                after = [one.full_tensor() for one in step.model.parameters()]
                found["untouched"] = all(map(torch.equal, before, after))

    trained(callbacks=[Ask()])
    return found


def full_disk(out):
    """One process, which is not the first, cannot write."""

    def fail(*given):
        raise OSError(28, os.strerror(28))

    own, said = _sharded_checkpoint.weights_written, []
    if dist.get_rank() == 1:
        _sharded_checkpoint.weights_written = fail
    try:
        trained(out=out / "full")
    except InputError as error:
        said = str(error)
    finally:
        _sharded_checkpoint.weights_written = own
    everyone = [None] * dist.get_world_size()
    dist.all_gather_object(everyone, said)
    return {"said": everyone}


def moved(out):
    """What another number of processes has begun."""
    return trained(replace(PLAIN, optimizer="adam()", keep_checkpoints=3), net(), out=out / "moved", resume=True)


def refused(out):
    model = net()
    once = net()
    trained(replace(PLAIN, epochs=1), once)
    calls = {
        "muon": lambda: trained(replace(PLAIN, optimizer="muon()")),
        "live": lambda: trained(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)),
        "compiled": lambda: trained(replace(PLAIN, compile=True)),
        "scale": lambda: trained(model=Scaled()),
        "sparse": lambda: trained(
            model=nn.Sequential(nn.Embedding(4, 3, sparse=True), Flat(), nn.Linear(18, 2)), train=codes()
        ),
        "twice": lambda: trained(model=once),
        "batch norm": lambda: trained(model=net(nn.BatchNorm1d(12)), train=data(size=97)),
        "heal": lambda: trained(heal=True),
    }
    sentences = {}
    for name, call in calls.items():
        try:
            call()
        except InputError as error:
            sentences[name] = str(error)
    return sentences


def agree(found):
    """All processes came to the same."""
    texts = [None] * dist.get_world_size()
    dist.all_gather_object(texts, json.dumps(found))
    return all(one == texts[0] for one in texts)


def main():
    out = Path(sys.argv[1])
    dist.init_process_group("gloo")
    results: dict = {"agreed": {}}
    others = [of_every_optimizer, measured, parts, interrupted, asked, watched, normalised, full_disk, refused]
    for work in [moved] if "moved" in sys.argv else [*SAME, *others]:
        results[work.__name__] = found = work(out)
        if work in SAME:
            results["agreed"][work.__name__] = agree(found)
    if dist.get_rank() == 0:
        (out / "results.json").write_text(json.dumps(results))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
