"""Small trainings, each by name, for the processes that torchrun starts: `processes_program.py OUT`."""

import sys
from dataclasses import replace
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.utils.data import DataLoader, TensorDataset
from trainings import COMMON, PLAIN, Stop, agree, data, end, net, normalised, refusals, trained

import latih


def regression(out):
    x, _ = data()
    pair = x, x[:, :1] * 3 - x[:, 1:2]
    torch.manual_seed(0)
    return trained(replace(PLAIN, epochs=2, metric="r2", clip="auto()"), nn.Linear(6, 1), pair, valid=pair)


SAME = [*COMMON, regression]


def dropped(out):
    """Twice: at once, and resumed in the middle."""
    model = lambda: net(nn.Dropout(0.5))  # noqa: E731
    whole = trained(model=model(), out=out / "dropped-whole")
    trained(model=model(), out=out / "dropped", callbacks=[Stop()])
    return {"whole": whole, "resumed": trained(model=model(), out=out / "dropped", resume=True)}


def refused(out):
    x, y = (torch.from_numpy(one) for one in data())
    rank = dist.get_rank()
    return refusals(
        {
            "loader": lambda: trained(train=DataLoader(TensorDataset(x, y), batch_size=16)),
            "batch": lambda: trained(replace(PLAIN, batch_size=1)),
            "heal": lambda: trained(heal=True),
            "rate": lambda: latih.find_lr(net(), (x, y)),
            "other data": lambda: trained(train=(x[: 90 + rank], y[: 90 + rank])),
            "batch norm": lambda: trained(model=net(nn.BatchNorm1d(12)), train=data(size=97)),
            "folder": lambda: trained(out=out / "plain"),
        }
    )


def main():
    out = Path(sys.argv[1])
    dist.init_process_group("gloo")
    results = {work.__name__: work(out) for work in [*SAME, dropped, normalised, refused]}
    agreed = {work.__name__: agree(results[work.__name__]) for work in SAME}
    end(results | {"agreed": agreed}, out)


if __name__ == "__main__":
    main()
