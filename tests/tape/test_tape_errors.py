"""Every mistake gets one sentence that names the layer where it can be known."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih import tape
from latih._checks import InputError

X, Y = torch.randn(6, 8), torch.randint(0, 3, (6,))


class Outer(nn.Module):
    def __init__(self):
        super().__init__()
        self.block = nn.ModuleDict({"inner": nn.Sequential(nn.Linear(8, 8), nn.Linear(9, 3))})

    def forward(self, x):
        return self.block["inner"](x)


class Returning(nn.Module):
    def __init__(self, result):
        super().__init__()
        self.layer, self.result = nn.Linear(8, 3), result

    def forward(self, x):
        return self.result(self.layer(x))


def with_parameter(parameter):
    model = nn.Sequential(nn.Linear(8, 3))
    model[0].scale = parameter
    return model


def fails():
    raise RuntimeError("Out of ideas.\nA second line.")


cross_entropy = F.cross_entropy
CASES = {
    "not a module": (lambda x: x, X, None, r"read\(model=function\): the model must be a torch.nn.Module"),
    "no parameters": (
        nn.ReLU(),
        X,
        None,
        r"read\(model=ReLU\): the model has no parameters, so there is nothing to train",
    ),
    "a lazy model": (nn.LazyLinear(3), X, None, r"weight has no shape yet; run the model once"),
    "integer weights": (
        with_parameter(nn.Parameter(torch.ones(3, dtype=torch.int8), requires_grad=False)),
        X,
        None,
        r"0.scale has dtype int8, which cannot be trained",
    ),
    "zero width": (
        nn.Sequential(nn.Linear(8, 2), with_parameter(nn.Parameter(torch.empty(0, 8)))),
        X,
        None,
        r"layer '1.0' has zero width \(1.0.scale has shape \(0, 8\)\)",
    ),
    "the wrong shape": (
        Outer(),
        X,
        None,
        r"layer 'block.inner.1' \(Linear\) fails on the batch: mat1 and mat2 .*; pass a batch",
    ),
    "the model itself fails": (
        Returning(lambda z: fails()),
        X,
        None,
        r"Returning fails on the batch: Out of ideas; pass",
    ),
    "too many inputs": (Outer(), ((X, X), None), None, r"Outer fails on the batch: .*forward\(\) takes 2 positional"),
    "one row for batch norm": (
        nn.Sequential(nn.Linear(8, 3), nn.BatchNorm1d(3)),
        X[:1],
        None,
        r"layer '1' \(BatchNorm1d\) fails on the batch: Expected more than 1",
    ),
    "three parts": (nn.Linear(8, 3), (X, X, Y), cross_entropy, r"the batch has 3 parts and must have one or two"),
    "no targets": (
        nn.Linear(8, 3),
        X,
        cross_entropy,
        r"read\(loss=...\): a loss needs targets; pass batch=\(inputs, targets\)",
    ),
    "a loss that is no scalar": (
        nn.Linear(8, 3),
        (X, Y),
        lambda o, t: F.cross_entropy(o, t, reduction="none"),
        r"the loss must be a scalar tensor and is a tensor of shape \(6,\)",
    ),
    "a loss that is a number": (nn.Linear(8, 3), (X, Y), lambda o, t: 0.5, r"must be a scalar tensor and is float"),
    "a loss that fails": (
        nn.Linear(8, 3),
        (X, Y.float()),
        cross_entropy,
        r"the loss fails on an output of shape \(6, 3\) with targets of shape \(6,\): .*; pass a loss",
    ),
    "no tensor in the output": (
        Returning(lambda z: "text"),
        X,
        None,
        r"the model's output holds no tensor; pass a loss",
    ),
    "a detached output": (
        Returning(torch.Tensor.detach),
        X,
        None,
        r"the output does not depend on any parameter; remove the detach",
    ),
    "a detached loss": (
        nn.Linear(8, 3),
        (X, Y),
        lambda o, t: F.cross_entropy(o.detach(), t),
        r"the loss does not depend on any parameter",
    ),
    "an output of the input alone": (
        Returning(lambda z: X.sum()),
        X,
        None,
        r"the output does not depend on any parameter",
    ),
    "another device": (
        nn.Linear(8, 3, device="meta"),
        X,
        None,
        r"the batch is on cpu and the model on meta; move one to the other",
    ),
}


@pytest.mark.parametrize("name", CASES)
@pytest.mark.filterwarnings("ignore:Lazy modules:UserWarning", "ignore:Initializing zero-element:UserWarning")
def test_a_mistake_gets_one_sentence(name):
    model, batch, loss, sentence = CASES[name]
    with pytest.raises(InputError, match=sentence) as caught:
        tape.read(model, batch, loss)
    assert "\n" not in str(caught.value)
    assert str(caught.value).endswith(".")


def test_the_original_error_is_kept_as_the_cause():
    with pytest.raises(InputError) as caught:
        tape.read(Outer(), X)
    assert isinstance(caught.value.__cause__, RuntimeError)


def test_a_model_on_the_meta_device_is_read_without_any_memory():
    with torch.device("meta"):
        model, x = nn.Sequential(nn.Linear(8, 3), nn.ReLU()), torch.empty(2, 8)
    assert tape.read(model, x).layers[0].feeds.name == "relu"
