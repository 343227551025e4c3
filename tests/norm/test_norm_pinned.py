"""A pinned norm stays pinned, whatever is done to the model."""

import copy
import os
import pickle

import pytest
import torch
import torch.distributed as dist
import torch.multiprocessing as mp
from torch import Tensor, nn

from latih._checks import InputError
from latih.norm import batch, pinned, unpinned

NORMS = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(4), (8, 4)),
    "BatchNorm1d on sequences": (lambda: nn.BatchNorm1d(4), (8, 4, 5)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(4), (8, 4, 5, 5)),
    "BatchNorm3d": (lambda: nn.BatchNorm3d(4), (8, 4, 3, 3, 3)),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(4), (8, 4, 5)),
    "InstanceNorm1d": (lambda: nn.InstanceNorm1d(4, affine=True, track_running_stats=True), (8, 4, 5)),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(4, track_running_stats=True), (8, 4, 5, 5)),
    "BatchNorm2d without affine": (lambda: nn.BatchNorm2d(4, affine=False), (8, 4, 5, 5)),
    "of this package": (lambda: batch()(4, 2), (8, 4, 5, 5)),
}


def network() -> nn.Sequential:
    torch.manual_seed(0)
    made = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.BatchNorm2d(4), nn.Flatten(),
        nn.Linear(16, 2),
    )  # fmt: skip
    for _ in range(3):
        made(5 * torch.randn(16, 3, 6, 6) + 2)  # running statistics that differ from the batch's
    return made


def statistics(model: nn.Module) -> list[Tensor]:
    return [buffer.clone() for buffer in model.buffers()]


def equal(one: list[Tensor], other: list[Tensor]) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def train(model: nn.Module, steps: int = 5) -> None:
    """As a user's loop does it: train mode is set again and again."""
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.01)
    for step in range(steps):
        model.train()
        torch.manual_seed(step)
        model(torch.randn(8, 3, 6, 6)).square().mean().backward()
        optimizer.step()
        optimizer.zero_grad()


def assert_pinned(model: nn.Module, before: list[Tensor]) -> None:
    x = 3 * torch.randn(8, 3, 6, 6)
    train(model)
    assert equal(statistics(model), before)
    assert torch.equal(model.train()(x), model.eval()(x))
    assert equal(statistics(model), before)


def test_without_pinning_both_would_differ():
    model, x = network(), torch.randn(8, 3, 6, 6)
    before = statistics(model)
    assert not torch.allclose(model.train()(x), copy.deepcopy(model).eval()(x), atol=0.1)
    train(model)
    assert not equal(statistics(model), before)


def test_training_moves_the_weights_but_not_the_statistics():
    model = pinned(network())
    weights = [parameter.detach().clone() for parameter in model.parameters()]
    assert_pinned(model, statistics(model))
    assert not any(torch.equal(*pair) for pair in zip(weights, model.parameters(), strict=True))


@pytest.mark.parametrize("name", NORMS)
def test_every_norm_with_running_statistics_can_be_pinned_and_stays_its_type(name):
    make, shape = NORMS[name]
    norm = make()
    kind, keys, before = type(norm), list(norm.state_dict()), statistics(norm)
    assert pinned(norm) is norm
    x = 3 * torch.randn(shape) + 1
    assert torch.equal(norm.train()(x), norm.eval()(x))
    torch.testing.assert_close(norm.train()(x), x, atol=1e-4, rtol=1e-4)  # fresh statistics: mean 0, variance 1
    assert equal(statistics(norm), before)
    assert isinstance(norm, kind)
    assert list(norm.state_dict()) == keys


def test_it_survives_a_state_loaded_into_a_fresh_pinned_model():
    trained = pinned(network())
    train(trained)
    fresh = pinned(nn.Sequential(*[copy.deepcopy(part) for part in network()]))
    for buffer in fresh.buffers():
        buffer.zero_()
    fresh.load_state_dict(trained.state_dict(), strict=True)
    assert_pinned(fresh, statistics(trained))


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_it_survives_copying_and_pickling_and_the_copy_can_be_unpinned(copying):
    original = pinned(network(), freeze_affine=True)
    again = copying(original)
    assert_pinned(again, statistics(original))
    assert type(again[1]) is type(original[1])
    unpinned(again)
    assert type(again[1]) is nn.BatchNorm2d
    assert again[1].weight.requires_grad
    assert not original[1].weight.requires_grad


