"""What holds for every clip; a new one inherits these tests by existing."""

import inspect

import pytest
import torch
from torch import Tensor, nn
from torch._subclasses import FakeTensorMode
from torch._subclasses.fake_tensor import DataDependentOutputException

from latih import clip
from latih._checks import InputError
from latih._notation import build, names

METHODS = names("clip")
CUTTING = [name for name in METHODS if name != "none"]
LIMITED = [name for name in CUTTING if name != "auto"]  # auto reads its limit off the gradients before
TEXTS = ["norm(limit=0.5)", "value(limit=0.5)", "per_layer(limit=2.0)", "adaptive(limit=0.1, floor=0.01, head=True)"]
TEXTS += ["auto(percentile=10.0, history=50, factor=2.0)"]


def parameters(scale: float = 1.0, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    """The parameters of a small network in its order, with gradients."""
    torch.manual_seed(0)
    shapes = [(6, 2, 3, 3), (6,), (5, 6), (5,), (3, 5), (3,)]
    made = [nn.Parameter(torch.randn(shape, dtype=dtype)) for shape in shapes]
    for parameter in made:
        parameter.grad = scale * torch.randn_like(parameter)
    return made


def gradients(made: list[Tensor]) -> list[Tensor]:
    return [parameter.grad.clone() for parameter in made]


def length(tensors: list[Tensor]) -> Tensor:
    return torch.cat([tensor.double().flatten() for tensor in tensors]).norm()


@pytest.mark.parametrize("text", [f"{name}()" for name in METHODS] + TEXTS)
def test_the_text_is_its_own_notation_and_builds_an_equal_clip(text):
    made = build("clip", text)
    assert made.text == text
    first, second = parameters(10.0), parameters(10.0)
    made(first)
    build("clip", made.text)(second)
    for one, other in zip(gradients(first), gradients(second), strict=True):
        assert torch.equal(one, other)


@pytest.mark.parametrize("name", CUTTING)
@pytest.mark.parametrize("scale", [1e-9, 0.1, 10.0, 1e6])
def test_norm_is_the_global_norm_before_and_removed_the_share_of_it_that_went(name, scale):
    made = parameters(scale)
    before = length(gradients(made))
    clipped = getattr(clip, name)()(made)
    after = length(gradients(made))
    torch.testing.assert_close(clipped.norm, before)
    torch.testing.assert_close(clipped.removed, 1 - after / before, atol=1e-12, rtol=1e-9)
    assert clipped.norm.shape == clipped.removed.shape == clipped.where.shape == ()
    assert not clipped.norm.requires_grad


@pytest.mark.parametrize("name", CUTTING)
def test_a_gradient_below_every_limit_is_left_bit_for_bit(name):
    made = parameters(1e-9)
    before = gradients(made)
    clipped = getattr(clip, name)()(made)
    assert clipped.removed.item() == 0.0
    assert all(torch.equal(one, other) for one, other in zip(before, gradients(made), strict=True))


@pytest.mark.parametrize("name", CUTTING)
def test_no_element_grows_or_changes_its_sign(name):
    made = parameters(100.0)
    before = gradients(made)
    getattr(clip, name)()(made)
    for one, other in zip(before, gradients(made), strict=True):
        assert (other.abs() <= one.abs()).all()
        assert (other * one >= 0).all()


@pytest.mark.parametrize("name", LIMITED)
def test_cutting_twice_cuts_once(name):
    made = parameters(100.0)
    method = getattr(clip, name)()
    assert method(made).removed > 0.1
    once = gradients(made)
    assert method(made).removed.item() == pytest.approx(0.0, abs=1e-12)
    for one, other in zip(once, gradients(made), strict=True):
        torch.testing.assert_close(one, other)


@pytest.mark.parametrize("name", CUTTING)
@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("place", [0, 1, 5])
def test_a_gradient_that_is_not_finite_leaves_all_of_them_as_they_are_and_says_so(name, bad, place):
    made = parameters(100.0)
    made[place].grad.view(-1)[1] = bad
    before = gradients(made)
    clipped = getattr(clip, name)()(made)
    assert not clipped.norm.isfinite()
    assert clipped.removed.isnan()
    for one, other in zip(before, gradients(made), strict=True):
        torch.testing.assert_close(one, other, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", CUTTING)
def test_gradients_of_zero_stay_zero_and_nothing_was_removed(name):
    made = parameters(0.0)
    clipped = getattr(clip, name)()(made)
    assert (clipped.norm.item(), clipped.removed.item()) == (0.0, 0.0)
    assert not any(gradient.any() for gradient in gradients(made))


@pytest.mark.parametrize("name", METHODS)
def test_parameters_and_gradient_tensors_stay_the_same_objects(name):
    made = parameters(100.0)
    values, objects = [parameter.detach().clone() for parameter in made], [id(parameter.grad) for parameter in made]
    getattr(clip, name)()(made)
    assert [id(parameter.grad) for parameter in made] == objects
    assert all(torch.equal(parameter, value) for parameter, value in zip(made, values, strict=True))


@pytest.mark.parametrize("name", METHODS)
def test_parameters_without_a_gradient_are_passed_over(name):
    bare = nn.Parameter(torch.ones(3, 3))
    with_bare, without = [bare, *parameters(100.0)], parameters(100.0)
    getattr(clip, name)()(with_bare)
    getattr(clip, name)()(without)
    assert bare.grad is None
    for one, other in zip(gradients(with_bare[1:]), gradients(without), strict=True):
        assert torch.equal(one, other)
    assert getattr(clip, name)()([bare]) is None
    assert getattr(clip, name)()([]) is None


@pytest.mark.parametrize("name", CUTTING)
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32])
def test_low_precision_is_measured_in_single_precision(name, dtype):
    made, reference = parameters(10.0, dtype), parameters(10.0, dtype)
    for parameter in reference:
        parameter.data, parameter.grad = parameter.data.double(), parameter.grad.double()
    clipped, expected = getattr(clip, name)()(made), getattr(clip, name)()(reference)
    assert clipped.norm.dtype == torch.float32
    torch.testing.assert_close(clipped.norm.double(), expected.norm, rtol=1e-5, atol=0)
    for one, other in zip(gradients(made), gradients(reference), strict=True):
        assert one.dtype == dtype
        torch.testing.assert_close(one.double(), other, rtol=2 * torch.finfo(dtype).eps, atol=1e-6)


