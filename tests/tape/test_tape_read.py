"""Wrapped models, batches and outputs of any form, losses, and what the loss never reaches."""

import types
from typing import NamedTuple

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.utils.checkpoint import checkpoint

from latih import tape

X, Y = torch.randn(6, 8), torch.randint(0, 3, (6,))


def net():
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 3))


def names(read):
    return [(layer.name, layer.feeds.name) for layer in read.layers]


EXPECTED = [("0", "relu"), ("2", "none")]


def compiled():
    return torch.compile(net(), backend="eager")


def compiled_in_place():
    model = net()
    model.compile(backend="aot_eager")
    return model


def compiled_parallel():
    return nn.DataParallel(torch.compile(net(), backend="eager"))


@pytest.mark.parametrize("make", [compiled, compiled_in_place, lambda: nn.DataParallel(net()), compiled_parallel])
def test_wrapped_models_are_looked_through(make):
    assert names(tape.read(make(), (X, Y), F.cross_entropy)) == EXPECTED


def test_a_compiled_part_is_read_under_its_path():
    model = net()
    model[0] = torch.compile(model[0], backend="eager")
    assert names(tape.read(model, X)) == [("0._orig_mod", "relu"), ("2", "none")]


def test_a_distributed_model_is_looked_through(tmp_path):
    torch.distributed.init_process_group("gloo", init_method=f"file://{tmp_path}/store", rank=0, world_size=1)
    try:
        read = tape.read(nn.parallel.DistributedDataParallel(net()), (X, Y), F.cross_entropy)
    finally:
        torch.distributed.destroy_process_group()
    assert names(read) == EXPECTED
    assert read.layers[0].parameter == "0.weight"