def test_hooks_parameters_and_an_optimizer_made_before_stay():
    model = network()
    called = []
    model[1].register_forward_hook(lambda *_: called.append(1))
    weight = model[1].weight
    pinned(model)(torch.randn(2, 3, 6, 6))
    assert called == [1]
    assert model[1].weight is weight


def test_it_is_reversible_and_then_trains_as_if_it_had_never_been_pinned():
    model, reference = network(), network()
    pinned(model, freeze_affine=True)
    model.train()
    unpinned(model)
    assert [type(part) for part in model] == [type(part) for part in reference]
    assert vars(model[1]).keys() == vars(reference[1]).keys()
    train(model)
    train(reference)
    assert equal(statistics(model), statistics(reference))
    assert all(torch.equal(*pair) for pair in zip(model.parameters(), reference.parameters(), strict=True))


def test_unpinned_takes_the_mode_that_was_asked_for_last():
    model = pinned(network().train())
    model.eval()
    assert not unpinned(model)[1].training
    pinned(model)
    model.train()
    assert unpinned(model)[1].training


def test_only_what_is_named_is_pinned():
    model = pinned(nn.ModuleDict({"lower": network(), "upper": network()}), where="lower").train()
    assert not model["lower"][1].training
    assert model["upper"][1].training
    pinned(model, where=["upper.1"])
    assert not model["upper"][1].training
    assert model["upper"][4].training
    unpinned(model, where="lower.4").train()
    assert model["lower"][4].training
    assert not model["lower"][1].training


def test_affine_parameters_are_frozen_only_when_asked_and_get_their_own_flags_back():
    model = network()
    model[4].bias.requires_grad_(False)
    pinned(model)
    assert model[1].weight.requires_grad
    pinned(model, freeze_affine=True)
    assert not any(parameter.requires_grad for parameter in [*model[1].parameters(), *model[4].parameters()])
    assert model[0].weight.requires_grad
    unpinned(model)
    assert model[1].weight.requires_grad
    assert model[4].weight.requires_grad
    assert not model[4].bias.requires_grad


@pytest.mark.parametrize(
    ("call", "sentence"),
    [
        (lambda: pinned(nn.Linear(2, 2)), r"pinned\(model\): there is no norm with running statistics; nothing"),
        (lambda: pinned(network(), "0"), r"there is no norm with running statistics at or below '0'"),
        (lambda: pinned(nn.ModuleDict({"body": network()}), "bodi"), r"where='bodi': .*; did you mean 'body'\?"),
        (lambda: unpinned(network(), "9"), r"where='9': there is no submodule of that name"),
        (lambda: pinned(nn.InstanceNorm1d(3)), r"nothing can be pinned\."),
        (lambda: pinned(nn.LazyBatchNorm1d()), r"LazyBatchNorm1d has no shape yet; run one batch"),
    ],
)
def test_what_cannot_be_pinned_gets_one_sentence(call, sentence):
    with pytest.raises(InputError, match=sentence):
        call()


@pytest.mark.slow
@pytest.mark.parametrize("before_compiling", [True, False])
def test_it_survives_compilation(before_compiling):
    model = network()
    if before_compiling:
        pinned(model)
    compiled = torch.compile(model, backend="aot_eager")
    compiled(torch.randn(8, 3, 6, 6))
    pinned(model)
    before = statistics(model)
    train(compiled)
    assert equal(statistics(model), before)
    x = torch.randn(8, 3, 6, 6)
    torch.testing.assert_close(compiled.train()(x), model.eval()(x), atol=1e-6, rtol=1e-5)
    unpinned(model)
    train(compiled, steps=1)
    assert not equal(statistics(model), before)


def in_each_process(rank: int, world: int, store: str) -> None:
    os.environ["OMP_NUM_THREADS"] = "1"
    dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=world)
    model = pinned(network())
    before = statistics(model)
    parallel = nn.parallel.DistributedDataParallel(model)
    train(parallel)
    assert equal(statistics(model), before)
    x = torch.randn(8, 3, 6, 6)
    assert torch.equal(parallel.train()(x), model.eval()(x))
    dist.destroy_process_group()


@pytest.mark.skipif(not dist.is_available(), reason="this torch has no torch.distributed")
def test_it_survives_distributed_training_in_one_process(tmp_path):
    in_each_process(0, 1, str(tmp_path / "store"))


@pytest.mark.slow
@pytest.mark.skipif(not dist.is_available(), reason="this torch has no torch.distributed")
def test_it_survives_distributed_training_in_two_processes(tmp_path):
    mp.spawn(in_each_process, args=(2, str(tmp_path / "store")), nprocs=2)
