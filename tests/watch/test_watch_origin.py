"""The first value that is not finite is traced to the layer and the op that made it."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih.watch import watch


class Around(nn.Module):
    """Two layers with something between them."""

    def __init__(self, between):
        super().__init__()
        self.first, self.between, self.last = nn.Linear(4, 6), Op(between), nn.Linear(6, 3)

    def forward(self, x):
        return self.last(self.between(self.first(x)))


class Op(nn.Module):
    def __init__(self, op):
        super().__init__()
        self.op = op

    def forward(self, x):
        return self.op(x)


def masked(x):
    """Legitimate infinities on the way, then a row without anything to attend to."""
    mask = torch.zeros_like(x, dtype=torch.bool)
    mask[:, 1] = True
    weights = x.masked_fill(mask, float("-inf")).softmax(1)
    return (weights * 0 + x.masked_fill(torch.ones_like(mask), float("-inf"))).softmax(1)


def train(model, loss=F.cross_entropy, steps=3, x=None, y=None, lost_from=2, **options):
    """Ordinary batches, and from `lost_from` on the one given."""
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    with watch(model, optimizer=optimizer, **options) as w:
        for step in range(steps + 1):
            ordinary = step < lost_from
            inputs = torch.randn(8, 4) if ordinary or x is None else x
            targets = torch.randint(3, (8,)) if ordinary or y is None else y
            optimizer.zero_grad()
            loss(model(inputs), targets).backward()
            optimizer.step()
    assert w.record.notes == []
    return w.record.origin


IN_THE_FORWARD = {
    "log of negative numbers": (lambda x: torch.log(x - 100), "aten.log"),
    "zero by zero": (lambda x: (x - x) / (x - x), "aten.div"),
    "exp": (lambda x: torch.exp(1000 * x.abs() + 100), "aten.exp"),
    "square root": (lambda x: torch.sqrt(-x.abs() - 1), "aten.sqrt"),
    "in place": (lambda x: x.clone().sub_(100).log_(), "aten.log_"),
    "a row that is masked away": (masked, "aten._softmax"),
}


@pytest.mark.parametrize("every", [None, 1, 100])
@pytest.mark.parametrize("name", IN_THE_FORWARD)
def test_in_the_forward_pass(name, every):
    op, wanted = IN_THE_FORWARD[name]
    origin = train(Around(op), every=every)
    assert (origin.layer, origin.op, origin.backward, origin.step) == ("between", wanted, False, 0)
    assert "between" in origin.what


def test_dropout_s_own_memory_is_not_taken_for_it():
    model = nn.Sequential(nn.Linear(4, 64), nn.Dropout(0.5), Op(lambda x: torch.log(x - 100)), nn.Linear(64, 3))
    origin = train(model)
    assert (origin.layer, origin.op) == ("2", "aten.log")


IN_THE_BACKWARD = {
    "sqrt at 0": (lambda x: torch.sqrt(x - x), "between", "SqrtBackward0"),
    "norm by hand at 0": (lambda x: x * (x - x).square().sum(1, keepdim=True).sqrt(), "between", "SqrtBackward0"),
    "power below 1 at 0": (lambda x: (x - x).pow(0.5), "between", "PowBackward0"),
}


@pytest.mark.parametrize("name", IN_THE_BACKWARD)
def test_in_the_backward_pass_before_the_weights_are_spoilt(name):
    op, layer, wanted = IN_THE_BACKWARD[name]
    origin = train(Around(op), every=100)
    assert (origin.layer, origin.op, origin.backward, origin.step) == (layer, wanted, True, 0)


def test_in_the_backward_pass_of_the_loss():
    def distance(output, target):
        return (output - output.detach() + 0 * target[:, None]).square().sum(1).sqrt().mean()

    origin = train(Around(torch.tanh), loss=distance)
    assert (origin.layer, origin.op, origin.backward) == ("loss", "sqrt", True)


def test_a_nan_in_a_batch():
    x = torch.randn(8, 4)
    x[3, 2] = float("nan")
    origin = train(Around(torch.tanh), x=x, every=100)
    assert (origin.layer, origin.op, origin.step) == ("", "input", 2)
    assert "1 values" in origin.what


def test_an_infinite_mask_among_the_inputs_is_nothing():
    class Masked(nn.Module):
        def __init__(self):
            super().__init__()
            self.attention, self.head = nn.TransformerEncoderLayer(4, 1, 4, batch_first=True), nn.Linear(4, 3)

        def forward(self, x, mask):
            return torch.log(self.head(self.attention(x, mask)).mean(1) - 100)

    model = Masked()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
    mask = nn.Transformer.generate_square_subsequent_mask(5)
    with watch(model, optimizer=optimizer) as w:
        F.cross_entropy(model(torch.randn(8, 5, 4), mask=mask), torch.randint(3, (8,))).backward()
        optimizer.step()
    assert w.record.origin.op == "aten.log"


def test_infinite_targets():
    y = torch.randn(8, 3)
    y[0, 0] = float("inf")
    origin = train(Around(torch.tanh), loss=F.mse_loss, lost_from=0, y=y)
    assert (origin.layer, origin.op, origin.what) == ("loss", "MseLossBackward0", "its targets are not finite")


@pytest.mark.parametrize("every", [1, 100])
def test_a_loss_written_by_hand(every):
    def likelihood(output, target):
        shares = (1000 * output).softmax(1) * (output > output.mean(1, keepdim=True))
        return -torch.log(shares).mean()

    origin = train(Around(torch.tanh), loss=likelihood, every=every)
    assert (origin.layer, origin.op) == ("loss", "LogBackward0")
    assert "between 0 and" in origin.what


def test_a_weight_that_was_not_finite_when_it_began():
    model = Around(torch.tanh)
    with torch.no_grad():
        model.first.bias[0] = float("nan")
    origin = train(model)
    assert (origin.layer, origin.op) == ("first.bias", "update")


def test_inside_a_recurrent_network():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 5, batch_first=True), nn.Linear(5, 3)

        def forward(self, x):
            return self.head(self.lstm(x[:, None] / 0)[0][:, -1])

    origin = train(Reader())
    assert (origin.layer, origin.op) == ("", "aten.div")


def test_functional_code_is_placed_in_the_module_that_runs_it():
    class Plain(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.randn(3, 4))

        def forward(self, x):
            return F.linear(x, self.weight).sub(50).log()

    origin = train(nn.Sequential(Plain()))
    assert (origin.layer, origin.op) == ("0", "aten.log")


def test_searching_changes_no_weight_and_no_random_number():
    ends = []
    start = Around(lambda x: torch.log(x + 2)).state_dict()
    for watched in (False, True):
        torch.manual_seed(3)
        model = nn.Sequential(Around(lambda x: torch.log(x + 2)), nn.Dropout(0.2))
        model[0].load_state_dict(start)
        optimizer = torch.optim.SGD([model[0].first.weight], lr=0.1)

        def loop(model=model, optimizer=optimizer):
            for _ in range(5):
                optimizer.zero_grad()
                F.cross_entropy(model(3 * torch.randn(8, 4)), torch.randint(3, (8,))).backward()
                if all(bool(one.grad.isfinite().all()) for one in model.parameters()):
                    optimizer.step()

        if watched:
            with watch(model, optimizer=optimizer) as w:
                loop()
            assert w.record.origin.op == "aten.log"
        else:
            loop()
        ends.append([*model.state_dict().values(), torch.get_rng_state()])
    assert all(torch.equal(one, other) for one, other in zip(*ends, strict=True))


def test_a_healthy_training_has_no_origin():
    assert train(Around(torch.tanh)) is None
