"""Folding: the same outputs with fewer modules, and a sentence where that cannot be."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrizations
from torch.utils.checkpoint import checkpoint

from latih._checks import InputError
from latih.norm import batch, fold, foldable, pinned


def used(model: nn.Module, *shape: int) -> nn.Module:
    """In float64, with running statistics, scales and shifts that a test can miss."""
    torch.manual_seed(0)
    model.double().train()
    for name, parameter in model.named_parameters():
        if parameter.dim() == 1:
            nn.init.normal_(parameter, 1.0 if "weight" in name else 0.0)
    for _ in range(3):
        model(3 * torch.randn(8, *shape).double() + 1)
    return model


def norms(model: nn.Module) -> int:
    return sum(isinstance(module, nn.modules.batchnorm._BatchNorm) for module in model.modules())


PAIRS = {
    "linear": (lambda: nn.Sequential(nn.Linear(3, 4), nn.BatchNorm1d(4)), (3,)),
    "linear without bias": (lambda: nn.Sequential(nn.Linear(3, 4, bias=False), nn.BatchNorm1d(4)), (3,)),
    "conv1d": (lambda: nn.Sequential(nn.Conv1d(3, 4, 2), nn.BatchNorm1d(4)), (3, 5)),
    "conv2d": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, 2, padding=1), nn.BatchNorm2d(4)), (3, 6, 6)),
    "conv2d in groups": (lambda: nn.Sequential(nn.Conv2d(4, 8, 3, groups=2), nn.BatchNorm2d(8)), (4, 6, 6)),
    "conv2d, reflected": (
        lambda: nn.Sequential(nn.Conv2d(3, 4, 3, padding=1, padding_mode="reflect"), nn.BatchNorm2d(4)),
        (3, 6, 6),
    ),
    "conv3d": (lambda: nn.Sequential(nn.Conv3d(3, 4, 2), nn.BatchNorm3d(4)), (3, 4, 4, 4)),
    "transposed conv": (lambda: nn.Sequential(nn.ConvTranspose2d(3, 4, 2), nn.BatchNorm2d(4)), (3, 4, 4)),
    "norm without affine": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4, affine=False)), (3, 6, 6)),
    "norm of this package": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3, bias=False), batch()(4, 2)), (3, 6, 6)),
    "pinned norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), pinned(nn.BatchNorm2d(4))), (3, 6, 6)),
    "sync norm": (lambda: nn.Sequential(nn.Conv2d(3, 4, 3), nn.SyncBatchNorm(4)), (3, 6, 6)),
}


@pytest.mark.parametrize("name", PAIRS)
def test_every_kind_of_layer_takes_up_its_norm(name):
    make, shape = PAIRS[name]
    model, x = used(make(), *shape), torch.randn(5, *shape).double()
    folded = fold(model, x)
    assert isinstance(folded[1], nn.Identity)
    torch.testing.assert_close(folded(x), model.eval()(x), rtol=1e-12, atol=1e-12)
    assert folded[0].bias.requires_grad


class Residual(nn.Module):
    """Functional activations, a skip, names that do not tell the order, and a norm that follows no layer."""

    def __init__(self) -> None:
        super().__init__()
        self.norm_of_second = nn.BatchNorm2d(4)
        self.norm_of_first = nn.BatchNorm2d(4)
        self.first, self.second = nn.Conv2d(4, 4, 3, padding=1, bias=False), nn.Conv2d(4, 4, 3, padding=1)
        self.norm_of_sum = nn.BatchNorm2d(4)
        self.drop, self.head = nn.Dropout(0.5), nn.Linear(4, 2)

    def forward(self, x: Tensor) -> Tensor:
        inner = F.relu(self.norm_of_first(self.first(x)))
        x = self.norm_of_sum(x + self.norm_of_second(self.second(inner)))
        return self.head(self.drop(x.relu().mean((2, 3))))


def test_the_whole_model_is_folded_by_data_flow_and_the_original_is_left_bit_identical():
    model, x = used(Residual(), 4, 6, 6), torch.randn(5, 4, 6, 6).double()
    before = copy.deepcopy(model.state_dict())
    flags, state = [p.requires_grad for p in model.parameters()], torch.get_rng_state()
    folded = fold(model, x)
    assert torch.equal(torch.get_rng_state(), state)
    assert model.training
    assert not any(module.training for module in folded.modules())
    assert all(torch.equal(value, before[key]) for key, value in model.state_dict().items())
    assert [p.requires_grad for p in model.parameters()] == flags
    assert (norms(model), norms(folded)) == (3, 1)
    torch.testing.assert_close(folded(x), model.eval()(x), rtol=1e-10, atol=1e-10)


def test_the_table_says_what_folds_into_what_and_why_the_rest_stays():
    found = foldable(used(Residual(), 4, 6, 6), torch.randn(5, 4, 6, 6).double())
    assert found.folded == {"norm_of_second": "second", "norm_of_first": "first"}
    assert found.kept == {"norm_of_sum": "it follows no linear or convolutional layer directly"}
    assert str(found).splitlines()[:2] == [
        "norm            folded into  kept because",
        "norm_of_second  second",
    ]


class Reused(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.conv, self.one, self.two = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.conv(self.one(self.conv(x)).relu()))


class BareReuse(Reused):
    """The second use has no norm behind it: where torch's own fuser goes wrong."""

    def forward(self, x: Tensor) -> Tensor:
        return self.one(self.conv(x)) + self.conv(2 * x)


