"""One optimizer step."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih import clip, optim, schedules
from latih.train import Step


def net(seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 3)).double()


def batch(n, seed=1):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 6, dtype=torch.float64, generator=generator)
    return x, torch.randint(3, (n,), generator=generator)


def make(model, schedule=None, cut=None, lr=0.1, **options):
    optimizer = optim.nag(lr=lr)(model)
    return Step(model, F.cross_entropy, optimizer, schedule or schedules.constant(), cut or clip.none(), **options)


def test_a_step_is_what_a_bare_torch_loop_does():
    model = net()
    reference = copy.deepcopy(model)
    step = make(model)
    optimizer = torch.optim.SGD(reference.parameters(), lr=0.1, momentum=0.9, nesterov=True)
    for seed in range(10):
        x, y = batch(8, seed)
        step(x, y)
        optimizer.zero_grad()
        loss = F.cross_entropy(reference(x), y)
        loss.backward()
        optimizer.step()
        torch.testing.assert_close(step.loss, loss.detach())
    for ours, theirs in zip(model.parameters(), reference.parameters(), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("parts", [2, 3, 5, 7])
@pytest.mark.parametrize("size", [5, 12, 13])
def test_a_batch_in_parts_gives_the_update_of_the_undivided_batch(parts, size):
    whole, divided = net(), net()
    cut = clip.norm(0.05)
    first, second = make(whole, cut=cut), make(divided, cut=cut, accumulate=parts)
    for seed in range(4):
        x, y = batch(size, seed)
        first(x, y)
        second(x, y)
        torch.testing.assert_close(second.loss, first.loss, rtol=1e-12, atol=1e-12)
        torch.testing.assert_close(second.output, first.output.detach(), rtol=1e-9, atol=1e-12)
    for a, b in zip(whole.parameters(), divided.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-10, atol=1e-12)


def test_the_schedule_is_counted_in_updates_and_keeps_the_ratio_between_groups():
    model = net()
    optimizer = torch.optim.SGD(
        [{"params": model[0].parameters(), "lr": 0.2}, {"params": model[2].parameters(), "lr": 0.1}]
    )
    step = Step(model, F.cross_entropy, optimizer, schedules.power(steps=2), clip.none())
    rates = []
    for seed in range(4):
        step(*batch(8, seed))
        rates.append([group["lr"] for group in optimizer.param_groups])
    factors = [1, 2 / 3, 1 / 2, 2 / 5]
    assert rates == [pytest.approx([0.2 * factor, 0.1 * factor]) for factor in factors]


def test_one_cycle_mirrors_the_momentum():
    model = net()
    step = make(model, schedules.one_cycle(steps=10))
    seen = []
    for seed in range(10):
        step(*batch(8, seed))
        seen.append((step.lr, step.optimizer.param_groups[0]["momentum"]))
    fastest = max(range(10), key=lambda place: seen[place][0])
    assert seen[fastest][1] == min(momentum for _, momentum in seen)


def test_watching_a_step_sees_the_clipped_gradients():
    model = net()
    norms = []

    def look(event):
        if event == "on_gradients":
            norms.append(float(nn.utils.get_total_norm([p.grad for p in model.parameters()])))

    step = make(model, cut=clip.norm(0.01), notify=look)
    step(*batch(8))
    assert norms[0] == pytest.approx(0.01)
    assert float(step.clipped.norm) > 0.01


def test_bfloat16_autocast_trains_close_to_float32():
    torch.manual_seed(0)
    model = nn.Linear(6, 3)
    twin = copy.deepcopy(model)
    x, y = batch(32)
    first, second = make(model), make(twin, precision="bfloat16")
    for _ in range(20):
        first(x.float(), y)
        second(x.float(), y)
    assert second.optimizer.param_groups[0]["params"][0].dtype == torch.float32
    assert float(second.loss) == pytest.approx(float(first.loss), rel=0.02)


@pytest.mark.slow
def test_a_compiled_forward_gives_the_update_of_the_plain_one():
    plain, compiled = net(), net()
    first, second = make(plain), make(compiled, compiled=True)
    for seed in range(3):
        first(*batch(8, seed))
        second(*batch(8, seed))
    for a, b in zip(plain.parameters(), compiled.parameters(), strict=True):
        torch.testing.assert_close(a, b, rtol=1e-9, atol=1e-12)
