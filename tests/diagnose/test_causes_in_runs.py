"""Causes that show only in a real run: each is watched with its fault and without it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import latih


def rows(count=512, wide=8, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(count, wide, generator=generator)
    return x, (x[:, :2].prod(1) > 0).long()


def watched(model, data, optimizer, *, loss=F.cross_entropy, updates=120, train_mode=True, size=32, order=None):
    """Findings of a plain run."""
    x, y = data
    generator = torch.Generator().manual_seed(1)
    with latih.watch(model, optimizer=optimizer) as w:
        for update in range(updates):
            model.train(train_mode or update == 0)
            chosen = torch.randint(len(x), (size,), generator=generator) if order is None else order(update)
            optimizer.zero_grad()
            loss(model(x[chosen]), y[chosen]).backward()
            optimizer.step()
    return w.findings()


def grave(findings):
    return {one.name for one in findings if one.severity != "info"}


def net(*last, wide=8):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(wide, 32), nn.ReLU(), nn.Linear(32, 2), *last)


class Factors(nn.Module):
    """Ratings as products of vectors, and a mean for each name."""

    def __init__(self, start):
        super().__init__()
        torch.manual_seed(0)
        self.person, self.film, self.mood = nn.Embedding(30, 4), nn.Embedding(30, 4), nn.Embedding(30, 1)
        for table in (self.person, self.film):
            nn.init.normal_(table.weight, std=start) if start else nn.init.zeros_(table.weight)
        nn.init.zeros_(self.mood.weight)

    def forward(self, pair):
        product = (self.person(pair[:, 0]) * self.film(pair[:, 1])).sum(1)
        return product + self.mood(pair[:, 0])[:, 0]


def ratings():
    generator = torch.Generator().manual_seed(0)
    pairs = torch.randint(30, (2000, 2), generator=generator)
    people, films = torch.randn(30, 2, generator=generator), torch.randn(30, 2, generator=generator)
    return pairs, (people[pairs[:, 0]] * films[pairs[:, 1]]).sum(1)


@pytest.mark.parametrize(("start", "found"), [(0.0, True), (0.3, False)])
def test_factors_that_both_begin_at_zero_never_move(start, found):
    model = Factors(start)
    seen = grave(watched(model, ratings(), torch.optim.Adam(model.parameters(), lr=0.03), loss=F.mse_loss))
    assert ("bad-initialisation" in seen) == found
    # what grows from zero has no length that a step could wipe out
    assert "learning-rate-too-high" not in seen


@pytest.mark.parametrize(("scale", "found"), [(1.0, True), (0.05, False)])
def test_a_recurrent_matrix_of_unit_normals_is_too_large(scale, found):
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.cell, self.head = nn.GRU(4, 64, batch_first=True), nn.Linear(64, 2)
            for weight in self.cell.parameters():
                nn.init.normal_(weight, std=scale) if weight.dim() > 1 else nn.init.zeros_(weight)

        def forward(self, x):
            return self.head(self.cell(x)[0][:, -1])

    generator = torch.Generator().manual_seed(0)
    x = torch.randn(400, 15, 4, generator=generator)
    model = Reader()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    seen = grave(watched(model, (x, (x[:, 0, 0] > 0).long()), optimizer))
    assert ("bad-initialisation" in seen) == found


@pytest.mark.parametrize("sleeps", [True, False])
def test_a_model_that_validation_left_in_evaluation_mode_is_told(sleeps):
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 2))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.05)
    seen = grave(watched(model, rows(), optimizer, train_mode=not sleeps))
    assert ("norm-wrong-mode" in seen) == sleeps


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_loss_that_was_wrapped_again_differentiates_nothing(wrapped):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def loss(output, target):
        plain = F.cross_entropy(output, target)
        return torch.tensor(float(plain.detach()), requires_grad=True) if wrapped else plain

    found = watched(model, rows(), optimizer, loss=loss)
    assert ("not-learning" in grave(found)) == wrapped


@pytest.mark.parametrize(("by", "found"), [(1000.0, True), (1.0, False)])
def test_a_loss_divided_once_too_often_is_told_from_one_that_is_not(by, found):
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    seen = grave(watched(model, rows(), optimizer, loss=lambda out, want: F.cross_entropy(out, want) / by))
    assert ("wrong-loss" in seen) == found


def test_inputs_that_do_not_reach_the_output_are_seen_before_the_run():
    class Masked(nn.Module):
        def __init__(self, share):
            super().__init__()
            torch.manual_seed(0)
            self.body, self.head, self.share = nn.Linear(8, 32), nn.Linear(32, 2), share

        def forward(self, x):
            return self.head(torch.relu(self.body(x * self.share)))

    x, y = rows()
    y = (x[:, 0] > 0).long()
    batch = (x[:64], y[:64])
    blind, seeing = (latih.check(Masked(share), batch, F.cross_entropy, train=(x, y)) for share in (0.0, 1.0))
    assert "not-learning" in grave(blind)
    assert seeing.healthy


@pytest.mark.parametrize("reachable", [True, False])
def test_a_loss_that_reads_what_the_model_kept_reads_the_copy_or_is_checked_on_the_model_itself(reachable):
    class Kept(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.body, self.head = nn.Linear(8, 32), nn.Linear(32, 2)

        def forward(self, x):
            self.code = torch.relu(self.body(x))
            return self.head(self.code)

    model, (x, y) = Kept(), rows()
    before = {name: one.clone() for name, one in model.state_dict().items()}
    held = model if reachable else [model]
    kept = (lambda: held.code) if reachable else (lambda: held[0].code)
    found = latih.check(model, (x, y), lambda out, want: F.cross_entropy(out, want) + 1e-4 * kept().square().mean())
    assert found.healthy
    assert any("the model itself" in note for note in found.record.notes) is not reachable
    assert all(torch.equal(one, before[name]) for name, one in model.state_dict().items())
