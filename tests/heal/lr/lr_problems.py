"""Small problems of different kinds, and a training of one's own to judge rates by."""

import functools

import torch
from sklearn.datasets import load_digits
from torch import nn
from torch.nn.functional import cross_entropy, mse_loss

from latih._notation import build


def mlp():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(64, 100), nn.ReLU(), nn.Linear(100, 10))


def conv():
    torch.manual_seed(1)
    return nn.Sequential(
        *(nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 8, 3)),
        *(nn.ReLU(), nn.Flatten(), nn.Dropout(0.3), nn.Linear(128, 10)),
    )


def normed():
    """Small, with everything that has a state or draws."""
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(64, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 10))


def tanh_net():
    torch.manual_seed(1)
    layers = [layer for _ in range(3) for layer in (nn.Linear(64, 64), nn.Tanh())]
    return nn.Sequential(*layers, nn.Linear(64, 10))


def regressor():
    torch.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 64), nn.ReLU(), nn.Linear(64, 1))


def linear():
    torch.manual_seed(1)
    return nn.Linear(6, 1)


@functools.cache
def digits():
    data = load_digits()
    order = torch.randperm(len(data.target), generator=torch.Generator().manual_seed(0))
    x, y = torch.tensor(data.data).float()[order] / 16, torch.tensor(data.target)[order]
    return (x[:1437], y[:1437]), (x[1437:], y[1437:])


@functools.cache
def prices():
    """Raw targets: thousands, with an offset."""
    generator = torch.Generator().manual_seed(3)
    x = torch.randn(1200, 6, generator=generator)
    y = 3000 + 4000 * x[:, :1] + 1500 * torch.sin(2 * x[:, 1:2]) * x[:, 2:3]
    y += 300 * torch.randn(1200, 1, generator=generator)
    return (x[:1000], y[:1000]), (x[1000:], y[1000:])


PROBLEMS = {
    "mlp": (mlp, digits),
    "conv": (conv, digits),
    "tanh": (tanh_net, digits),
    "raw regression": (regressor, prices),
    "raw linear regression": (linear, prices),
}


def trained(make, train, optimizer, lr, updates=250):
    """A plain loop."""
    model = make()
    live = build("optim", optimizer).with_(lr=lr)(model)
    generator = torch.Generator().manual_seed(5)
    done = 0
    while done < updates:
        for index in torch.randperm(len(train[0]), generator=generator).split(32)[: updates - done]:
            live.zero_grad()
            loss_of(model, (train[0][index], train[1][index])).backward()
            live.step()
            done += 1
    return model.eval()


def loss_of(model, data):
    loss = mse_loss if data[1].is_floating_point() else cross_entropy
    return loss(model(data[0]), data[1])


def held_out(model, data):
    with torch.no_grad():
        loss = float(loss_of(model, data))
    return loss if loss == loss else float("inf")


def accuracy(model, data):
    with torch.no_grad():
        return float((model(data[0]).argmax(1) == data[1]).float().mean())
