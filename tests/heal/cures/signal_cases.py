"""Trainings that do not learn, watched for a few updates, as cures get them."""

import contextlib
import copy
import io

import torch
import torch.nn.functional as F
from torch import nn

import latih
from latih.diagnose import Finding, Findings
from latih.heal._base import Case, Training
from latih.heal._optimizer import OptimizerPlan
from latih.tape import read
from latih.train import Recipe
from latih.watch import Parameter, Record, watch


def finding(code="L302", cures=(), **evidence):
    return Finding(code, "a-finding", "error", "", evidence, "", "", cures)


def blobs(count=200, width=8, classes=3, seed=0):
    """Standardised inputs and the class that a linear function names."""
    random = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, width, generator=random)
    return inputs, (inputs @ torch.randn(width, classes, generator=random)).argmax(1)


def chain(width=16, depth=6, activation=nn.Sigmoid, inputs=8, outputs=3, seed=0):
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        widths = [inputs, *[width] * depth]
        pairs = [(nn.Linear(*widths[place : place + 2]), activation()) for place in range(depth)]
        return nn.Sequential(*[one for pair in pairs for one in pair], nn.Linear(width, outputs))


def training(model, *, loss=F.cross_entropy, optimizer="adam(lr=0.001)", **recipe):
    made = OptimizerPlan.of(optimizer, model)
    text = {"optimizer": optimizer} if isinstance(optimizer, str) else {}
    return Training(model, loss, made, Recipe(**{**text, **recipe}))


def case(given, inputs, targets, *, task="classes", record=None, size=32, updates=200, found=()):
    """`record` None: watches eight updates of a copy."""
    batch = (inputs[:size], targets[:size])
    return Case(
        findings=Findings(list(found), record=watched(given, batch) if record is None else record),
        before=Findings(list(found)),
        tape=read(given.model, batch, given.loss),
        inputs=inputs,
        targets=targets,
        batch=batch,
        task=task,
        updates=updates,
        classes=int(targets.max()) + 1 if task == "classes" else None,
    )


def watched(given, batch, updates=8):
    model, loss = copy.deepcopy((given.model, given.loss))
    optimizer = given.optimizer(model)
    with torch.random.fork_rng(), watch(model, optimizer=optimizer, every=1) as w:
        for _ in range(updates):
            step(model, loss, optimizer, batch)
    return w.record


def step(model, loss, optimizer, batch):
    value = loss(model(batch[0]), batch[1])
    optimizer.zero_grad()
    value.backward()
    optimizer.step()
    return float(value.detach())


def learned(given, inputs, targets, updates=100, size=50):
    """The loss over all examples after training; a copy is trained."""
    model = copy.deepcopy(given.model)
    plan = given.optimizer if given.recipe.lr is None else given.optimizer.with_lr(given.recipe.lr)
    optimizer = plan(model)
    clip = latih._notation.build("clip", given.recipe.clip)
    order = torch.Generator().manual_seed(0)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        for _ in range(updates):
            chosen = torch.randperm(len(inputs), generator=order)[:size]
            value = given.loss(model(inputs[chosen]), targets[chosen])
            optimizer.zero_grad()
            value.backward()
            clip([one for one in model.parameters() if one.requires_grad])
            optimizer.step()
    model.eval()
    with torch.no_grad():
        return float(given.loss(model(inputs), targets))


def trained_record(model, names=None):
    """A record in which the weights of `names` (all) were trained before."""
    return Record(
        parameters=[
            Parameter(
                name=name,
                shape=tuple(one.shape),
                trainable=True,
                fresh=None if one.dim() < 2 else not (names is None or name in names),
            )
            for name, one in model.named_parameters()
        ]
    )


def variants(cure, given, seen, found):
    """What the cure makes; what it was given, and the caller's random state, must be as they were, bit for bit."""
    state, modes = copy.deepcopy(given.model.state_dict()), [one.training for one in given.model.modules()]
    random, code = torch.get_rng_state(), str(given.model)
    made = list(cure.apply(given, seen, found))
    assert torch.equal(random, torch.get_rng_state())
    assert modes == [one.training for one in given.model.modules()]
    assert code == str(given.model)
    now = given.model.state_dict()
    assert list(state) == list(now)
    assert all(torch.equal(state[name], now[name]) or state[name].isnan().any() for name in state)
    assert all(one.grad is None for one in given.model.parameters())
    assert len(made) <= 3
    for one in made:
        edit = one.edits[-1]
        assert edit.cure == cure.name
        assert edit.text
        assert all(getattr(one.recipe, field) == value for field, value in edit.recipe.items())
        assert not {id(p) for p in one.model.parameters()} & {id(p) for p in given.model.parameters()} or (
            one.model is given.model
        )
        pasted(one, given, seen)
        one.optimizer(one.model)
    return made


def pasted(made, given, seen):
    """The model that the edit's code makes of the one that was given."""
    model = copy.deepcopy(given.model)
    optimizer = given.optimizer(model)
    names = dict(torch=torch, nn=nn, F=F, latih=latih, model=model, loss=given.loss, optimizer=optimizer)
    names |= dict(x=seen.inputs, y=seen.targets)
    with torch.random.fork_rng(), contextlib.redirect_stdout(io.StringIO()):
        exec(made.edits[-1].code, names)
    return names["model"]


def outputs_agree(made, given, seen):
    """The pasted code makes the very network of the edited training."""
    theirs, ours = pasted(made, given, seen).eval(), copy.deepcopy(made.model).eval()
    with torch.no_grad():
        torch.testing.assert_close(theirs(seen.batch[0]), ours(seen.batch[0]))
