"""Reading leaves no trace on the model, its gradients and hooks, the batch, or any random generator."""

import copy
import gc
import random

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import CheckpointFunction

from latih import tape
from latih._checks import InputError

X, Y = torch.randn(6, 8), torch.randint(0, 3, (6,))


class Stateful(nn.Module):
    """Writes to everything it can reach."""

    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(8, 8)
        self.register_buffer("mean", torch.zeros(8))
        self.steps, self.seen, self.plain = 0, [], torch.zeros(3)

    def forward(self, x):
        self.steps += 1
        self.seen.append(x.sum().item())
        self.late = x
        self.plain += 1
        self.mean = self.mean + x.mean(0).detach()
        with torch.no_grad():
            self.layer.weight.mul_(0.5)
        x += random.random() + float(np.random.rand())
        return self.layer(x)


def every_kind():
    model = nn.Sequential(
        nn.Linear(8, 8),
        nn.BatchNorm1d(8),
        nn.Dropout(0.5),
        nn.RReLU(),
        parametrizations.spectral_norm(nn.Linear(8, 8)),
        Stateful(),
        nn.ELU(),
        nn.Linear(8, 3),
    )
    model[0].weight.requires_grad_(False)
    model[7].weight.grad = torch.ones(3, 8)
    model[1].eval()
    model[0].register_forward_hook(lambda module, inputs, output: None)
    return model


def state(model):
    return {
        "tensors": copy.deepcopy(model.state_dict()),
        "plain": model[5].plain.clone(),
        "attributes": (model[5].steps, list(model[5].seen), hasattr(model[5], "late")),
        "modes": [module.training for module in model.modules()],
        "requires_grad": [p.requires_grad for p in model.parameters()],
        "grads": [None if p.grad is None else p.grad.clone() for p in model.parameters()],
        "hooks": [len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.modules()],
        "identities": [id(t) for t in [*model.parameters(), *model.buffers()]],
        "keys": [list(vars(module)) for module in model.modules()],
    }


def generators():
    return torch.get_rng_state().numpy(), random.getstate(), np.random.get_state()


def assert_same(found, expected):
    torch.testing.assert_close(found.pop("tensors"), expected.pop("tensors"), rtol=0, atol=0)
    for one, two in zip(
        [found.pop("plain"), *found.pop("grads")], [expected.pop("plain"), *expected.pop("grads")], strict=True
    ):
        assert (one is None) == (two is None)
        assert one is None or torch.equal(one, two)
    assert found == expected


@pytest.mark.parametrize("mode", [True, False])
def test_a_model_is_left_bit_identical(mode):
    model, x, y = every_kind(), X.clone(), Y.clone()
    model.train(mode)
    before, states = state(model), generators()
    tape.read(model, (x, y), F.cross_entropy)
    assert_same(state(model), before)
    assert torch.equal(x, X)
    assert torch.equal(y, Y)
    assert not x.requires_grad
    for one, two in zip(generators(), states, strict=True):
        np.testing.assert_equal(one, two)


def test_a_model_is_left_bit_identical_after_a_failure():
    model, misfit = every_kind(), torch.randn(6, 9)
    before, states = state(model), generators()
    with pytest.raises(InputError):
        tape.read(model, (X, Y), lambda output, target: output)
    with pytest.raises(InputError):
        tape.read(model, misfit)
    assert_same(state(model), before)
    for one, two in zip(generators(), states, strict=True):
        np.testing.assert_equal(one, two)


def test_a_loss_with_state_is_left_as_it_was():
    class Centred(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("centre", torch.zeros(3))

        def forward(self, output, target):
            self.centre += output.detach().mean(0)
            return F.cross_entropy(output - self.centre, target)

    loss = Centred()
    tape.read(nn.Linear(8, 3), (X, Y), loss)
    assert torch.equal(loss.centre, torch.zeros(3))


def test_a_graph_that_the_user_still_holds_can_be_differentiated():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 3))
    loss = F.cross_entropy(model(X), Y)
    tape.read(model, (X, Y), F.cross_entropy)
    loss.backward()
    assert all(p.grad is not None for p in model.parameters())


def test_the_collector_and_torch_are_left_as_they_were():
    tape.read(nn.Linear(8, 3), X)
    assert gc.isenabled()
    assert "apply" not in vars(CheckpointFunction)
    gc.disable()
    try:
        tape.read(nn.Linear(8, 3), X)
        assert not gc.isenabled()
    finally:
        gc.enable()


@pytest.mark.parametrize("block", [torch.no_grad, torch.inference_mode])
def test_reading_works_where_gradients_are_off(block):
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))
    with block():
        read = tape.read(model, (X * 1.0, Y), F.cross_entropy)
        assert not torch.is_grad_enabled()
    assert [layer.feeds.name for layer in read.layers] == ["relu", "none"]


def test_frozen_layers_are_read_and_stay_frozen():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3)).requires_grad_(False)
    read = tape.read(model, X)
    assert [layer.name for layer in read.layers] == ["0", "2"]
    assert read.unreached == []
    assert not any(p.requires_grad for p in model.parameters())


def test_a_model_in_eval_mode_is_read_in_training_mode():
    model = nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.ReLU(), nn.Linear(8, 3)).eval()
    assert tape.read(model, X).layers[0].between == ["dropout"]


def test_a_model_that_refuses_tracked_inputs_is_read_all_the_same():
    class Numpy(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(8, 3)

        def forward(self, x):
            return torch.relu(self.layer(torch.from_numpy(x.numpy() * 2)))

    assert tape.read(Numpy(), X).layers[0].feeds.name == "relu"
