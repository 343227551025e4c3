"""The verb: what it leaves behind, what it takes, and how it refuses."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih import InputError
from latih.diagnose import Finding, Findings, check, examine
from latih.watch import Record


def net(*middle: nn.Module) -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 32), *middle, nn.ReLU(), nn.Linear(32, 3))


def batch(count: int = 40) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    inputs = torch.randn(count, 6, generator=generator)
    return inputs, inputs[:, :3].argmax(1)


def state(model: nn.Module, optimizer: torch.optim.Optimizer) -> list:
    tensors = [*model.state_dict().values(), *(one.grad for one in model.parameters())]
    kept = [value for one in optimizer.state.values() for value in one.values()]
    return [one.clone() if isinstance(one, torch.Tensor) else one for one in [*tensors, *kept, torch.get_rng_state()]]


def test_everything_is_left_bit_identical():
    model = net(nn.BatchNorm1d(32), nn.Dropout(0.3)).eval()
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    model.train()
    F.cross_entropy(model(batch()[0]), batch()[1]).backward()
    optimizer.step()
    model.eval()
    gradients = [one.grad for one in model.parameters()]
    versions = [one._version for one in model.parameters()]
    before = state(model, optimizer)
    check(model, batch(), F.cross_entropy, optimizer=optimizer, train=batch(200))
    after = state(model, optimizer)
    assert all(torch.equal(a, b) if isinstance(a, torch.Tensor) else a == b for a, b in zip(before, after, strict=True))
    assert [one.grad for one in model.parameters()] == gradients or all(
        a is b for a, b in zip([one.grad for one in model.parameters()], gradients, strict=True)
    )
    assert [one._version for one in model.parameters()] == versions
    assert not model.training
    assert not any(one._forward_hooks or one._forward_pre_hooks for one in model.modules())


def test_gradients_that_a_loss_adds_to_the_model_itself_are_taken_back():
    model = net()
    model[0].weight.grad = torch.ones_like(model[0].weight)

    def penalised(output, target):
        return F.cross_entropy(output, target) + 1e-3 * model[0].weight.square().sum()

    check(model, batch(), penalised)
    assert torch.equal(model[0].weight.grad, torch.ones_like(model[0].weight))
    assert model[0].bias.grad is None


def test_an_optimizer_with_a_scheduler_is_not_stepped():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, 1)
    before = copy.deepcopy(model.state_dict())
    record = examine(model, batch(), F.cross_entropy, optimizer=optimizer)
    assert record.probes.fit[-1] < record.probes.fit[0]
    assert len(optimizer.state) == 0
    assert schedule.last_epoch == 0
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_record_holds_one_sample_and_no_training():
    model = net()
    record = examine(model, batch(), F.cross_entropy, optimizer="sgd(lr=0.1)", train=batch(300))
    assert (len(record.samples), record.losses, record.updates) == (1, [], 0)
    assert [one.activation for one in record.layers] == ["relu", "none"]
    assert record.samples[0].readings[0].weight_change > 0
    assert record.loss.kind == "cross_entropy"
    assert sum(record.loss.classes.values()) == 40
    assert record.batch_size == 40
    assert record.examples == 300
    assert record.optimizer.name == "sgd"


def test_without_an_optimizer_there_is_a_sample_all_the_same():
    record = examine(net(), batch(), F.cross_entropy)
    assert len(record.samples) == 1
    assert record.samples[0].readings[0].weight_grad > 0
    assert record.optimizer is None
    assert record.probes.fit is None


class Named(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = net()

    def forward(self, points, scale):
        return {"logits": self.body(points) * scale}


@pytest.mark.parametrize("pack", [lambda x: {"points": x, "scale": torch.ones(len(x), 1)}, lambda x: (x, 2.0)])
def test_inputs_may_be_a_dict_or_a_tuple_and_outputs_too(pack):
    inputs, labels = batch()
    record = examine(Named(), (pack(inputs), labels), lambda output, target: F.cross_entropy(output["logits"], target))
    assert record.probes.fit_safe[-1] < record.probes.blind[-1] - 0.1


class Uncopied(nn.Module):
    def __init__(self):
        super().__init__()
        self.body = net(nn.BatchNorm1d(32))

    def __deepcopy__(self, memo):
        raise TypeError("not this one")

    def forward(self, inputs):
        return self.body(inputs)


def test_a_model_that_cannot_be_copied_is_put_back():
    model = Uncopied()
    optimizer = torch.optim.Adam(model.parameters(), lr=0.05)
    before = [value.clone() for value in model.state_dict().values()]
    record = examine(model, batch(), F.cross_entropy, optimizer=optimizer)
    assert all(torch.equal(a, b) for a, b in zip(before, model.state_dict().values(), strict=True))
    assert record.probes.fit[-1] < record.probes.fit[0]
    assert any("cannot be copied" in note for note in record.notes)
    assert not optimizer.state


class Hooked(nn.Module):
    def __init__(self):
        super().__init__()
        self.body, self.seen = net(), {}
        self.body[1].register_forward_hook(self.keep)

    def keep(self, module, given, output):
        self.seen["hidden"] = output

    def forward(self, inputs):
        self.body(inputs)
        return self.body[2](self.seen.pop("hidden"))


def test_a_model_that_needs_its_own_hooks_has_them():
    assert examine(Hooked(), batch(), F.cross_entropy).probes.fit_safe is not None


def test_users_hooks_do_not_run():
    model, calls = net(), []
    model.register_forward_hook(lambda *_: calls.append(1))
    check(model, batch(), F.cross_entropy)
    assert calls == []


def test_a_loss_that_is_not_finite_is_no_exception():
    inputs, labels = batch()
    inputs[3, 2] = float("nan")
    record = examine(net(), (inputs, labels), F.cross_entropy)
    assert record.origin is not None
    assert record.probes.start_loss is None
    assert record.probes.fit_safe is None


def test_a_model_with_nothing_to_train_is_no_exception():
    model = net().requires_grad_(False)
    record = examine(model, batch(), F.cross_entropy)
    assert record.probes.fit_safe is None
    assert any("may learn" in note for note in record.notes)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((nn.ReLU(), batch(), F.cross_entropy), "has no parameters"),
        (("model", batch(), F.cross_entropy), "must be a torch.nn.Module"),
        ((net(), (torch.randn(4, 5), torch.zeros(4, dtype=torch.long)), F.cross_entropy), "layer '0' .Linear. fails"),
        ((net(), (batch()[0], torch.zeros(3, 3, 3)), F.cross_entropy), "the loss fails on an output of shape"),
        (
            (net(), batch(), lambda output, target: F.cross_entropy(output, target, reduction="none")),
            "must be a scalar",
        ),
        ((net(), batch(), lambda output, target: 1.0), "must be a scalar"),
        ((net(), batch(), "mse"), "must be a function"),
        ((net(), batch()[0], F.cross_entropy), "has no targets"),
        ((net(), (*batch(), 1), F.cross_entropy), "has 3 parts"),
    ],
)
def test_what_cannot_be_checked_is_refused_in_a_sentence(arguments, sentence):
    with pytest.raises(InputError, match=sentence) as told:
        check(*arguments)
    assert str(told.value).startswith("check(")
    assert "\n" not in str(told.value)


def test_an_optimizer_that_is_none_is_refused():
    with pytest.raises(InputError, match="optimizer must be"):
        check(net(), batch(), F.cross_entropy, optimizer=3)


def test_train_that_holds_no_pairs_is_refused():
    with pytest.raises(InputError, match="must hold pairs"):
        check(net(), batch(), F.cross_entropy, train=3)
    with pytest.raises(InputError, match="as many of both"):
        check(net(), batch(), F.cross_entropy, train=(torch.zeros(5, 6), torch.zeros(4)))
    with pytest.raises(InputError, match="must be a pair"):
        check(net(), batch(), F.cross_entropy, train=[torch.zeros(6)] * 40)


@pytest.mark.parametrize(("updates", "kept"), [(20, "warning"), (60, "info")])
def test_a_run_that_has_only_begun_takes_nothing_back(updates, kept):
    def said(severity):
        return Finding("L306", "loss-at-start", severity, "", {}, "why", "advice")

    before = Findings([said("warning")])
    later = Findings([said("info")], record=Record(losses=[1.0] * updates, ended=False))
    assert [one.severity for one in before | later] == [kept]
    assert [one.severity for one in before | Findings([said("error")], record=later.record)] == ["error"]
