import inspect

import pytest
import torch
from torch import nn

from latih import optim
from latih._notation import names
from latih.optim import fast_path


class OnlyPlain(torch.optim.SGD):
    def __init__(self, params, lr=0.1):
        super().__init__(params, lr=lr)


class BrokenFused(torch.optim.SGD):
    """Says that it has a fused kernel, and then has none."""

    def __init__(self, params, lr=0.1, fused=None):
        if fused:
            raise RuntimeError("no kernel here")
        super().__init__(params, lr=lr)


def parameter(dtype=torch.float32, device="cpu"):
    return nn.Parameter(torch.ones(3, 3, dtype=dtype, device=device))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("name", names("optim"))
def test_the_chosen_path_really_steps(name, dtype):
    spec = getattr(optim, name)(lr=0.1)
    weights = [parameter(dtype) for _ in range(3)]
    fast = fast_path(spec.make, weights, spec.options)
    known = inspect.signature(spec.make).parameters
    assert fast or ("fused" not in known and "foreach" not in known)
    optimizer = spec(weights)
    for path in fast:
        assert all(group.get(path) is True for group in optimizer.param_groups if not group.get("hidden"))
    for weight in weights:
        weight.grad = torch.full_like(weight, 0.5)
    optimizer.step()
    for weight in weights:
        assert weight.isfinite().all()
        assert (weight < 1).all()


def test_which_methods_take_which_path_on_the_cpu():
    specs = {name: getattr(optim, name)() for name in names("optim")}
    paths = {name: list(fast_path(spec.make, [parameter()], spec.options)) for name, spec in specs.items()}
    assert {name for name in paths if paths[name] == ["fused"]} == {
        "momentum",
        "nag",
        "adagrad",
        "adam",
        "adamw",
        "muon",
    }
    assert {name for name in paths if paths[name] == ["foreach"]} == {"sgd", "rmsprop", "adamax", "nadam"}


def test_mixed_floating_types_stay_fused():
    assert fast_path(torch.optim.Adam, [parameter(), parameter(torch.bfloat16)]) == {"fused": True}


@pytest.mark.parametrize("option", ["differentiable", "capturable"])
def test_an_option_that_needs_the_plain_path_is_left_in_peace(option):
    assert fast_path(torch.optim.Adam, [parameter()], {option: True}) == {}
    assert fast_path(torch.optim.Adam, [parameter()], {option: False}) == {"fused": True}


@pytest.mark.parametrize("options", [{"fused": False}, {"foreach": True}, {"foreach": False}])
def test_a_path_that_was_chosen_is_kept(options):
    assert fast_path(torch.optim.Adam, [parameter()], options) == {}


def test_a_spec_with_such_an_option_builds():
    spec = optim.OptimizerSpec("adam()", torch.optim.Adam, 0.1, options={"differentiable": True})
    assert not spec([parameter()]).param_groups[0]["fused"]
    spec = optim.OptimizerSpec("adam()", torch.optim.Adam, 0.1, options={"foreach": True})
    assert spec([parameter()]).param_groups[0]["foreach"] is True


def test_complex_parameters_are_not_fused():
    assert fast_path(torch.optim.Adam, [parameter(torch.complex64)]) == {"foreach": True}


def test_a_device_outside_the_list_is_not_fused():
    assert fast_path(torch.optim.Adam, [parameter(device="meta")]) == {}


def test_a_tensor_subclass_brings_its_own_rules():
    class Sharded(torch.Tensor):
        pass

    assert fast_path(torch.optim.Adam, [torch.zeros(3).as_subclass(Sharded)]) == {}


def test_a_class_without_the_flags_gets_none():
    assert fast_path(OnlyPlain, [parameter()]) == {}


def test_a_kernel_that_fails_is_not_chosen():
    assert fast_path(BrokenFused, [parameter()]) == {}


def test_foreach_where_torch_lists_the_device(monkeypatch):
    monkeypatch.setattr("latih.optim._fast._get_foreach_kernels_supported_devices", lambda: ["cpu"])
    assert fast_path(torch.optim.RMSprop, [parameter()]) == {"foreach": True}
    assert fast_path(BrokenFused, [parameter()]) == {}


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.parametrize("name", names("optim"))
def test_the_chosen_path_steps_on_the_gpu(name):
    weights = [parameter(device="cuda") for _ in range(3)]
    optimizer = getattr(optim, name)()(weights)
    for weight in weights:
        weight.grad = torch.full_like(weight, 0.5)
    optimizer.step()
    assert all((weight < 1).all() for weight in weights)
