"""Autocast, scalers, compiled and distributed models, functional calls."""

import copy

import pytest
import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import nn

from latih.watch import watch


def net():
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))


def batches(count=6):
    make = torch.Generator().manual_seed(0)
    return [(torch.randn(8, 4, generator=make), torch.randint(3, (8,), generator=make)) for _ in range(count)]


def run(model, call=None, optimizer=None):
    call, optimizer = call or model, optimizer or torch.optim.SGD(model.parameters(), lr=0.1)
    losses = []
    for x, y in batches():
        optimizer.zero_grad()
        loss = F.cross_entropy(call(x), y)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.state_dict().values(), other.state_dict().values(), strict=True))


def test_autocast_trains_bit_identically_and_measures_in_full_precision():
    def loop(model, optimizer):
        for x, y in batches():
            optimizer.zero_grad()
            with torch.autocast("cpu", torch.bfloat16):
                loss = F.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()

    model = net()
    model[0].bias.requires_grad_(False)
    twin = copy.deepcopy(model)
    out = torch.nn.functional.linear(batches()[0][0].bfloat16(), model[0].weight.bfloat16(), model[0].bias.bfloat16())
    loop(twin, torch.optim.SGD(twin.parameters(), lr=0.1))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer=optimizer, every=1) as w:
        loop(model, optimizer)
    assert same(model, twin)
    assert model[0].bias.grad is None
    assert w.record.notes == []
    assert len(w.record.losses) == 6
    assert w.record.samples[0].readings[0].out_std == pytest.approx(
        float(out.detach().float().std(correction=0)), rel=1e-6
    )


@pytest.mark.parametrize("unscale", [True, False])
@pytest.mark.parametrize("fused", [True, False])
def test_a_scaled_loss_is_recorded_as_it_was_and_so_are_its_gradients(fused, unscale):
    model = net()
    twin = copy.deepcopy(model)
    plain = torch.optim.SGD(twin.parameters(), lr=0.1)
    with watch(twin, optimizer=plain, every=1) as wanted:
        losses = run(twin, optimizer=plain)
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, fused=fused)
    with watch(model, optimizer=optimizer, every=1) as w:
        for x, y in batches():
            optimizer.zero_grad()
            scaler.scale(F.cross_entropy(model(x), y)).backward()
            if unscale:
                scaler.unscale_(optimizer)
            scaler.step(optimizer)
            scaler.update()
    assert w.record.losses == pytest.approx(losses)
    assert w.record.loss.kind == "cross_entropy"
    for one, other in zip(w.record.samples, wanted.record.samples, strict=True):
        assert one.grad_norm == pytest.approx(other.grad_norm)
        assert one.clipped == pytest.approx(0.0, abs=1e-5)
        for ours, theirs in zip(one.readings, other.readings, strict=True):
            for key in ("grad_norm", "grad_std", "weight_grad", "weight_change"):
                assert getattr(ours, key) == pytest.approx(getattr(theirs, key), rel=1e-4)


def test_a_step_that_a_scaler_leaves_out_is_no_update():
    model = net()
    scaler = torch.amp.GradScaler("cpu", init_scale=1024.0)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    kept = []
    with watch(model, optimizer=optimizer, every=1) as w:
        for number, (x, y) in enumerate(batches()):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(x), y)
            scaler.scale(loss).backward()
            if number % 2:
                model[0].weight.grad[0, 0] = float("inf")
            else:
                kept.append(loss.item())
            scaler.step(optimizer)
            scaler.update()
    assert w.record.updates == 3
    assert w.record.losses == kept
    assert w.record.origin is None
    assert all(sample.grad_norm is not None for sample in w.record.samples)


@pytest.mark.parametrize("order", ["before", "after", "outside"])
def test_a_compiled_model_trains_as_without_us_and_weights_are_measured(order):
    def compiled(model):
        return torch.compile(model, backend="aot_eager")

    torch._dynamo.reset()
    model = net()
    twin = copy.deepcopy(model)
    losses = run(twin, compiled(twin))
    torch._dynamo.reset()
    call = None if order == "after" else compiled(model)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(call if order == "before" else model, optimizer=optimizer, every=1) as w:
        assert run(model, call or compiled(model), optimizer) == losses
    assert same(model, twin)
    assert w.record.losses == losses
    sample = w.record.samples[-1]
    weights = [one for one in sample.readings if one.weight_change is not None]
    assert len(weights) == 2
    assert all(one.weight_grad > 0 for one in weights)
    assert any("compiled" in note for note in w.record.notes)
    assert torch.overrides._get_current_function_mode_stack() == []


@pytest.fixture
def group(tmp_path):
    dist.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    yield
    dist.destroy_process_group()


@pytest.mark.parametrize("whole", [True, False])
def test_a_distributed_model_is_seen_inside(group, whole):
    model = net()
    twin = copy.deepcopy(model)
    losses = run(twin)
    wrapped = nn.parallel.DistributedDataParallel(model)
    optimizer = torch.optim.SGD(wrapped.parameters(), lr=0.1)
    with watch(wrapped if whole else model, optimizer=optimizer, every=1) as w:
        assert run(model, wrapped, optimizer) == losses
    assert same(model, twin)
    assert w.record.losses == losses
    assert [layer.name for layer in w.record.layers] == ["0", "2"]
    assert w.record.samples[0].readings[0].out_std > 0
    assert w.record.samples[-1].grad_norm > 0
    assert w.record.notes == []


def test_a_functional_call_with_the_model_s_own_parameters_is_seen():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer=optimizer, every=1) as w:
        losses = run(
            model, lambda x: torch.func.functional_call(model, dict(model.named_parameters()), (x,)), optimizer
        )
    assert w.record.losses == losses
    assert w.record.samples[0].readings[0].out_std > 0
    assert w.record.notes == []


def test_a_functional_call_with_other_tensors_is_said_in_the_notes():
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    def call(x):
        return torch.func.functional_call(model, {name: 1 * one for name, one in model.named_parameters()}, (x,))

    with watch(model, optimizer=optimizer, every=1) as w:
        losses = run(model, call, optimizer)
    assert w.record.losses == losses
    assert w.record.samples[0].readings[0].out_std is None
    assert w.record.samples[0].readings[0].weight_change > 0
    assert any("other tensors" in note for note in w.record.notes)


def test_transforms_inside_the_model_disturb_nothing():
    class Mapped(nn.Module):
        def __init__(self):
            super().__init__()
            self.inner, self.head = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.head(torch.func.vmap(lambda row: F.relu(self.inner(row)))(x))

    model = Mapped()
    twin = copy.deepcopy(model)
    run(twin)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer=optimizer, every=1) as w:
        run(model, None, optimizer)
    assert same(model, twin)
    assert w.record.samples[0].readings[-1].out_std > 0
