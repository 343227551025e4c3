"""What is frozen computes and keeps the same, in every architecture and whatever is done to the model."""

import copy
import os
import pickle
from collections.abc import Callable
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from latih._held import is_held
from latih.models import cnn, resnet
from latih.models.backbones._hf_library import transformers_library
from latih.norm import pinned, recalibrate, unpinned
from latih.optim import adamw, momentum
from latih.transfer import freeze


class Noisy(nn.Module):
    """A residual block with stochastic depth, functional dropout and a branch of its own, all by `self.training`."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.linear = nn.Linear(width, width)
        self.norm = nn.BatchNorm1d(width)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        branch = nn.functional.dropout(self.drop(self.norm(self.linear(x))), 0.5, self.training)
        if self.training:
            branch = branch * (torch.rand(len(x), 1) > 0.5) + 0.1 * torch.randn_like(x)
        return x + branch


class Rooted(nn.Module):
    """Has parameters of its own, as vision transformers do."""

    def __init__(self) -> None:
        super().__init__()
        self.position = nn.Parameter(torch.randn(6))
        self.scale = nn.Parameter(torch.ones(()))
        self.drop = nn.Dropout(0.5)
        self.layers = nn.ModuleList([Noisy(6) for _ in range(3)])
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        x = self.drop(x + self.position) * self.scale
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(9, 6)
        self.lstm = nn.LSTM(6, 6, num_layers=2, dropout=0.5, batch_first=True)
        self.head = nn.Linear(6, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.lstm(self.embed(x))[0][:, -1])


def sequential() -> nn.Module:
    return nn.Sequential(
        nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5),
        nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8, affine=False), nn.ReLU(), nn.AlphaDropout(0.5)),
        Noisy(8), nn.Dropout(0.5), nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2),
    )  # fmt: skip


def transformer() -> nn.Module:
    layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(6, 2, 8, batch_first=True), 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Linear(6, 6), layers, nn.Flatten(), nn.Linear(18, 2))


def transformers() -> Any:
    pytest.importorskip("transformers")
    return transformers_library()


SMALL = dict(hidden_size=8, num_hidden_layers=2, num_attention_heads=2, intermediate_size=8)


def bert() -> nn.Module:
    return transformers().BertForSequenceClassification(transformers().BertConfig(vocab_size=9, **SMALL))


def vit() -> nn.Module:
    config = transformers().ViTConfig(image_size=8, patch_size=4, hidden_dropout_prob=0.5, **SMALL)
    return transformers().ViTForImageClassification(config)


def efficientnet() -> nn.Module:
    package = pytest.importorskip("efficientnet_lite_pytorch")
    return package.EfficientNet.from_name("efficientnet-lite0", drop_connect_rate=0.5)


def tokens() -> Tensor:
    return torch.randint(0, 9, (8, 5))


# name: (model, batch, how it is frozen)
CASES: dict[str, tuple[Callable[[], nn.Module], Callable[[], Tensor], dict[str, Any]]] = {
    "sequential, all but the head": (sequential, lambda: torch.randn(8, 6), {"but": "9"}),
    "sequential, up to a norm": (sequential, lambda: torch.randn(8, 6), {"upto": "4.1"}),
    "sequential, up to a block": (sequential, lambda: torch.randn(8, 6), {"upto": "5"}),
    "sequential, up to a dropout": (sequential, lambda: torch.randn(8, 6), {"upto": "6"}),
    "its own parameters": (Rooted, lambda: torch.randn(8, 6), {"upto": "layers.1"}),
    "its own parameters, but two": (Rooted, lambda: torch.randn(8, 6), {"but": ["layers.2", "head"]}),
    "lstm": (Recurrent, tokens, {"but": "head"}),
    "transformer": (transformer, lambda: torch.randn(8, 3, 6), {"upto": "1.layers.0"}),
    "cnn": (lambda: cnn(dropout=0.5)((1, 12, 12), 3), lambda: torch.randn(8, 1, 12, 12), {"but": "head"}),
    "resnet": (lambda: resnet(1, 4)((1, 8, 8), 3), lambda: torch.randn(8, 1, 8, 8), {"upto": "stage2"}),
    "bert": (bert, tokens, {"but": "classifier"}),
    "bert, lower layers": (bert, tokens, {"upto": "bert.encoder.layer.0"}),
    "vit": (vit, lambda: torch.randn(4, 3, 8, 8), {"upto": "vit.layers.0"}),
    "efficientnet": (efficientnet, lambda: torch.randn(4, 3, 64, 64), {"upto": "_blocks.4"}),
}
EVERY = pytest.mark.parametrize("case", CASES)


def made(case: str) -> tuple[nn.Module, Callable[[], Tensor], dict[str, Any]]:
    torch.manual_seed(0)
    make, batch, how = CASES[case]
    return make(), batch, how


def answer(model: nn.Module, x: Tensor) -> Tensor:
    output = model(x)
    return output if isinstance(output, Tensor) else output.logits


def train(model: nn.Module, batch: Callable[[], Tensor], optimizer: torch.optim.Optimizer, steps: int = 3) -> None:
    """As a user's loop does it: train mode is set again and again."""
    for step in range(steps):
        torch.manual_seed(step)
        model.train()
        optimizer.zero_grad()
        answer(model, 3 * batch() if batch is not tokens else batch()).square().mean().backward()
        optimizer.step()