class Tied(Reused):
    def __init__(self) -> None:
        super().__init__()
        self.other = nn.Conv2d(3, 3, 1)
        self.other.weight = self.conv.weight

    def forward(self, x: Tensor) -> Tensor:
        return self.one(self.conv(x)) + self.other(x)


class FunctionalReuse(Reused):
    def forward(self, x: Tensor) -> Tensor:
        return self.one(self.conv(x)) + F.conv2d(x, self.conv.weight)


@pytest.mark.parametrize(
    ("kind", "sentence"),
    [
        (Reused, r"layer 'conv' in front of norm 'one' is used 2 times, .*pass keep=\('one',\)"),
        (BareReuse, r"layer 'conv' in front of norm 'one' is used 2 times"),
        (Tied, r"layer 'conv' in front of norm 'one' shares its weight with another"),
        (FunctionalReuse, r"output differs by .* where .* is allowed; pass keep="),
    ],
)
def test_a_convolution_used_twice_is_refused_and_named(kind, sentence):
    model, x = used(kind(), 3, 4, 4), torch.randn(2, 3, 4, 4).double()
    with pytest.raises(InputError, match=sentence):
        fold(model, x)
    kept = fold(model, x, keep=("one", "two"))
    torch.testing.assert_close(kept(x), model.eval()(x), rtol=0, atol=0)


