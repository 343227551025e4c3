"""Models to divide, and one way to train them and to tell what came of it, for one process and for several."""

import numpy as np
import torch
import torch.distributed as dist
from processes_program import PLAIN, Trace, data, net
from torch import nn

import latih
from latih.train import Callback


class Tied(nn.Module):
    """Two layers with one weight, one of them called by hand, and repeated blocks."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = nn.Linear(6, 6)
        self.last = nn.Linear(6, 6)
        self.last.weight = self.first.weight
        self.blocks = nn.ModuleList(nn.Sequential(nn.Linear(6, 5), nn.Tanh(), nn.Linear(5, 6)) for _ in range(2))
        self.head = nn.Linear(6, 2)

    def forward(self, x):
        x = torch.relu(self.first(x))
        for block in self.blocks:
            x = x + block(x)
        return nn.functional.linear(self.last(x), self.head.weight, self.head.bias)


class Words(nn.Module):
    """A transformer as it is usually written."""

    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.embedding = nn.Linear(1, 8)
        self.encoder = nn.TransformerEncoder(nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True), 2)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = self.embedding(x.unsqueeze(-1))  # a view, which is written to
        x += 0.1
        return self.head(self.encoder(x).mean(1))


class Flat(nn.Module):
    """(n, 6, 3) to (n, 18)."""

    def forward(self, x):
        return x.flatten(1)


class Scaled(nn.Module):
    """A scale without dimensions."""

    def __init__(self):
        super().__init__()
        self.net, self.scale = net(), nn.Parameter(torch.tensor(1.0))

    def forward(self, x):
        return self.net(x) * self.scale


def codes():
    x, y = data()
    return (x > 0).astype(np.int64), y


class Measure(Callback):
    """How much of weights, gradients and optimizer state lies in this process."""

    def __init__(self):
        self.held = {}

    def on_gradients(self, trainer):
        weights = list(trainer.step.model.parameters())
        state = [one for known in trainer.step.optimizer.state.values() for one in known.values()]
        state = [one for one in state if isinstance(one, torch.Tensor) and one.dim()]
        kinds = {"weights": weights, "gradients": [one.grad for one in weights], "state": state}
        self.held = {
            kind: [sum(one.to_local().numel() for one in held), sum(one.numel() for one in held)]
            for kind, held in kinds.items()
        }


def several():
    return dist.is_initialized()


def told(run, trace):
    timed = ("seconds", "examples_per_second")
    weights = {key: getattr(one, "full_tensor", lambda one=one: one)() for key, one in run.model.state_dict().items()}
    return {
        "rates": trace.rates,
        "losses": run.history.losses,
        "rows": [{key: one for key, one in row.items() if key not in timed} for row in run.history.rows],
        "weights": {key: one.tolist() for key, one in weights.items()},
        "stopped": run.history.stopped,
        "rollbacks": [(one["step"], one["changed"]) for one in run.history.rollbacks],
    }


def trained(recipe=PLAIN, model=None, train=None, **options):
    trace = Trace()
    x, y = data()
    callbacks = [trace, *options.pop("callbacks", [])]
    model, valid = model or net(), options.pop("valid", (x[:33], y[:33]))
    options.setdefault("shard", several())
    run = latih.train(model, train or (x, y), valid, recipe=recipe, callbacks=callbacks, progress=False, **options)
    return told(run, trace)