@pytest.mark.parametrize("name", LIMITED)
def test_a_half_precision_gradient_whose_norm_overflows_half_precision_is_still_cut(name):
    weight = nn.Parameter(torch.ones(4, 100, dtype=torch.float16))
    weight.grad = torch.full_like(weight, 6e4)
    last = nn.Parameter(torch.ones(1, 1, dtype=torch.float16))  # the head, which `adaptive` passes over
    last.grad = torch.zeros_like(last)
    clipped = getattr(clip, name)()([weight, last])
    assert clipped.norm.item() == pytest.approx(1.2e6, rel=1e-3)
    assert weight.grad.max() <= 1.0


@pytest.mark.parametrize("name", LIMITED)
def test_parameters_of_mixed_precision_are_cut_together(name):
    made = parameters(100.0, torch.float32)
    made[2].data, made[2].grad = made[2].data.double(), made[2].grad.double()
    before = length(gradients(made))
    clipped = getattr(clip, name)()(made)
    torch.testing.assert_close(clipped.norm.double(), before, rtol=1e-6, atol=0)
    assert clipped.removed > 0.1


@pytest.mark.parametrize("name", CUTTING)
def test_nothing_is_read_back_to_the_host(name):
    with FakeTensorMode():
        made = parameters(100.0)
        with pytest.raises(DataDependentOutputException):
            made[0].grad.sum().item()  # what the check would catch
        clipped = getattr(clip, name)()(made)
        assert clipped.norm.shape == clipped.removed.shape == clipped.where.shape == ()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("name", CUTTING)
def test_nothing_waits_for_the_gpu_and_it_agrees_with_the_cpu(name):
    reference = parameters(100.0)
    made = [nn.Parameter(parameter.detach().cuda()) for parameter in reference]
    for parameter, other in zip(made, reference, strict=True):
        parameter.grad = other.grad.cuda()
    torch.cuda.set_sync_debug_mode("error")
    try:
        clipped = getattr(clip, name)()(made)
    finally:
        torch.cuda.set_sync_debug_mode("default")
    expected = getattr(clip, name)()(reference)
    torch.testing.assert_close(clipped.removed.cpu(), expected.removed)
    for one, other in zip(gradients(made), gradients(reference), strict=True):
        torch.testing.assert_close(one.cpu(), other)


@pytest.mark.parametrize("name", LIMITED)
@pytest.mark.parametrize("limit", [0.0, -1.0, float("nan"), float("inf"), "1", None, True])
def test_a_limit_that_is_not_above_zero_is_refused(name, limit):
    with pytest.raises(InputError, match=rf"{name}\(limit=.*\): limit must be a number above 0\."):
        getattr(clip, name)(limit=limit)


@pytest.mark.parametrize("name", CUTTING)
def test_a_sparse_gradient_is_refused_in_one_sentence(name):
    embedding = nn.Embedding(10, 3, sparse=True)
    embedding(torch.tensor([1, 2])).sum().backward()
    with pytest.raises(InputError, match=r"a gradient of shape \(10, 3\) is sparse; .*sparse=False"):
        getattr(clip, name)()(list(embedding.parameters()))


@pytest.mark.parametrize("name", METHODS)
def test_the_docstring_says_when_to_use_it_and_when_it_hurts(name):
    text = inspect.getdoc(getattr(clip, name)) or ""
    for word in ("Use it", "hurts", ">>>"):
        assert word in text


@pytest.mark.parametrize("name", LIMITED)
def test_where_is_the_place_of_the_parameter_that_lost_the_most(name):
    made = parameters(100.0)
    made[2].grad *= 1000
    made[0].grad = None  # a parameter without a gradient still has its place
    before = gradients(made[1:])
    clipped = getattr(clip, name)()(made)
    lost = [length([one]) - length([other]) for one, other in zip(before, gradients(made[1:]), strict=True)]
    assert clipped.where.item() == 1 + torch.stack(lost).argmax().item() == 2
