"""Every number of a reading equals a direct computation in float64."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih.watch import watch

BATCH = 16


class Convolutional(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 4, 3, bias=False), nn.BatchNorm2d(4), nn.Linear(64, 3)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.conv(x))).flatten(1))


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.head = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(F.relu(x + self.second(F.relu(self.first(x)))))


class Raw(nn.Module):
    def __init__(self):
        super().__init__()
        self.matrix = nn.Parameter(torch.randn(5, 6))
        self.head = nn.Linear(5, 3)

    def forward(self, x):
        return self.head(F.linear(x, self.matrix).sigmoid())


class Tied(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 6)

    def forward(self, x):
        return F.linear(torch.tanh(self.table(x)).mean(1), self.table.weight)


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.head = nn.Linear(6, 6), nn.Linear(6, 3)

    def forward(self, x):
        return self.head(F.elu(self.inner(F.elu(self.inner(x)))))


def mlp():
    return nn.Sequential(nn.Linear(6, 8), nn.ReLU(inplace=True), nn.Linear(8, 5), nn.Tanh(), nn.Linear(5, 3))


def floats(*shape):
    return lambda: torch.randn(BATCH, *shape, dtype=torch.float64)


def tokens():
    return torch.randint(9, (BATCH, 4))


CASES = {
    # name -> model, inputs, {layer: function from inputs to (what it puts out, what its activation puts out)}
    "mlp": (
        mlp,
        floats(6),
        {
            "0": lambda m, x: (m[0](x), m[0](x).relu()),
            "2": lambda m, x: (m[2](m[0](x).relu()), m[2](m[0](x).relu()).tanh()),
            "4": lambda m, x: (m(x), None),
        },
    ),
    "convolution with batch norm": (
        Convolutional,
        floats(3, 6, 6),
        {"conv": lambda m, x: (m.conv(x), m.norm(m.conv(x)).relu()), "head": lambda m, x: (m(x), None)},
    ),
    "residual, functional relu": (
        Residual,
        floats(6),
        {
            "first": lambda m, x: (m.first(x), m.first(x).relu()),
            "second": lambda m, x: (m.second(m.first(x).relu()), (x + m.second(m.first(x).relu())).relu()),
        },
    ),
    "raw parameter": (Raw, floats(6), {"matrix": lambda m, x: (x @ m.matrix.T, (x @ m.matrix.T).sigmoid())}),
    "tied": (Tied, tokens, {"table": lambda m, x: (m.table(x), m.table(x).tanh())}),
    "called twice": (Twice, floats(6), {"inner": lambda m, x: (m.inner(x), F.elu(m.inner(x)))}),
}


def effective_rank(values):
    rows = values.detach().reshape(len(values), -1)
    sizes = torch.linalg.svdvals(rows - rows.mean(0))
    shares = sizes[sizes > 1e-9 * sizes[0]] / sizes.sum()
    return math.exp(-(shares * shares.log()).sum()) / min(len(rows) - 1, rows.shape[1])


def train(model, x, y, optimizer, loss=F.cross_entropy, steps=1, clip=None, **options):
    with watch(model, optimizer=optimizer, **options) as w:
        for _ in range(steps):
            optimizer.zero_grad()
            loss(model(x), y).backward()
            if clip:
                nn.utils.clip_grad_norm_(model.parameters(), clip)
            optimizer.step()
    assert w.record.notes == []
    return w.record


@pytest.mark.parametrize("name", CASES)
def test_activations_and_gradients_equal_a_direct_computation(name):
    make, inputs, layers = CASES[name]
    torch.manual_seed(0)
    model, x, y = make().double(), inputs(), torch.randint(3, (BATCH,))
    wanted = {}
    for layer, compute in layers.items():
        out, active = compute(model, x)
        wanted[layer] = {"out_mean": out.mean(), "out_std": out.std(correction=0)}
        if active is not None:
            rows = active.reshape(BATCH, -1)
            wanted[layer] |= {"mean": active.mean(), "std": active.std(correction=0), "rank": effective_rank(active)}
            wanted[layer]["zeros"] = (active == 0).double().mean()
            wanted[layer]["alive_spread"] = rows.var(0, correction=0).mean().sqrt() / rows.std(correction=0)
    record = train(model, x, y, torch.optim.SGD(model.parameters(), lr=0.1))
    found = {reading.layer: reading for reading in record.samples[0].readings}
    for layer, numbers in wanted.items():
        for key, value in numbers.items():
            value = float(value.detach()) if isinstance(value, torch.Tensor) else value
            close = pytest.approx(value, abs=1e-6) if key == "zeros" else pytest.approx(value, rel=1e-9, abs=1e-12)
            assert getattr(found[layer], key) == close, (layer, key)


def test_the_gradient_that_comes_back_to_a_layer_is_autograd_s():
    model, x, y = mlp().double(), floats(6)(), torch.randint(3, (BATCH,))
    first = model[0](x).detach().requires_grad_()
    F.cross_entropy(model[4](model[2](first.relu()).tanh()), y).backward()
    model.zero_grad()
    record = train(model, x, y, torch.optim.SGD(model.parameters(), lr=0.1))
    reading = record.samples[0].readings[0]
    assert reading.grad_norm == pytest.approx(float(first.grad.norm()), rel=1e-9)
    assert reading.grad_mean == pytest.approx(float(first.grad.mean()), rel=1e-9)
    assert reading.grad_std == pytest.approx(float(first.grad.std(correction=0)), rel=1e-9)


@pytest.mark.parametrize("clip", [None, 1e-3])
@pytest.mark.parametrize("method", [torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_the_update_is_the_true_one_with_clipping_and_weight_decay(method, clip):
    model, x, y = mlp().double(), floats(6)(), torch.randint(3, (BATCH,))
    optimizer = method(model.parameters(), lr=0.05, weight_decay=0.1)
    before = [one.detach().clone() for one in model.parameters()]
    F.cross_entropy(model(x), y).backward()
    gradients = [one.grad for one in model.parameters()]
    whole = float(torch.cat([one.flatten() for one in gradients]).norm())
    weight_grad = float(gradients[0].norm())
    sample = train(model, x, y, optimizer, clip=clip).samples[0]
    reading, after = sample.readings[0], model[0].weight.detach()
    assert reading.weight_change == pytest.approx(float((after - before[0]).norm() / before[0].norm()), rel=1e-9)
    assert reading.weight_norm == pytest.approx(float(before[0].norm()), rel=1e-9)
    assert reading.weight_std == pytest.approx(float(before[0].std(correction=0)), rel=1e-9)
    assert reading.weight_grad == pytest.approx(weight_grad, rel=1e-9)
    assert sample.grad_norm == pytest.approx(whole, rel=1e-9)
    assert sample.clipped == pytest.approx(0.0 if clip is None else 1 - clip / (whole + 1e-6), abs=1e-5)


def test_saturation_is_the_share_beyond_where_the_slope_is_a_hundredth():
    model = nn.Sequential(nn.Linear(6, 50), nn.Tanh(), nn.Linear(50, 3)).double()
    nn.init.normal_(model[0].weight, std=2)
    x, y = floats(6)(), torch.randint(3, (BATCH,))
    slope = 1 - model[0](x).tanh() ** 2
    wanted = float((slope < 0.01).double().mean())
    record = train(model, x, y, torch.optim.SGD(model.parameters(), lr=1e-12))
    assert 0.1 < wanted < 0.9
    assert record.samples[0].readings[0].saturated == pytest.approx(wanted, abs=1e-6)


def test_a_unit_is_dead_when_it_was_flat_in_all_samples_of_the_window():
    model = nn.Sequential(nn.Linear(2, 10), nn.ReLU(), nn.Linear(10, 2))
    with torch.no_grad():
        model[0].weight.fill_(0)
        model[0].bias.copy_(torch.tensor([-1.0] * 4 + [1.0] * 6))
        model[0].weight[3, 0] = 100.0  # dead on all batches but one
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    with watch(model, optimizer=optimizer, every=1) as w:
        for step in range(8):
            x = torch.zeros(4, 2) if step != 1 else torch.ones(4, 2)
            F.cross_entropy(model(x), torch.tensor([0, 1, 0, 1])).backward()
            optimizer.step()
            optimizer.zero_grad()
    dead = [sample.readings[0].dead for sample in w.record.samples]
    assert dead == pytest.approx([0.4, 0.3, 0.3, 0.3, 0.3, 0.4, 0.4, 0.4])


def test_a_recurrent_network_shows_its_states():
    class Reader(nn.Module):
        def __init__(self, first):
            super().__init__()
            self.lstm, self.head = nn.LSTM(6, 5, num_layers=2, batch_first=first), nn.Linear(5, 3)

        def forward(self, x):
            x = x if self.lstm.batch_first else x.transpose(0, 1)
            states = self.lstm(x)[0]
            return self.head(states[:, -1] if self.lstm.batch_first else states[-1])

    for first in (True, False):
        model, x, y = Reader(first).double(), floats(7, 6)(), torch.randint(3, (BATCH,))
        fed = x if first else x.transpose(0, 1)
        states = model.lstm(fed)[0].detach()
        states = states if first else states.transpose(0, 1)
        record = train(model, x, y, torch.optim.SGD(model.parameters(), lr=0.1))
        found = {reading.layer: reading for reading in record.samples[0].readings}
        names = ["lstm.weight_ih_l0", "lstm.weight_hh_l0", "lstm.weight_ih_l1", "lstm.weight_hh_l1", "head"]
        assert [layer.name for layer in record.layers] == names == list(found)
        for name in names[2:4]:
            assert found[name].std == pytest.approx(float(states.std(correction=0)), rel=1e-9)
            assert found[name].rank == pytest.approx(effective_rank(states), rel=1e-9)
        assert found[names[0]].std is None
        assert found[names[0]].weight_change is not None


@pytest.mark.parametrize("first", [True, False])
def test_a_transformer_layer_is_seen_with_its_examples(first):
    model = nn.Sequential(nn.TransformerEncoderLayer(8, 2, 12, dropout=0.0, batch_first=first)).double()
    x = torch.randn(5, 7, 8, dtype=torch.float64)
    inside = model[0]
    attended = inside.norm1(x + inside.self_attn(x, x, x)[0])
    out = inside.linear1(attended).detach()
    active = out.relu() if first else out.relu().transpose(0, 1)
    own = inside.self_attn(x, x, x)[0].detach()
    record = train(model, x, torch.zeros_like(x), torch.optim.SGD(model.parameters(), lr=0.1), loss=F.mse_loss)
    found = {reading.layer: reading for reading in record.samples[0].readings}
    assert found["0.linear1"].out_std == pytest.approx(float(out.detach().std(correction=0)), rel=1e-9)
    assert found["0.linear1"].rank == pytest.approx(effective_rank(active), rel=1e-9)
    assert found["0.self_attn.out_proj"].out_std == pytest.approx(float(own.std(correction=0)), rel=1e-9)
    assert found["0.self_attn"].out_std is None
    assert found["0.self_attn"].weight_grad > 0


def test_a_parametrized_weight_is_followed_to_what_it_is_made_of():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(6, 8)), nn.ReLU(), nn.Linear(8, 3)).double()
    x, y = floats(6)(), torch.randint(3, (BATCH,))
    out = model[0](x).detach()
    record = train(model, x, y, torch.optim.SGD(model.parameters(), lr=0.1))
    layer = record.layers[0]
    found = {reading.layer: reading for reading in record.samples[0].readings}
    assert found[layer.name].out_std == pytest.approx(float(out.detach().std(correction=0)), rel=1e-9)


def test_sparse_gradients_are_measured():
    model = nn.Sequential(nn.Embedding(20, 6, sparse=True), nn.Flatten(), nn.Linear(24, 3)).double()
    x, y = tokens(), torch.randint(3, (BATCH,))
    F.cross_entropy(model(x), y).backward()
    wanted = float(model[0].weight.grad.to_dense().norm())
    record = train(model, x, y, torch.optim.SGD(model.parameters(), lr=0.1))
    assert record.samples[0].readings[0].weight_grad == pytest.approx(wanted, rel=1e-9)


def test_rates_are_noted_when_they_change():
    model, x, y = mlp(), torch.randn(BATCH, 6), torch.randint(3, (BATCH,))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.5)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 3, gamma=0.1)
    with watch(model, optimizer=optimizer) as w:
        for _ in range(7):
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()
            schedule.step()
    assert [update for update, _ in w.record.rates] == [0, 3, 6]
    assert [rate for _, rate in w.record.rates] == pytest.approx([0.5, 0.05, 0.005])


def test_what_the_loss_is_and_what_it_is_for_a_constant_output():
    model, x, y = mlp(), torch.randn(BATCH, 6), torch.randint(3, (BATCH,))
    record = train(model, x, y, torch.optim.SGD(model.parameters(), lr=0.1), steps=3)
    shares = torch.bincount(y, minlength=3).double() / BATCH
    assert (record.loss.kind, record.loss.reduction, record.loss.sign) == ("cross_entropy", "mean", 1)
    assert record.loss.baseline == pytest.approx(float(-(shares[shares > 0] * shares[shares > 0].log()).sum()))
    assert record.loss.classes == {label: 3 * int((y == label).sum()) for label in y.unique().tolist()}
    assert record.loss.outputs.shape == (BATCH, 3)


def test_a_loss_module_tells_its_targets():
    class Squares(nn.Module):
        def forward(self, output, target):
            return ((output - target) ** 2).mean()

    model, x, y, loss = nn.Linear(6, 2), torch.randn(BATCH, 6), torch.randn(BATCH, 2), Squares()
    with watch(model, optimizer=(sgd := torch.optim.SGD(model.parameters(), lr=0.1)), loss=loss) as w:
        loss(model(x), y).backward()
        sgd.step()
    assert w.record.loss.kind == "mse"
    assert w.record.loss.baseline == pytest.approx(float(y.double().var(0, correction=0).mean()))