class Overwritten(nn.Module):
    """The same tensor object comes out of the layer and goes into the norm, but not the same value."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.relu, self.norm = nn.Conv2d(3, 4, 1), nn.ReLU(inplace=True), nn.BatchNorm2d(4)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.relu(self.conv(x)))


class Elsewhere(Overwritten):
    def forward(self, x: Tensor) -> Tensor:
        x = self.conv(x)
        return self.norm(x) + x


class Returned(Overwritten):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        x = self.conv(x)
        return self.norm(x), x


class WithActivation(nn.BatchNorm2d):
    def forward(self, input: Tensor) -> Tensor:
        return super().forward(input).relu()


class Standardised(nn.Conv2d):
    def _conv_forward(self, input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        return super()._conv_forward(input, weight / weight.std(), bias)


def hooked() -> nn.Module:
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
    model[0].register_forward_hook(lambda module, args, output: output * 2)
    return model


class Checkpointed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.rest = nn.Conv2d(3, 4, 1), nn.Sequential(nn.Conv2d(4, 4, 1), nn.BatchNorm2d(4))

    def forward(self, x: Tensor) -> Tensor:
        return checkpoint(self.rest, self.first(x), use_reentrant=True)


def twice() -> nn.Module:
    norm = nn.BatchNorm2d(3)
    return nn.Sequential(nn.Conv2d(3, 3, 1), norm, nn.Conv2d(3, 3, 1), norm)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (Overwritten, "follows no linear or convolutional layer directly"),
        (Elsewhere, "goes elsewhere too"),
        (Returned, "goes elsewhere too"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), WithActivation(4)), "it computes more than a batch norm"),
        (lambda: nn.Sequential(Standardised(3, 4, 1), nn.BatchNorm2d(4)), "computes more than a product"),
        (lambda: nn.Sequential(parametrizations.weight_norm(nn.Conv2d(3, 4, 1)), nn.BatchNorm2d(4)), "than a product"),
        (hooked, "computes more than a product"),
        (lambda: nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4, track_running_stats=False)), "keeps no running"),
        (lambda: nn.Sequential(nn.Linear(4, 4), nn.BatchNorm2d(3)), "features last"),
        (lambda: nn.Sequential(nn.ConvTranspose2d(3, 6, 1, groups=3), nn.BatchNorm2d(6)), "has groups"),
        (twice, "used more than once"),
        (Checkpointed, "autograd records nothing around it"),
    ],
)
def test_a_norm_that_does_not_fold_stays_and_says_why(make, reason):
    model, x = used(make(), 3, 4, 4), torch.randn(5, 3, 4, 4).double()
    found = foldable(model, x)
    assert not found.folded
    assert all(reason in why for why in found.kept.values()), found.kept
    folded = fold(model, x)
    assert norms(folded) == norms(model)
    for one, other in zip(_tensors(folded(x)), _tensors(model.eval()(x)), strict=True):
        assert torch.equal(one, other)


def _tensors(output: Tensor | tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    return output if isinstance(output, tuple) else (output,)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_deep_network_folds_within_half_the_digits_of_its_dtype(dtype):
    parts = [part for _ in range(12) for part in (nn.Conv2d(4, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU())]
    model = used(nn.Sequential(*parts), 4, 6, 6).to(dtype)
    folded = fold(model, torch.randn(4, 4, 6, 6, dtype=dtype))
    assert norms(folded) == 0
    assert {parameter.dtype for parameter in folded.parameters()} == {dtype}


def test_a_tolerance_that_rounding_exceeds_is_refused():
    model = used(nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4)), 3, 6, 6).float()
    with pytest.raises(InputError, match=r"differs by .* where .* is allowed"):
        fold(model, torch.randn(4, 3, 6, 6), tolerance=1e-12)


class Reads(Overwritten):
    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.conv(x)) * self.norm.weight.mean()


class Steps(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.norm = nn.Linear(3, 4), nn.BatchNorm1d(4)

    def forward(self, x: Tensor, scale: Tensor) -> dict[str, Tensor]:
        return {"out": self.norm(self.fc(x)) * scale, "index": x.argmax(1)}


def test_inputs_and_outputs_may_be_of_any_form():
    model, x = Steps(), torch.randn(5, 3)
    for inputs in ({"x": x, "scale": torch.ones(5, 1)}, (x, torch.ones(5, 1))):
        assert isinstance(fold(model, (inputs, torch.zeros(5))).norm, nn.Identity)


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda m, x: fold(m, x, tolerance=0.0), r"fold\(tolerance=0.0\): tolerance must be a number above 0\."),
        (lambda m, x: fold(m, x, keep=["norn"]), r"keep='norn': there is no batch norm of that name; did you mean"),
        (
            lambda m, x: fold(m, x[:, :1]),
            r"fold\(batch=...\): the model failed on the batch \(RuntimeError",
        ),
        (lambda m, x: foldable(m, x[:, :1]), r"foldable\(batch=...\): the model failed"),
        (lambda m, x: fold(m, x), r"the folded model fails \(AttributeError: .*\); pass keep="),
        (
            lambda m, x: fold(nn.DataParallel(m), x),
            r"fold\(model=DataParallel\): the model is wrapped; pass",
        ),
    ],
)
def test_bad_arguments_of_fold_get_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call(used(Reads(), 3, 4, 4), torch.randn(5, 3, 4, 4).double())
