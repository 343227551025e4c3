"""Small trainings in shards, each by name, for the processes that torchrun starts: `shards_program.py OUT [moved]`."""

import os
import sys
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
import torch.distributed as dist
from shards_models import Flat, Measure, Scaled, Tied, Words, codes
from torch import nn
from torch.distributed.fsdp import FSDPModule
from trainings import COMMON, PLAIN, Stop, agree, data, end, from_all, net, normalised, refusals, trained, whole

from latih import InputError
from latih.train import Callback, LastGood, Watcher, _sharded_checkpoint
from latih.train._blame import loss_on
from latih.train._feed import refetch

SHORT = replace(PLAIN, epochs=2)
ADAM = replace(PLAIN, optimizer="adam()", keep_checkpoints=3)
VARIED = {
    "tied": dict(recipe=SHORT, model=Tied),
    "transformer": dict(recipe=SHORT, model=Words),
    "clipped_by_value": dict(recipe=replace(SHORT, clip="value(0.01)")),
    "clipped_by_layer": dict(recipe=replace(SHORT, clip="per_layer(0.05)")),
    "clipped_by_unit": dict(recipe=replace(SHORT, clip="adaptive(0.01)")),
    "clipped_by_history": dict(recipe=replace(SHORT, clip="auto(50)")),
    "decayed": dict(recipe=replace(SHORT, optimizer="adamw(weight_decay=0.1)")),
    "switching": dict(recipe=replace(SHORT, optimizer="schedule_free_adamw()", schedule="warmup(5)")),
    "in_half_precision": dict(recipe=replace(SHORT, precision="bfloat16")),
}
divided = partial(trained, shard=True)


def varied(out, *, recipe, model=net, **how):
    return trained(recipe, model(), **how)


def validated_unevenly(out, **how):
    x, y = data(size=600)
    return trained(replace(PLAIN, epochs=1), valid=(x[:513], y[:513]), **how)


SAME = {work.__name__: work for work in [*COMMON, validated_unevenly]}
SAME |= {name: partial(varied, **options) for name, options in VARIED.items()}


def of_every_optimizer(out, **how):
    """Weights after a few updates, by the name of the method."""
    recipe = replace(PLAIN, epochs=1, batch_size=32, lr=None)
    return {name: trained(replace(recipe, optimizer=name), **how)["weights"] for name in optimizers()}


def optimizers():
    from latih._notation import names

    return [name for name in names("optim") if name != "muon"]


def measured(out):
    measure = Measure()
    divided(replace(PLAIN, epochs=1, optimizer="adam()"), callbacks=[measure])
    return from_all(measure.held)


def interrupted(out):
    """Left in the middle, in shards and whole, for others to go on with; and one of each gone on with."""
    divided(ADAM, out=out / "of-shards", callbacks=[Stop()])
    divided(ADAM, out=out / "for-all", callbacks=[Stop()])
    of_one = divided(ADAM, model=net(), out=out / "of-one", resume=True)
    undivided = trained(ADAM, model=net(), out=out / "for-all", resume=True)
    return {"of_one": of_one, "for_all": undivided, "undisturbed": divided(ADAM)}


def watched(out):
    """By the first process alone, as the command line does it; of a healthy training and of a lost one."""
    found = {}
    for name, recipe in (("healthy", PLAIN), ("lost", replace(PLAIN, lr=3e38, optimizer="sgd()", rollback=0))):
        watcher = Watcher()
        divided(recipe, callbacks=[watcher] if dist.get_rank() == 0 else [])
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


def parts(out):
    """What is gathered by itself, of several models."""
    found = {}
    for name, model in (("net", net()), ("tied", Tied()), ("transformer", Words())):
        divided(replace(PLAIN, epochs=1), model)
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
                self.model.load_state_dict({key: whole(one) for key, one in step.model.state_dict().items()})
            if step.count == 6:
                inputs, targets, _ = refetch(trainer, 5)
                before = [whole(one) for one in step.model.parameters()]
                found["loss"] = loss_on(self.good, step, inputs, targets)
                with torch.no_grad():
                    found["expected"] = float(step.loss_function(self.model(inputs), targets))
                after = [whole(one) for one in step.model.parameters()]
                found["untouched"] = all(map(torch.equal, before, after))

    divided(callbacks=[Ask()])
    return found


def full_disk(out):
    """One process, which is not the first, cannot write."""

    def fail(*given):
        raise OSError(28, os.strerror(28))

    own, said = _sharded_checkpoint.weights_written, []
    if dist.get_rank() == 1:
        _sharded_checkpoint.weights_written = fail
    try:
        divided(out=out / "full")
    except InputError as error:
        said = str(error)
    finally:
        _sharded_checkpoint.weights_written = own
    return {"said": from_all(said)}


def moved(out):
    """What another number of processes has begun."""
    return divided(ADAM, net(), out=out / "moved", resume=True)


def refused(out):
    model = net()
    once = net()
    divided(replace(PLAIN, epochs=1), once)
    sparse = nn.Sequential(nn.Embedding(4, 3, sparse=True), Flat(), nn.Linear(18, 2))
    return refusals(
        {
            "muon": lambda: divided(replace(PLAIN, optimizer="muon()")),
            "live": lambda: divided(model=model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1)),
            "compiled": lambda: divided(replace(PLAIN, compile=True)),
            "scale": lambda: divided(model=Scaled()),
            "sparse": lambda: divided(model=sparse, train=codes()),
            "twice": lambda: divided(model=once),
            "batch norm": lambda: divided(model=net(nn.BatchNorm1d(12)), train=data(size=97)),
            "heal": lambda: divided(heal=True),
        }
    )


def main():
    out = Path(sys.argv[1])
    dist.init_process_group("gloo")
    if "moved" in sys.argv:
        results = {"moved": moved(out)}
    else:
        shared = SAME | {"of_every_optimizer": of_every_optimizer, "normalised": normalised}
        results = {name: work(out, shard=True) for name, work in shared.items()}
        results["agreed"] = {name: agree(results[name]) for name in SAME}
        others = (measured, parts, interrupted, asked, watched, full_disk, refused)
        results |= {work.__name__: work(out) for work in others}
    end(results, out)


if __name__ == "__main__":
    main()