def kept(model: nn.Module, names: list[str]) -> dict[str, Tensor]:
    """The weights of these names and every buffer of the modules that are held."""
    buffers = {
        f"{path}.{name}": buffer
        for path, module in model.named_modules()
        if is_held(module)
        for name, buffer in module.named_buffers(recurse=False)
    }
    return {
        name: one.detach().clone() for name, one in [*buffers.items(), *[(n, model.get_parameter(n)) for n in names]]
    }


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def outputs(model: nn.Module, x: Tensor, seed: int, paths: list[str]) -> list[Tensor]:
    """What these modules put out, in the order of the computation."""
    seen: list[Tensor] = []

    def take(module: nn.Module, args: Any, output: Any) -> None:
        seen.extend(
            one.clone() for one in (output if isinstance(output, tuple) else [output]) if isinstance(one, Tensor)
        )

    handles = [model.get_submodule(path).register_forward_hook(take) for path in paths]
    torch.manual_seed(seed)
    model(x)
    for handle in handles:
        handle.remove()
    return seen


def steady(model: nn.Module, x: Tensor, paths: list[str]) -> bool:
    """Whether these modules put out the same in training as in evaluation."""
    one, other = outputs(model.train(), x, 1, paths), outputs(model.eval(), x, 2, paths)
    return len(one) == len(other) > 0 and all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def held_paths(model: nn.Module) -> list[str]:
    return [path for path, module in model.named_modules() if is_held(module)]


@EVERY
def test_the_frozen_part_does_not_move_by_a_bit_and_computes_in_training_what_it_does_in_evaluation(case):
    model, batch, how = made(case)
    frozen = freeze(model, **how)
    before, x = kept(model, frozen.names), batch()
    train(model, batch, adamw(lr=0.01, weight_decay=0.1)(model))
    assert same(kept(model, frozen.names), before)
    assert steady(model, x, held_paths(model))
    assert [name for name, one in model.named_parameters() if not one.requires_grad] == frozen.names


@pytest.mark.parametrize("case", ["sequential, up to a block", "its own parameters", "cnn", "bert", "efficientnet"])
def test_without_gradients_alone_it_would_do_neither(case):
    model, batch, how = made(case)
    with freeze(model, **how) as frozen:
        paths = held_paths(model)
    for name in frozen.names:
        model.get_parameter(name).requires_grad_(False)
    assert not steady(model, batch(), paths)
    if any(isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d) for module in model.modules()):
        before = {name: buffer.clone() for name, buffer in model.named_buffers()}
        train(model, batch, adamw()(model))
        assert not same(dict(model.named_buffers()), before)


@pytest.mark.parametrize("spec", [adamw(lr=0.01, weight_decay=0.1), momentum(lr=0.01, weight_decay=0.1)])
@pytest.mark.parametrize("case", ["sequential, all but the head", "its own parameters", "bert, lower layers"])
def test_an_optimizer_with_momentum_from_before_moves_nothing_frozen(case, spec):
    model, batch, how = made(case)
    optimizer = spec(model)
    train(model, batch, optimizer)
    frozen = freeze(model, **how)
    before = kept(model, frozen.names)
    free = {name: one.detach().clone() for name, one in model.named_parameters() if one.requires_grad}
    optimizer.step()  # with the gradients of the step before
    train(model, batch, optimizer)
    assert same(kept(model, frozen.names), before)
    assert all(model.get_parameter(name).grad is None for name in frozen.names)
    assert any(not torch.equal(model.get_parameter(name), value) for name, value in free.items())