@pytest.mark.parametrize("reentrant", [True, False])
def test_activation_checkpoints_hide_nothing(reentrant):
    class Checkpointed(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.b(checkpoint(lambda z: F.relu(F.dropout(self.a(z), 0.3)), x, use_reentrant=reentrant))

    read = tape.read(Checkpointed(), X)
    assert names(read) == [("a", "relu"), ("b", "none")]
    assert read.layers[0].between == ["dropout"]
    assert read.unreached == []


class Pair(NamedTuple):
    inputs: torch.Tensor
    targets: torch.Tensor
    index: torch.Tensor


BATCHES = {
    "a pair": (X, Y),
    "a list": [X, Y],
    "a named batch with an index": Pair(X, Y, torch.arange(6)),
    "inputs as a tuple": ((X,), Y),
    "inputs as a dict": ({"input": X}, Y),
}


@pytest.mark.parametrize("name", BATCHES)
def test_batches_of_every_form_are_read(name):
    read = tape.read(net(), BATCHES[name], F.cross_entropy)
    assert names(read) == EXPECTED
    assert read.loss_ops == ["log_softmax", "nll", "mean"]


@pytest.mark.parametrize("batch", [X, (X,), (X, None), {"input": X}, (X, Y)])
def test_a_batch_without_a_loss_is_read_from_the_output(batch):
    read = tape.read(net(), batch)
    assert names(read) == EXPECTED
    assert read.loss_ops == []
    assert read.output_shape == (6, 3)


class Heads(nn.Module):
    def __init__(self, pack, own_loss=False):
        super().__init__()
        self.pack, self.own_loss = pack, own_loss
        self.body, self.one, self.two, self.unused = nn.Linear(8, 8), nn.Linear(8, 3), nn.Linear(8, 1), nn.Linear(2, 2)

    def forward(self, x, labels=None):
        hidden = torch.tanh(self.body(x))
        one = self.one(hidden)
        loss = F.cross_entropy(one, labels) if self.own_loss else None
        return self.pack(one, self.two(hidden).sigmoid(), loss)


PACKS = {
    "tuple": lambda one, two, loss: (one, two),
    "dict": lambda one, two, loss: {"one": one, "two": two},
    "nested": lambda one, two, loss: {"all": [one, (two,)]},
    "object": lambda one, two, loss: types.SimpleNamespace(logits=one, extra=two),
}


@pytest.mark.parametrize("pack", PACKS)
def test_outputs_of_every_form_are_read(pack):
    read = tape.read(Heads(PACKS[pack]), X)
    assert names(read) == [("body", "tanh"), ("one", "none"), ("two", "sigmoid")]
    assert [layer.is_head for layer in read.layers] == [False, True, True]
    assert read.unreached == ["unused.weight", "unused.bias"]
    assert read.output_shape == (6, 3)


OWN = {
    "object": lambda one, two, loss: types.SimpleNamespace(loss=loss, logits=one, extra=two),
    "dict": lambda one, two, loss: {"loss": loss, "logits": one, "extra": two},
}


@pytest.mark.parametrize("pack", OWN)
def test_a_loss_that_the_model_computes_is_read(pack):
    read = tape.read(Heads(OWN[pack], own_loss=True), {"x": X, "labels": Y})
    assert names(read) == [("body", "tanh"), ("one", "none")]
    assert read.loss_ops == ["log_softmax", "nll", "mean"]
    assert read.unreached == ["two.weight", "two.bias", "unused.weight", "unused.bias"]
    assert read.output_shape == (6, 3)


def test_a_loss_beside_the_output_is_not_taken_for_an_activation():
    read = tape.read(Heads(lambda one, two, loss: (one, loss), own_loss=True), {"x": X, "labels": Y})
    assert names(read) == [("body", "tanh"), ("one", "none")]


def test_a_loss_of_part_of_the_output_leaves_the_rest_unreached():
    read = tape.read(Heads(PACKS["tuple"]), (X, Y), lambda output, target: F.cross_entropy(output[0], target))
    assert read.unreached == ["two.weight", "two.bias", "unused.weight", "unused.bias"]


Z = torch.rand(6, 3)
LOSSES = {
    "cross entropy": (F.cross_entropy, Y, ["log_softmax", "nll", "mean"]),
    "summed": (lambda o, t: F.cross_entropy(o, t, reduction="sum"), Y, ["log_softmax", "nll", "sum"]),
    "nll of raw scores": (F.nll_loss, Y, ["nll", "mean"]),
    "double softmax": (lambda o, t: F.cross_entropy(o.softmax(-1), t), Y, ["softmax", "log_softmax", "nll", "mean"]),
    "flipped": (lambda o, t: -F.cross_entropy(o, t), Y, ["log_softmax", "nll", "mean", "neg"]),
    "mse": (F.mse_loss, Z, ["mse", "mean"]),
    "mse by hand": (lambda o, t: ((o - t) ** 2).mean(), Z, ["sub", "pow", "mean"]),
    "l1": (F.l1_loss, Z, ["sub", "abs", "mean"]),
    "huber": (F.huber_loss, Z, ["huber", "mean"]),
    "smooth l1": (nn.SmoothL1Loss(), Z, ["smooth_l1", "mean"]),
    "binary": (lambda o, t: F.binary_cross_entropy(o.sigmoid(), t), Z, ["sigmoid", "binary_cross_entropy", "mean"]),
    "binary with logits": (F.binary_cross_entropy_with_logits, Z, ["binary_cross_entropy_with_logits", "mean"]),
    "multi margin": (F.multi_margin_loss, Y, ["multi_margin", "mean"]),
    "something else": (lambda o, t: torch.fft.rfft(o).abs().sum(), Y, ["unknown", "abs", "sum"]),
}


@pytest.mark.parametrize("name", LOSSES)
def test_what_a_loss_does_to_the_output_is_told(name):
    loss, target, expected = LOSSES[name]
    read = tape.read(net(), (X, target), loss)
    assert read.loss_ops == expected
    assert names(read) == EXPECTED


def test_a_penalty_on_the_weights_is_no_part_of_what_the_loss_does_to_the_output():
    model = net()
    read = tape.read(model, (X, Y), lambda o, t: F.cross_entropy(o, t) + model[0].weight.square().sum())
    assert read.loss_ops == ["log_softmax", "nll", "mean", "add"]


def test_an_activation_at_the_end_belongs_to_the_head():
    model = nn.Sequential(nn.Linear(8, 3), nn.LogSoftmax(-1))
    read = tape.read(model, (X, Y), F.nll_loss)
    assert names(read) == [("0", "log_softmax")]
    assert read.loss_ops == ["nll", "mean"]


def test_what_a_detach_cuts_off_is_unreached():
    class Cut(nn.Module):
        def __init__(self):
            super().__init__()
            self.a, self.b = nn.Linear(8, 8), nn.Linear(8, 3)

        def forward(self, x):
            return self.b(self.a(x).relu().detach())

    read = tape.read(Cut(), (X, Y), F.cross_entropy)
    assert read.unreached == ["a.weight", "a.bias"]
    assert [layer.name for layer in read.layers] == ["b"]


def test_mixed_precision_changes_nothing():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        read = tape.read(net(), (X, Y), F.cross_entropy)
    assert names(read) == EXPECTED
    assert read.layers[0].weight.dtype is torch.float32


def test_the_table_is_plain_text():
    model = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.LeakyReLU(0.2), nn.Linear(16, 3))
    assert tape.read(model, X).table().splitlines() == [
        "layer  kind    fan in > out  between     feeds",
        "0      linear  8 > 16        batch_norm  leaky_relu(negative_slope=0.2)",
        "3      linear  16 > 3        -           none",
    ]
