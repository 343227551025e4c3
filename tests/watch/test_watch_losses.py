"""The loss of every update is the loop's own, however the loop is written."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih.watch import watch


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 3))


def batches(count, seed=0):
    make = torch.Generator().manual_seed(seed)
    return [(torch.randn(8, 4, generator=make), torch.randint(3, (8,), generator=make)) for _ in range(count)]


def sgd(model, **options):
    return torch.optim.SGD(model.parameters(), lr=0.1, **options)


def step(model, optimizer, x, y):
    loss = F.cross_entropy(model(x), y)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


@pytest.mark.parametrize("given", [True, False])
@pytest.mark.parametrize("every", [None, 1, 7])
def test_losses_of_all_updates_are_the_loop_s_bit_for_bit(given, every):
    model = net()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer if given else None, every=every) as w:
        losses = [step(model, optimizer, x, y) for x, y in batches(40)]
    assert w.record.losses == losses
    assert w.record.updates == 40
    assert w.record.notes == []
    assert [sample.step for sample in w.record.samples][:2] == [0, every or 1]


def test_without_an_optimizer_an_update_by_hand_is_noticed_and_its_size_known():
    model = net()
    with watch(model, every=1) as w:
        for x, y in batches(5):
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            before = model[0].weight.detach().clone()
            with torch.no_grad():
                for one in model.parameters():
                    one -= 0.1 * one.grad
                    one.grad = None
    assert w.record.updates == 5
    assert w.record.losses[-1] == loss.item()
    wanted = float((model[0].weight.detach() - before).norm() / before.norm())
    assert w.record.samples[-1].readings[0].weight_change == pytest.approx(wanted, rel=1e-5)


def test_under_accumulation_the_losses_add_up_and_nothing_is_stale():
    model, total = net(), []
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer, every=1) as w:
        for _ in range(4):
            optimizer.zero_grad()
            parts = [F.cross_entropy(model(x), y) / 3 for x, y in batches(3)]
            for part in parts:
                part.backward()
            gradient = torch.cat([one.grad.flatten() for one in model.parameters()]).norm().item()
            optimizer.step()
            total.append(sum(part.item() for part in parts))
    assert w.record.losses == total
    assert w.record.stale_updates == 0
    assert {sample.stale_gradient for sample in w.record.samples} <= {None, 0.0}
    assert w.record.samples[-1].grad_norm == pytest.approx(gradient)


@pytest.mark.parametrize("to_none", [True, False])
@pytest.mark.parametrize("where", ["before the forward pass", "before backward", "after the step"])
def test_a_gradient_that_is_zeroed_anywhere_is_not_stale(where, to_none):
    model = net()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer, every=1) as w:
        for x, y in batches(4):
            if where == "before the forward pass":
                optimizer.zero_grad(to_none)
            loss = F.cross_entropy(model(x), y)
            if where == "before backward":
                optimizer.zero_grad(to_none)
            loss.backward()
            optimizer.step()
            if where == "after the step":
                optimizer.zero_grad(to_none)
    assert w.record.stale_updates == 0
    assert not any(sample.stale_gradient for sample in w.record.samples)


def test_a_missing_zero_grad_is_known_for_every_update():
    model = net()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer, every=5) as w:
        for x, y in batches(12):
            before = (
                torch.cat([one.grad.flatten() for one in model.parameters()]).norm()
                if model[0].bias.grad is not None
                else None
            )
            F.cross_entropy(model(x), y).backward()
            after = torch.cat([one.grad.flatten() for one in model.parameters()]).norm()
            if w.record.updates == 10:
                wanted = float(before / after)
            optimizer.step()
    assert w.record.stale_updates == 11
    assert [sample.step for sample in w.record.samples] == [0, 5, 10]
    assert w.record.samples[-1].stale_gradient == pytest.approx(wanted)


def test_several_backward_passes_over_one_graph_count_together():
    model = net()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer) as w:
        for x, y in batches(3):
            optimizer.zero_grad()
            output = model(x)
            one, other = F.cross_entropy(output, y), output.square().mean()
            one.backward(retain_graph=True)
            other.backward()
            optimizer.step()
    assert w.record.losses[-1] == one.item() + other.item()


def test_a_list_of_losses_is_differentiated_at_once():
    model = net()
    optimizer = sgd(model)
    ((x, y),) = batches(1)
    with watch(model, optimizer=optimizer) as w:
        losses = [F.cross_entropy(model(x), y), model(x).square().mean()]
        torch.autograd.backward(losses)
        optimizer.step()
    assert w.record.losses == [losses[0].item() + losses[1].item()]


@pytest.mark.parametrize("zero_first", [True, False])
def test_of_two_networks_that_play_against_each_other_each_has_its_own_losses(zero_first):
    maker, judge = nn.Linear(2, 4), nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    ours, theirs = sgd(maker), sgd(judge)
    made, judged = [], []
    with watch(maker, optimizer=ours, every=2) as m, watch(judge, optimizer=theirs, every=2) as j:
        for x, _ in batches(7):
            theirs.zero_grad()
            real = F.softplus(-judge(x)).mean()
            real.backward()
            if not zero_first:
                fake_batch = maker(torch.randn(8, 2))
            else:
                with torch.no_grad():
                    fake_batch = maker(torch.randn(8, 2))
            fake = F.softplus(judge(fake_batch.detach())).mean()
            fake.backward()
            theirs.step()
            ours.zero_grad()
            wins = F.softplus(-judge(maker(torch.randn(8, 2)))).mean()
            wins.backward()
            ours.step()
            made.append(wins.item())
            judged.append(real.item() + fake.item())
    assert m.record.losses == made
    assert j.record.losses == judged
    assert m.record.stale_updates == j.record.stale_updates == 0
    assert len(m.record.samples) == len(j.record.samples) == 4
    assert m.record.notes == j.record.notes == []


def test_of_a_closure_the_evaluation_at_the_old_weights_counts():
    model = net()
    optimizer = torch.optim.LBFGS(model.parameters(), lr=0.1, max_iter=5)
    ((x, y),) = batches(1)
    first = []

    def closure():
        optimizer.zero_grad()
        loss = F.cross_entropy(model(x), y)
        loss.backward()
        seen.append(loss.item())
        return loss

    with watch(model, optimizer=optimizer, every=1) as w:
        for _ in range(4):
            seen, before = [], model[0].weight.detach().clone()
            optimizer.step(closure)
            first.append(seen[0])
            assert len(seen) > 1
    assert w.record.losses == first
    wanted = float((model[0].weight.detach() - before).norm() / before.norm())
    assert w.record.samples[-1].readings[0].weight_change == pytest.approx(wanted, rel=1e-5)
    assert w.record.samples[-1].clipped is None


@pytest.mark.parametrize("quiet", [True, False])
def test_validation_inside_the_block_is_not_counted(quiet):
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer, every=1) as w:
        for x, y in batches(4):
            model.eval()
            with torch.set_grad_enabled(not quiet):
                F.cross_entropy(model(100 * x), y)
            model.train()
            step(model, optimizer, x, y)
    assert len(w.record.losses) == len(w.record.samples) == 4
    assert all(sample.training for sample in w.record.samples)
    assert w.record.training
    assert all(sample.readings[0].out_std < 10 for sample in w.record.samples)


def test_a_model_that_trains_in_evaluation_mode_is_recorded_as_such():
    model = net().eval()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer) as w:
        step(model, optimizer, *batches(1)[0])
    assert not w.record.training
    assert not w.record.samples[0].training


def test_a_gradient_penalty_is_part_of_the_loss():
    model = nn.Sequential(nn.Linear(4, 8), nn.Softplus(), nn.Linear(8, 1))
    optimizer = sgd(model)
    x = batches(1)[0][0].requires_grad_()
    plain = model(x)
    inner = torch.autograd.grad(plain.mean(), x, create_graph=True)[0]
    loss = plain.mean() + inner.square().mean()
    before = torch.autograd.grad(loss, model.parameters())
    with watch(model, optimizer=optimizer, every=1) as w:
        output = model(x)
        (inner,) = torch.autograd.grad(output.mean(), x, create_graph=True)
        (output.mean() + inner.square().mean()).backward()
        optimizer.step()
    assert w.record.losses == [loss.item()]
    assert w.record.samples[0].readings[0].weight_grad == pytest.approx(before[0].norm().item(), rel=1e-5)
    assert w.record.notes == []


def test_a_loss_that_the_model_computes_itself_is_read():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net()

        def forward(self, x, labels=None):
            logits = self.net(x)
            return {"loss": F.cross_entropy(logits, labels), "logits": logits}

    model = Own()
    optimizer = sgd(model)
    ((x, y),) = batches(1)
    with watch(model, optimizer=optimizer) as w:
        loss = model(x, labels=y)["loss"]
        loss.backward()
        optimizer.step()
    assert w.record.losses == [loss.item()]
    assert (w.record.loss.kind, w.record.loss.ops) == ("cross_entropy", ["log_softmax", "nll", "mean"])
    assert w.record.loss.output_shape == (8, 3)
    assert [layer.activation for layer in w.record.layers] == ["tanh", "none"]


def test_updates_without_a_loss_are_said_in_the_notes():
    model = net()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer) as w:
        for x, y in batches(2):
            for one, gradient in zip(
                model.parameters(),
                torch.autograd.grad(F.cross_entropy(model(x), y), list(model.parameters())),
                strict=True,
            ):
                one.grad = gradient
            optimizer.step()
    assert w.record.updates == 2
    assert w.record.losses == []
    assert "backward()" in w.record.notes[0]


def test_a_loss_that_was_never_finite_is_none_and_training_goes_on():
    model = net()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer) as w:
        for x, y in batches(30):
            step(model, optimizer, x * float("nan"), y)
    assert w.record.losses == [None] * 30
    assert w.record.origin.op == "input"
    assert len(w.record.samples) < 15


def test_a_reentrant_checkpoint_hides_no_loss():
    class Saving(nn.Module):
        def __init__(self):
            super().__init__()
            self.net = net()

        def forward(self, x):
            return torch.utils.checkpoint.checkpoint(self.net, x, use_reentrant=True)

    model = Saving()
    optimizer = sgd(model)
    with watch(model, optimizer=optimizer, every=1) as w:
        losses = [step(model, optimizer, x.requires_grad_(), y) for x, y in batches(4)]
    assert w.record.losses == losses
    assert w.record.samples[-1].readings[0].weight_change > 0


def test_targets_of_a_loss_by_hand_are_not_blamed_for_outputs_that_are_lost():
    net = nn.Linear(3, 1)
    optimizer = torch.optim.SGD(net.parameters(), lr=1e30)
    with watch(net, optimizer=optimizer) as w:
        for _ in range(4):
            optimizer.zero_grad()
            (net(torch.randn(8, 3)) - torch.rand(8, 1)).square().mean().backward()
            optimizer.step()
    record = w.finish()
    assert record.losses[-1] is None
    assert record.loss.targets is None or record.loss.targets.non_finite == 0