@EVERY
def test_undone_it_is_as_it_was_and_trains_as_if_it_had_never_been_frozen(case):
    (model, batch, how), (reference, _, _) = made(case), made(case)
    for one in (model, reference):
        next(one.parameters()).requires_grad_(False)
        next(module for module in one.modules() if not list(module.children())).eval()

    def state(one: nn.Module) -> list[Any]:
        modules = [(type(module), module.training, list(vars(module))) for module in one.modules()]
        return [modules, [parameter.requires_grad for parameter in one.parameters()], repr(one)]

    frozen = freeze(model, **how)
    frozen.undo()
    frozen.undo()
    assert state(model) == state(reference)
    with freeze(model, **how):
        model.eval()
        model.train()
    reference.train()
    assert state(model) == state(reference)
    for one in (model, reference):
        train(one, batch, adamw(lr=0.01)(one), steps=2)
    assert same(dict(model.state_dict()), dict(reference.state_dict()))


@pytest.mark.parametrize("case", ["sequential, up to a block", "its own parameters", "cnn", "vit"])
def test_it_survives_a_state_loaded_into_a_fresh_frozen_model(case):
    model, batch, how = made(case)
    train(model, batch, adamw(lr=0.01)(model))
    frozen = freeze(model, **how)
    fresh = made(case)[0]
    freeze(fresh, **how)
    fresh.load_state_dict(model.state_dict(), strict=True)
    before = kept(model, frozen.names)
    train(fresh, batch, adamw(lr=0.01)(fresh))
    assert same(kept(fresh, frozen.names), before)
    assert steady(fresh, batch(), held_paths(fresh))


@pytest.mark.parametrize("copying", [copy.deepcopy, lambda pair: pickle.loads(pickle.dumps(pair))])
@pytest.mark.parametrize("case", ["sequential, up to a block", "its own parameters", "bert, lower layers"])
def test_a_copy_is_frozen_too_and_a_copied_record_undoes_it(case, copying):
    model, batch, how = made(case)
    frozen = freeze(model, **how)
    again, record = copying((model, frozen))
    before = kept(again, frozen.names)
    train(again, batch, adamw(lr=0.01)(again))
    assert same(kept(again, frozen.names), before)
    assert steady(again, batch(), held_paths(model))
    record.undo()
    assert all(module.training for module in again.train().modules())
    assert all(parameter.requires_grad for parameter in again.parameters())
    assert [name for name, one in model.named_parameters() if not one.requires_grad] == frozen.names


def test_what_was_pinned_before_stays_pinned_after():
    model = pinned(sequential(), where="1").train()
    frozen = freeze(model, but="9")
    unpinned(model)
    assert not model.train()[1].training  # it is frozen still
    frozen.undo()
    assert model.train()[1].training
    pinned(model, where="1")
    freeze(model, but="9").undo()
    assert not model.train()[1].training
    assert model[5].norm.training


def test_frozen_statistics_are_not_recalibrated():
    model, batch, how = made("sequential, up to a block")
    model.append(nn.BatchNorm1d(2))
    before = kept(model, freeze(model, **how).names)
    assert recalibrate(model, [batch()]) == ["10"]
    assert same(kept(model, [name for name in before if "running" not in name and "batches" not in name]), before)


@pytest.mark.slow
@pytest.mark.parametrize("case", ["sequential, up to a block", "its own parameters"])
def test_it_survives_compilation(case):
    model, batch, how = made(case)
    compiled = torch.compile(model, backend="aot_eager")
    with torch.no_grad():
        compiled(batch())
    frozen = freeze(model, **how)
    before, x = kept(model, frozen.names), batch()
    train(compiled, batch, adamw(lr=0.01)(model))
    assert same(kept(model, frozen.names), before)
    assert steady(model, x, held_paths(model))
    compiled.eval()
    torch.testing.assert_close(compiled(x), model(x))
    frozen.undo()
    train(compiled, batch, adamw(lr=0.01)(model))
    assert not same(kept(model, frozen.names), {name: before[name] for name in frozen.names})


@pytest.mark.skipif(not dist.is_available(), reason="this torch has no torch.distributed")
@pytest.mark.parametrize("case", ["sequential, up to a block", "its own parameters"])
def test_it_survives_distributed_training(case, tmp_path):
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    dist.init_process_group("gloo", init_method=f"file://{tmp_path / 'store'}", rank=0, world_size=1)
    try:
        model, batch, how = made(case)
        frozen = freeze(model, **how)
        before = kept(model, frozen.names)
        parallel = nn.parallel.DistributedDataParallel(model)
        train(parallel, batch, adamw(lr=0.01)(model))
        assert same(kept(model, frozen.names), before)
        parallel.train()
        paths = held_paths(model)
        assert not any(model.get_submodule(path).training for path in paths)
        assert steady(parallel, batch(), [f"module.{path}" for path in paths])
    finally:
        dist.destroy_process_group()
