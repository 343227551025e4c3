"""Every optimizer against its published recursion, written out plainly in float64, on every path of torch's."""

import inspect
import math

import pytest
import torch
from torch import nn

from latih import optim
from latih._notation import names
from latih.optim import decay_groups

STEPS, LR = 50, 0.01


def problem():
    """A small nonlinear regression; the middle layer is the hidden matrix."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 6), nn.Tanh(), nn.Linear(6, 2)).double()
    x, y = torch.randn(16, 5, dtype=torch.float64), torch.randn(16, 2, dtype=torch.float64)
    return model, lambda parameters: ((torch.func.functional_call(model, parameters, x) - y) ** 2).mean()


def sgd(w, g, s, t, decay):
    return w - LR * (g + decay * w)


def momentum(w, g, s, t, decay, beta=0.9):
    s["m"] = beta * s.get("m", 0) + g + decay * w
    return w - LR * s["m"]


def nag(w, g, s, t, decay, beta=0.9):
    g = g + decay * w
    s["v"] = beta * s.get("v", 0) + g
    return w - LR * (g + beta * s["v"])


def adagrad(w, g, s, t, decay):
    g = g + decay * w
    s["s"] = s.get("s", 0.1) + g**2
    return w - LR * g / (s["s"].sqrt() + 1e-10)


def rmsprop(w, g, s, t, decay, rho=0.9):
    g = g + decay * w
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g**2
    return w - LR * g / (s["s"].sqrt() + 1e-8)


def rmsprop_inside(w, g, s, t, decay, rho=0.9):
    g = g + decay * w
    s["s"] = rho * s.get("s", 0) + (1 - rho) * g**2
    return w - LR * g / (s["s"] + 1e-8).sqrt()


def nesterov(w, g, s, t, decay, beta=0.9):
    """What is shown is θ + βm; θ and m follow the published recursion."""
    theta, m = s.get("theta", w), s.get("m", torch.zeros_like(w))
    s["m"] = beta * m - LR * (g + decay * w)
    s["theta"] = theta + s["m"]
    return s["theta"] + beta * s["m"]


def averaged(w, change, s, t, beta=0.9):
    z, x = s.get("z", w), s.get("x", w)
    s["z"] = z - LR * change
    s["x"] = (1 - 1 / t) * x + 1 / t * s["z"]
    return (1 - beta) * s["z"] + beta * s["x"]


def schedule_free_sgd(w, g, s, t, decay):
    return averaged(w, g + decay * w, s, t)


def schedule_free_adamw(w, g, s, t, decay):
    s["v"] = 0.999 * s.get("v", 0) + 0.001 * g**2
    return averaged(w, g / ((s["v"] / (1 - 0.999**t)).sqrt() + 1e-8) + decay * w, s, t)


def moments(g, s, b1=0.9, b2=0.999):
    s["m"] = b1 * s.get("m", 0) + (1 - b1) * g
    s["s"] = b2 * s.get("s", 0) + (1 - b2) * g**2
    return s["m"], s["s"]


def adam(w, g, s, t, decay):
    m, v = moments(g + decay * w, s)
    return w - LR * m / (1 - 0.9**t) / ((v / (1 - 0.999**t)).sqrt() + 1e-8)


def adamax(w, g, s, t, decay):
    g = g + decay * w
    s["m"] = 0.9 * s.get("m", 0) + 0.1 * g
    s["u"] = torch.maximum(0.999 * s.get("u", torch.zeros_like(g)), g.abs() + 1e-8)
    return w - LR / (1 - 0.9**t) * s["m"] / s["u"]


def nadam(w, g, s, t, decay):
    g = g + decay * w
    m, v = moments(g, s)
    mu = [0.9 * (1 - 0.5 * 0.96 ** (i / 250)) for i in range(1, t + 2)]
    ahead = mu[-1] * m / (1 - math.prod(mu)) + (1 - mu[-2]) * g / (1 - math.prod(mu[:-1]))
    return w - LR * ahead / ((v / (1 - 0.999**t)).sqrt() + 1e-8)


def adamw(w, g, s, t, decay):
    return adam(w - LR * decay * w, g, s, t, 0.0)


def lion(w, g, s, t, decay):
    m = s.get("m", torch.zeros_like(g))
    s["m"] = 0.99 * m + 0.01 * g
    return w - LR * ((0.9 * m + 0.1 * g).sign() + decay * w)


def muon(w, g, s, t, decay, beta=0.95):
    if w.shape != (6, 7):
        return adamw(w, g, s, t, decay)
    s["m"] = beta * s.get("m", 0) + (1 - beta) * g
    o = ((1 - beta) * g + beta * s["m"]).bfloat16()
    o = o / o.norm()
    for _ in range(5):
        gram = o @ o.T
        # rounded to bfloat16 where torch rounds: another order of the same sums drifts apart within 50 steps
        o = torch.addmm(o, torch.addmm(gram, gram, gram, beta=-4.7750, alpha=2.0315), o, beta=3.4445)
    return w - LR * decay * w - LR * 0.2 * math.sqrt(7) * o


PLAIN = (sgd, momentum, nag, adagrad, rmsprop, adam, adamax, nadam, adamw, lion, muon)
TWO_POINTS = (nesterov, schedule_free_sgd, schedule_free_adamw)
REFERENCES = {f.__name__: f for f in (*PLAIN, *TWO_POINTS)}
SETTINGS = {"adagrad": {"accumulator": 0.1}}
# torch keeps NAdam's product of μ in float32, and Muon's iteration in bfloat16
TOLERANCE = {"nadam": {"rtol": 1e-5, "atol": 1e-7}, "muon": {"rtol": 0, "atol": 2.5e-3}}
PATHS = {
    "chosen": None,
    "plain": {"foreach": False, "fused": False},
    "foreach": {"foreach": True},
    "fused": {"fused": True},
}


def paths(name):
    known = inspect.signature(getattr(optim, name)().make).parameters
    return [path for path, flags in PATHS.items() if not flags or set(flags) & set(known)]


def test_every_optimizer_has_a_reference():
    assert set(REFERENCES) == set(names("optim"))


@pytest.mark.parametrize("decay", [0.0, 0.1])
def test_rmsprop_with_epsilon_inside_equals_its_recursion(decay):
    w = torch.tensor([1.0, -2.0, 1e-4, 3.0], dtype=torch.float64, requires_grad=True)
    scale = torch.tensor([1.0, 1e-3, 1.0, 1e-6], dtype=torch.float64)  # some gradients are far below the root of ε
    optimizer = optim.rmsprop(lr=LR, inside=True, weight_decay=decay)([w])
    expected, state = w.detach().clone(), {}
    for t in range(1, STEPS + 1):
        w.grad = scale * w.detach()
        optimizer.step()
        expected = rmsprop_inside(expected, scale * expected, state, t, decay)
    torch.testing.assert_close(w.detach(), expected, rtol=1e-12, atol=1e-14)
    outside = optim.rmsprop(lr=LR)([torch.zeros(1)])
    assert type(outside) is not type(optimizer)


@pytest.mark.parametrize("decay", [0.0, 0.1])
@pytest.mark.parametrize(("name", "path"), [(name, path) for name in names("optim") for path in paths(name)])
def test_equals_the_published_recursion(name, path, decay):
    model, loss = problem()
    spec = getattr(optim, name)(lr=LR, weight_decay=decay, **SETTINGS.get(name, {}))
    if path == "chosen":
        optimizer = spec(model)
    else:
        known = inspect.signature(spec.make).parameters
        flags = {flag: value for flag, value in PATHS[path].items() if flag in known}
        optimizer = spec.make(spec.groups(model, decay), lr=LR, **spec.options, **flags)
    weights = {key: parameter.detach().clone() for key, parameter in model.named_parameters()}
    begin = {key: weight.clone() for key, weight in weights.items()}
    states = {key: {} for key in weights}

    for t in range(1, STEPS + 1):
        optimizer.zero_grad()
        loss(dict(model.named_parameters())).backward()
        optimizer.step()

        inputs = {key: weight.requires_grad_() for key, weight in weights.items()}
        gradients = dict(zip(inputs, torch.autograd.grad(loss(inputs), list(inputs.values())), strict=True))
        with torch.no_grad():
            weights = {
                key: REFERENCES[name](w, gradients[key], states[key], t, decay if "weight" in key else 0.0)
                for key, w in weights.items()
            }

    tolerance = TOLERANCE.get(name, {"rtol": 1e-8, "atol": 1e-9})
    for key, parameter in model.named_parameters():
        torch.testing.assert_close(parameter.detach(), weights[key], **tolerance)
        assert (parameter - begin[key]).abs().max() > 0.02  # it went somewhere


def test_the_two_forms_of_nesterov_give_one_path():
    a, beta, lr = 3.0, 0.9, 0.05
    theta, m = 1.0, 0.0
    shown = torch.tensor([1.0], dtype=torch.float64, requires_grad=True)
    optimizer = optim.nag(lr=lr, momentum=beta)([shown])
    for _ in range(30):
        shown.grad = a * shown.detach()
        optimizer.step()
        m = beta * m - lr * a * (theta + beta * m)
        theta = theta + m
        assert shown.item() == pytest.approx(theta + beta * m, rel=1e-12)


def test_adam_couples_its_decay_and_adamw_does_not():
    """Two weights of one size, one with gradients a thousand times the other's: only adamw decays both alike."""

    def shrunk(spec):
        w = torch.ones(2, dtype=torch.float64, requires_grad=True)
        optimizer = spec([w])
        for step in range(200):
            w.grad = torch.tensor([1.0, 1000.0], dtype=torch.float64) * (-1) ** step
            optimizer.step()
        return 1 - w.detach()

    coupled, free = shrunk(optim.adam(lr=0.01, weight_decay=0.1)), shrunk(optim.adamw(lr=0.01, weight_decay=0.1))
    assert coupled[0] > 10 * coupled[1]
    assert free[0] == pytest.approx(free[1].item(), rel=1e-2)


def test_decay_groups_are_what_the_recursion_assumed():
    model, _ = problem()
    decayed, spared = decay_groups(model, 0.1)
    assert [p.ndim for p in decayed["params"]] == [2, 2, 2]
    assert [p.ndim for p in spared["params"]] == [1, 1, 1]
