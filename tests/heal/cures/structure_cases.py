"""Trainings with a fault of structure or data, and what a cure makes of them, checked for what all cures promise."""

import contextlib
import copy
import io
import pickle

import torch
import torch.nn.functional as F
from torch import nn

import latih
from latih.diagnose import Finding, Findings, check
from latih.heal._base import Case, Training
from latih.heal._optimizer import OptimizerPlan
from latih.tape import read
from latih.train import Recipe
from latih.watch import Record


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def seeded(make, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return make()


def net(inputs=6, outputs=3, *end, width=24):
    layers = lambda: nn.Sequential(nn.Linear(inputs, width), nn.ReLU(), nn.Linear(width, outputs), *end)  # noqa: E731
    return seeded(layers)


def labelled(count=240, width=6, classes=3):
    x = torch.randn(count, width, generator=random())
    return x, (x @ torch.randn(width, classes, generator=random(1))).argmax(1)


def valued(count=240, width=6):
    x = torch.randn(count, width, generator=random())
    return x, (x @ torch.randn(width, generator=random(1))).tanh() + 0.5 * x[:, 0]


def found(name, **evidence):
    return Finding("L000", name, "error", "", evidence, "", "")


def training(model, loss=F.cross_entropy, optimizer="adam(lr=0.01)", **recipe):
    return Training(model, loss, OptimizerPlan.of(optimizer, model), Recipe(**recipe))


def case(given, data, task="classes", checked=False, size=32):
    """`checked`: findings and record are those of `latih.check`; else both are empty."""
    x, y = data
    batch = (x[:size], y[:size])
    findings = Findings(record=Record())
    if checked:
        live = given.optimizer(given.model)
        findings = check(given.model, batch, given.loss, optimizer=live)
    classes = int(y[y.isfinite()].max()) + 1 if task == "classes" else None
    return Case(findings, findings, read(given.model, batch, given.loss), x, y, batch, task, 200, classes)


def finding_of(seen, name):
    return next(one for one in seen.findings if one.name == name)


def variants(cure, given, seen, finding):
    """What the cure makes. The training, and the caller's random state, must be as they were, bit for bit."""
    state = copy.deepcopy(given.model.state_dict())
    text, modes = str(given.model), [one.training for one in given.model.modules()]
    free = [one.requires_grad for one in given.model.parameters()]
    drawn = torch.get_rng_state()
    made = list(cure.apply(given, seen, finding))
    assert torch.equal(drawn, torch.get_rng_state())
    assert (text, modes) == (str(given.model), [one.training for one in given.model.modules()])
    assert free == [one.requires_grad for one in given.model.parameters()]
    now = given.model.state_dict()
    assert list(state) == list(now)
    assert all(torch.equal(state[name], now[name]) for name in state)
    assert all(one.grad is None for one in given.model.parameters())
    assert len(made) <= 3
    for one in made:
        edit = one.edits[-1]
        assert edit.cure == cure.name
        assert all(getattr(one.recipe, field) == value for field, value in edit.recipe.items())
        assert one.model.training == given.model.training
        assert "object at" not in repr(one.loss)
        if one.loss is not given.loss:
            pickle.dumps(one.loss)
            pickle.dumps(one.model)
        pasted(edit.code, given, seen)
        one.optimizer(one.model)
    return made


def pasted(code, given, seen):
    """The code of an edit runs in a program that has the usual names; those that it leaves behind."""
    model, x, y = copy.deepcopy(given.model), *seen.batch
    names = dict(torch=torch, nn=nn, F=F, copy=copy, latih=latih, model=model, x=x, y=y, loss=given.loss)
    names |= dict(loss_fn=given.loss, x_train=seen.inputs, y_train=seen.targets, output=model(x))
    names |= dict(optimizer=torch.optim.SGD(model.parameters(), lr=0.1), scores=model(x))
    names |= dict(valid_loss=1.0, best=2.0, bad_epochs=0, weights=model.state_dict())
    if "break" in code or "lr=..." in code or code.startswith("for epoch"):
        code = "while True:\n" + "\n".join(f"    {line}" for line in code.split("\n")) + "\n    break"
        compile(code.replace("lr=...", "lr=0.1"), "edit", "exec")
        return names
    with torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):
        exec(code, names)
    return names


def trained(given, data, updates=80, size=48):
    """The model after training, in evaluation mode; a copy is trained."""
    model, order = copy.deepcopy(given.model).train(), random(3)
    optimizer = given.optimizer(model)
    x, y = data
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(updates):
            chosen = torch.randperm(len(x), generator=order)[:size]
            optimizer.zero_grad()
            given.loss(model(x[chosen]), y[chosen]).backward()
            optimizer.step()
    return model.eval()


def predicted(given, data, **how):
    model = trained(given, data, **how)
    with torch.no_grad():
        return model(data[0])


def accuracy(given, data, **how):
    return float((predicted(given, data, **how).argmax(1) == data[1]).double().mean())


def right_side(given, data, edge=0.0, **how):
    output = predicted(given, data, **how)
    return float(((output.reshape(-1) > edge) == (data[1].reshape(-1) > 0.5)).double().mean())


def explained(given, data, **how):
    """R2 of a single output."""
    y = data[1]
    error = (predicted(given, data, **how).reshape(y.shape) - y).square().sum()
    return 1 - float(error / (y - y.mean(0)).square().sum())
