"""The published look-ahead: parameters at θ + βm, the iterates θ on request."""

import pytest
import torch

from latih import optim

CURVATURE = torch.tensor([3.0, 0.5, 1.0], dtype=torch.float64)
BEGIN = torch.tensor([1.0, -2.0, 0.3], dtype=torch.float64)


def rates(step):
    return 0.1 * (0.5 if step < 10 else 2.0 if step < 20 else 0.25)


def published(beta, steps):
    """m ← βm − η∇(θ + βm); θ ← θ + m, on the quadratic with these curvatures."""
    theta, m = BEGIN, torch.zeros(3, dtype=torch.float64)
    for step in range(steps):
        m = beta * m - rates(step) * CURVATURE * (theta + beta * m)
        theta = theta + m
        yield theta, m


def run(optimizer, w, steps):
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = rates(step)
        w.grad = CURVATURE * w.detach()
        optimizer.step()
        yield step


@pytest.mark.parametrize("beta", [0.5, 0.9])
def test_the_iterates_are_the_published_ones_while_the_rate_changes(beta):
    w = BEGIN.clone().requires_grad_()
    optimizer = optim.nesterov(momentum=beta)([w])
    for (theta, m), _ in zip(published(beta, 50), run(optimizer, w, 50), strict=True):
        torch.testing.assert_close(w.detach(), theta + beta * m, rtol=1e-12, atol=1e-14)
        ahead = w.detach().clone()
        optimizer.eval()
        torch.testing.assert_close(w.detach(), theta, rtol=1e-12, atol=1e-14)
        optimizer.train()
        assert torch.equal(w, ahead)


def test_nag_is_the_same_path_until_the_rate_changes():
    a, b = BEGIN.clone().requires_grad_(), BEGIN.clone().requires_grad_()
    apart = []
    ours, nag = optim.nesterov()([a]), optim.nag()([b])
    for _ in zip(run(ours, a, 15), run(nag, b, 15), strict=True):
        apart.append((a - b).abs().max().item())
    assert max(apart[:10]) < 1e-14
    assert min(apart[10:]) > 1e-3


def test_a_momentum_that_changes_is_used_by_the_look_ahead_it_makes():
    """β of step t leads to the look-ahead point of step t + 1, and the recursion there uses the same β."""
    w = BEGIN.clone().requires_grad_()
    optimizer = optim.nesterov(lr=0.1, momentum=0.9)([w])
    theta, m, beta = BEGIN, torch.zeros(3, dtype=torch.float64), 0.9
    for step in range(40):
        optimizer.param_groups[0]["momentum"] = following = 0.85 + 0.1 * (step % 5) / 5
        w.grad = CURVATURE * w.detach()
        optimizer.step()
        m = beta * m - 0.1 * CURVATURE * (theta + beta * m)
        theta, beta = theta + m, following
        torch.testing.assert_close(w.detach(), theta + beta * m, rtol=1e-12, atol=1e-14)
