"""What the experiments of a check find out, compared with what is known."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from latih.diagnose import _probe_clock, examine
from latih.diagnose._check_batch import Batch
from latih.diagnose._probe_constant import best_constant
from latih.diagnose._probe_data import drawn
from latih.diagnose._probe_order import order_p
from latih.diagnose._stuck import unfit
from latih.watch import association_of


def data(count: int = 300, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 5, generator=generator)
    return inputs, (inputs[:, 0] > 0).long()


def net(last: nn.Module | None = None) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 24), nn.ReLU(), nn.Linear(24, 2), *([last] if last else []))


def first(count: int = 32) -> tuple[torch.Tensor, torch.Tensor]:
    return tuple(one[:count] for one in data())


def test_a_network_that_sees_its_inputs_comes_further_than_a_blind_one():
    record = examine(net(), first(), F.cross_entropy)
    assert record.probes.fit_safe[-1] < 0.2 < 0.6 < record.probes.blind[-1]
    assert unfit(record) is None


def test_a_network_that_cannot_see_comes_no_further():
    model = net()
    nn.init.zeros_(model[0].weight)
    model[0].requires_grad_(False)
    assert unfit(examine(model, first(), F.cross_entropy))["should_be_lower_by"] == 0.03


def test_dropout_does_not_make_a_probe_random():
    model = nn.Sequential(nn.Linear(5, 24), nn.Dropout(0.5), nn.ReLU(), nn.Linear(24, 2))
    probes = examine(model, first(), F.cross_entropy).probes
    assert probes.fit_safe == sorted(probes.fit_safe, reverse=True) or probes.fit_safe[-1] < 0.5 * probes.fit_safe[0]
    assert examine(model, first(), F.cross_entropy).probes == probes


def test_the_user_s_optimizer_is_the_one_that_is_tried():
    model = net()
    slow = examine(model, first(), F.cross_entropy, optimizer=torch.optim.SGD(model.parameters(), lr=1e-9)).probes
    wild = examine(model, first(), F.cross_entropy, optimizer=torch.optim.SGD(model.parameters(), lr=1e12)).probes
    assert max(slow.fit) - min(slow.fit) < 1e-6
    assert wild.fit[-1] is None or wild.fit[-1] > 100 * wild.fit[0]
    assert slow.fit_safe == wild.fit_safe


def test_lbfgs_is_given_its_closure():
    model = net()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.5)
    assert examine(model, first(), F.cross_entropy, optimizer=optimizer).probes.fit[-1] < 0.05


def test_more_than_the_budget_is_not_spent_and_the_notes_say_so(monkeypatch):
    monkeypatch.setattr(_probe_clock, "BUDGET", 0.0)
    monkeypatch.setattr(_probe_clock.Clock.__init__, "__defaults__", (0.0,))
    record = examine(net(), first(), F.cross_entropy)
    assert record.probes.fit_safe is None
    assert any("too long" in note for note in record.notes)
    assert len(record.samples) == 1


class Modes(nn.Module):
    def __init__(self, change: float):
        super().__init__()
        self.body, self.change = net(), change

    def forward(self, inputs):
        return self.body(inputs) * (1.0 if self.training else self.change)


@pytest.mark.parametrize(("change", "gap"), [(1.0, 0.0), (3.0, 2.0)])
def test_the_gap_between_modes_is_in_deviations_of_the_output(change, gap):
    model = Modes(change)
    nn.init.zeros_(model.body[2].bias)
    output = model(first()[0]).detach()
    expected = gap * float(output.square().mean().sqrt() / output.std(correction=0))
    assert examine(model, first(), F.cross_entropy).probes.eval_gap == pytest.approx(expected, abs=1e-5)


def test_a_batch_norm_that_has_seen_no_batch_is_no_gap():
    model = nn.Sequential(nn.Linear(5, 24), nn.BatchNorm1d(24), nn.ReLU(), nn.Dropout(0.5), nn.Linear(24, 2))
    with torch.no_grad():
        model[0].weight.mul_(30)
    assert examine(model, first(), F.cross_entropy).probes.eval_gap < 0.05
    model[1].num_batches_tracked += 1
    assert examine(model, first(), F.cross_entropy).probes.eval_gap > 0.5


@pytest.mark.parametrize(
    ("loss", "targets", "expected"),
    [
        (lambda o, t: F.cross_entropy(o, t), torch.tensor([0, 0, 0, 1]), 0.5623),
        (lambda o, t: (o[:, 0] - t).abs().mean(), torch.tensor([0.0, 1.0, 2.0, 50.0]), 12.75),
        (lambda o, t: (o[:, 0] - t).square().mean(), torch.tensor([200.0, 201.0, 203.0, 204.0]), 2.5),
        (lambda o, t: -(o[:, 0] - t).square().mean(), torch.tensor([0.0, 1.0, 2.0, 3.0]), None),
        (lambda o, t: o.mean(), torch.tensor([0.0, 1.0, 2.0, 3.0]), None),
    ],
)
def test_the_best_constant_of_any_loss(loss, targets, expected):
    output = torch.zeros(4, 2)
    assert best_constant(loss, output, Batch(torch.zeros(4, 1), targets)) == (
        expected if expected is None else pytest.approx(expected, rel=0.02)
    )


def test_a_loss_that_nobody_knows_gets_a_baseline():
    inputs, labels = first()
    record = examine(net(), (inputs, labels), lambda o, t: (o.softmax(1) - F.one_hot(t, 2)).square().sum(1).mean())
    share = labels.double().mean()
    assert record.loss.baseline == pytest.approx(float(2 * share * (1 - share)), rel=0.02)
    assert sum(record.loss.classes.values()) == 32


def test_sorted_targets_are_told_from_shuffled_ones():
    generator = torch.Generator().manual_seed(3)
    values = torch.randn(400, generator=generator)
    labels = torch.randint(4, (400,), generator=generator)
    assert order_p(values) > 0.01
    assert order_p(labels) > 0.01
    assert order_p(values.sort().values) < 1e-9
    assert order_p(labels.sort().values) < 1e-9
    assert order_p(torch.zeros(400, dtype=torch.long)) is None


def test_the_p_value_of_order_is_uniform_under_chance():
    generator = torch.Generator().manual_seed(4)
    values = [order_p(torch.randint(3, (200,), generator=generator)) for _ in range(200)]
    assert 0.02 < sum(one < 0.1 for one in values) / 200 < 0.2


@pytest.mark.parametrize("kind", ["classes", "values", "tokens"])
def test_association_says_related_and_does_not_see_it_where_there_is_none(kind):
    generator = torch.Generator().manual_seed(5)
    inputs, labels = data(400)
    if kind == "values":
        labels = inputs[:, 1].sin() + 0.1 * torch.randn(400, generator=generator)
    if kind == "tokens":
        inputs = torch.randint(100, (400, 12), generator=generator) + 100 * labels[:, None]
    shuffled = labels[torch.randperm(400, generator=generator)]
    assert association_of(inputs, labels)[0] < 1e-6
    assert association_of(inputs, shuffled)[0] > 1e-3


def test_training_data_are_read_from_whatever_holds_them():
    inputs, labels = data(60)
    pairs = TensorDataset(inputs, labels)
    for source in [(inputs, labels), (inputs.numpy(), labels.numpy()), pairs, list(pairs)]:
        found = drawn(source)
        assert found.examples == 60
        assert torch.equal(found.inputs, inputs)
        assert torch.equal(found.targets, labels)
    assert drawn(pair for pair in pairs) is None


def test_a_loader_is_asked_for_its_order_and_left_as_it_was():
    inputs, labels = data(60)
    generator = torch.Generator().manual_seed(0)
    loader = DataLoader(TensorDataset(inputs, labels.sort().values), 8, shuffle=True, generator=generator)
    before = generator.get_state()
    found = drawn(loader)
    assert torch.equal(generator.get_state(), before)
    assert order_p(found.order) > 1e-3
    assert order_p(drawn(DataLoader(loader.dataset, 8)).order) < 1e-6


def test_order_and_association_stand_in_the_record():
    inputs, labels = data(300)
    probes = examine(net(), first(), F.cross_entropy, train=(inputs, labels)).probes
    assert probes.association < 1e-9
    assert probes.association_size == 300
    assert 0 < probes.order <= 1
    assert math.isfinite(probes.order)
