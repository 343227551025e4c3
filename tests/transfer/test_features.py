"""A head that trains on cached features learns what it learns within the frozen model."""

import copy

import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import latih
from latih._checks import InputError
from latih.data import TensorExamples, as_examples
from latih.data.augment import flip, shift
from latih.train import Recipe
from latih.transfer._cacheable import why_not
from latih.transfer._features import cached
from latih.transfer._freeze import freeze
from latih.transfer._mapped import MappedExamples
from latih.transfer._received import features_of
from latih.transfer._views import NextView, ViewedExamples
from latih.transfer._widened import widened


class Frozen(nn.Sequential):
    """Layers that are not trained, and that stay in evaluation mode."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.requires_grad_(False)

    def train(self, mode=True):
        return super().train(False)


def mlp():
    torch.manual_seed(0)
    head = nn.Sequential(nn.Linear(24, 16), nn.Tanh(), nn.Dropout(0.4), nn.Linear(16, 4))
    return nn.Sequential(Frozen(nn.Flatten(), nn.Linear(64, 32), nn.ReLU(), nn.Linear(32, 24)), head)


def cnn():
    torch.manual_seed(0)
    body = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )
    for _ in range(5):  # statistics of its own, as a pretrained network has
        body(torch.randn(16, 1, 8, 8) * 3 + 1)
    return nn.Sequential(Frozen(*body), nn.Sequential(nn.Linear(24, 12), nn.BatchNorm1d(12), nn.Linear(12, 4)))


def pictures(n=90, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, 1, 8, 8, generator=generator), torch.randint(0, 4, (n,), generator=generator)


def learn(model, data, callbacks=(), **recipe):
    recipe = Recipe(**dict(epochs=4, batch_size=16, lr=0.05, optimizer="momentum()", patience=0) | recipe)
    return latih.train(model, data, recipe=recipe, progress=False, callbacks=callbacks)


def assert_equal_heads(one, other):
    other = other.state_dict()
    for name, value in one.state_dict().items():
        torch.testing.assert_close(value, other[name], rtol=1e-6, atol=1e-6 * float(value.abs().max()))


@pytest.mark.parametrize("keep", ["memory", "disk"])
@pytest.mark.parametrize("make", [mlp, cnn])
def test_the_head_learns_what_it_learns_within_the_frozen_model(make, keep, tmp_path):
    whole, alone, data = make(), make(), pictures()
    start = {name: value.clone() for name, value in alone[1].state_dict().items()}
    run = learn(whole, data)
    features = cached(alone, "1", TensorExamples(*data), device="cpu", keep=keep, folder=tmp_path)
    again = learn(alone[1], features)
    assert_equal_heads(whole[1], alone[1])
    torch.testing.assert_close(torch.tensor(run.history.losses), torch.tensor(again.history.losses))
    assert not torch.equal(alone[1].state_dict()["0.weight"], start["0.weight"])


@pytest.mark.parametrize("make", [mlp, cnn])
def test_freeze_makes_a_model_whose_features_can_be_cached(make):
    thawed = make()
    thawed[0] = nn.Sequential(*thawed[0])
    data, thawed = pictures(), thawed.requires_grad_(True)
    whole, alone = copy.deepcopy(thawed), copy.deepcopy(thawed)
    assert why_not(alone, "1", data) is not None
    with freeze(whole, but="1"), freeze(alone, but="1"):
        assert why_not(alone, "1", data) is None
        learn(whole, data)
        learn(alone[1], cached(alone, "1", TensorExamples(*data), device="cpu"))
    assert_equal_heads(whole[1], alone[1])
    assert_equal_heads(whole[0], alone[0])


def test_a_dropout_in_front_of_the_head_is_trained_with_it():
    class Backbone(nn.Module):
        def __init__(self):
            super().__init__()
            torch.manual_seed(0)
            self.features = nn.Sequential(nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.Dropout(0.2), nn.ReLU())
            self.pool, self.drop, self.flatten = nn.AdaptiveAvgPool2d(2), nn.Dropout(0.4), nn.Flatten()
            self.head = nn.Linear(24, 4)

        def forward(self, x):
            return self.head(self.flatten(self.drop(self.pool(self.features(x)))))

    whole, alone, data = Backbone(), Backbone(), pictures()
    with freeze(whole, but="head"), freeze(alone, but="head"):
        assert why_not(alone, "head", data) == "dropout or other noise before the head is on"
        paths = widened(alone, "head", data)
        assert paths == ("drop", "flatten", "head")
        assert why_not(alone, paths, data) is None
        learn(whole, data)
        features = cached(alone, paths, TensorExamples(*data), device="cpu")
        assert features.shape == (6, 2, 2)
        learn(nn.Sequential(*(alone.get_submodule(path) for path in paths)), features)
    assert_equal_heads(whole.head, alone.head)


def test_a_head_without_noise_in_front_of_it_stays_alone():
    x = torch.randn(6, 4)
    body = nn.Sequential(nn.Linear(4, 6), nn.Dropout(0.5))
    for layers in ((), (nn.ReLU(), nn.Identity()), (nn.Linear(6, 6),)):
        model = nn.Sequential(body, *layers, nn.Linear(6, 2))
        head = str(len(layers) + 1)
        between = tuple(str(place + 1) for place in range(len(layers)))
        noisy = () if layers and layers[0].__class__ is nn.Linear else ("0.1", *between)
        assert widened(model, head, x) == (*noisy, head)
    body[1].eval()
    body.train = lambda mode=True: body
    assert widened(model, head, x) == (head,)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in model.modules())


def test_the_head_learns_the_same_from_views_while_there_are_as_many_as_epochs():
    whole, alone, data = cnn(), cnn(), pictures()
    learn(whole, data, augment="flip() >> shift(1)", epochs=3)
    augment = flip() >> shift(1)
    features = cached(alone, "1", TensorExamples(*data), device="cpu", augment=augment, views=3)
    learn(alone[1], features, [NextView()], epochs=3)
    assert_equal_heads(whole[1], alone[1])


@pytest.mark.parametrize("keep", ["memory", "disk"])
def test_an_epoch_sees_its_view_and_the_first_comes_round_again(keep, tmp_path):
    model, (x, y) = cnn().eval(), pictures(20)
    features = cached(
        model,
        "1",
        TensorExamples(x, y),
        device="cpu",
        augment=shift(2),
        views=3,
        seed=5,
        batch_size=6,
        keep=keep,
        folder=tmp_path,
    )
    assert (features.shape, len(features)) == ((24,), 20)

    seen = []

    class Witness(latih.train.Callback):
        def on_step_end(self, trainer):
            seen.append(trainer.train.view)

    learn(model[1], features, [NextView(), Witness()], epochs=5, batch_size=20)
    assert seen == [0, 1, 2, 0, 1]
    order = torch.tensor([7, 0, 19])
    for view in range(3):
        features.view = view
        (batch,) = features.batches(order, 3)
        expected = features_of(model, "1", shift(2)(x, torch.arange(20), 5, view))[order]
        torch.testing.assert_close(batch.inputs, expected)
        assert torch.equal(batch.targets, y[order])
        assert torch.equal(batch.indices, order)


def test_a_resumed_run_goes_on_with_its_view(tmp_path):
    class Stop(latih.train.Callback):
        def on_epoch_end(self, trainer):
            if trainer.epoch == 2:
                raise latih.train.StopTraining("half way")

    def features():
        return cached(cnn(), "1", TensorExamples(*pictures()), device="cpu", augment=flip(), views=3)

    def head():
        return cnn()[1]

    recipe = Recipe(epochs=5, batch_size=16, patience=0, schedule="constant()")
    through, interrupted, resumed = head(), head(), head()
    latih.train(through, features(), recipe=recipe, progress=False, callbacks=[NextView()])
    latih.train(
        interrupted, features(), recipe=recipe, progress=False, callbacks=[Stop(), NextView()], out=tmp_path / "run"
    )
    latih.train(
        resumed, features(), recipe=recipe, progress=False, callbacks=[NextView()], out=tmp_path / "run", resume=True
    )
    assert all(torch.equal(value, resumed.state_dict()[name]) for name, value in through.state_dict().items())


def test_next_view_leaves_examples_without_views_alone():
    features = cached(mlp(), "1", TensorExamples(*pictures()), device="cpu")
    learn(mlp()[1], features, [NextView()], epochs=1)
    assert not hasattr(features, "view")


def test_features_are_in_the_order_of_the_examples_with_their_targets():
    model, (x, y) = mlp().eval(), pictures(33)
    features = cached(model, "1", TensorExamples(x, y), device="cpu", batch_size=8)
    assert isinstance(features, TensorExamples)
    torch.testing.assert_close(features.inputs, model[0](x))
    assert torch.equal(features.targets, y)
    assert not features.inputs.requires_grad


def test_a_shuffling_loader_keeps_its_pairs_together():
    x = torch.arange(20.0)[:, None].expand(20, 64)
    loader = DataLoader(TensorDataset(x, torch.arange(20)), batch_size=6, shuffle=True)
    model, data = nn.Sequential(nn.Identity(), nn.Linear(64, 4)), as_examples(loader)
    state = torch.get_rng_state()
    features = cached(model, "1", data, device="cpu")
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(features.inputs[:, 0].long(), features.targets)
    assert sorted(features.targets.tolist()) == list(range(20))


@pytest.mark.parametrize("precision", ["bfloat16", "float16"])
def test_features_keep_the_format_in_which_the_head_receives_them(precision, tmp_path):
    model, data = mlp(), TensorExamples(*pictures(20))
    memory = cached(model, "1", data, device="cpu", precision=precision)
    disk = cached(model, "1", data, device="cpu", precision=precision, keep="disk", folder=tmp_path)
    (batch,) = disk.batches(torch.arange(20), 20)
    assert memory.inputs.dtype == batch.inputs.dtype == getattr(torch, precision)
    assert torch.equal(memory.inputs, batch.inputs)
    assert cached(
        model.double(), "1", TensorExamples(data.inputs.double(), data.targets), device="cpu"
    ).inputs.dtype == (torch.float64)


def test_evaluation_mode_lasts_for_the_features_only_and_randomness_stays():
    torch.manual_seed(3)
    model = nn.Sequential(nn.Linear(64, 8), nn.BatchNorm1d(8), nn.Dropout(0.5), nn.Linear(8, 4))
    model[1].eval()
    data = TensorExamples(torch.randn(20, 64), torch.zeros(20, dtype=torch.long))
    state, before = torch.get_rng_state(), {name: value.clone() for name, value in model.state_dict().items()}
    features = cached(model, "3", data, device="cpu")
    assert [module.training for module in model.modules()] == [True, True, False, True, True]
    assert torch.equal(torch.get_rng_state(), state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    torch.testing.assert_close(features.inputs, features_of(model.eval(), "3", data.inputs).detach())


def test_progress_is_told_after_every_batch():
    told = []
    cached(
        mlp(),
        "1",
        TensorExamples(*pictures(20)),
        device="cpu",
        batch_size=8,
        progress=lambda done, total: told.append((done, total)),
    )
    assert told == [(8, 20), (16, 20), (20, 20)]


def test_auto_keeps_in_memory_what_fits_the_limit(tmp_path):
    data, needed = TensorExamples(*pictures(20)), 20 * 24 * 4
    for limit, kind in ((needed, TensorExamples), (needed - 1, MappedExamples)):
        assert isinstance(cached(mlp(), "1", data, device="cpu", limit=limit, folder=tmp_path), kind)
    images, needed = TensorExamples(*pictures(20)), 2 * needed
    for limit, kind in ((needed, ViewedExamples), (needed - 1, MappedExamples)):
        options = dict(augment=flip(), views=2, limit=limit, folder=tmp_path)
        assert isinstance(cached(mlp(), "1", images, device="cpu", **options), kind)


def test_features_are_what_the_head_receives_and_nothing_after_is_run():
    class Counts(nn.Module):
        calls = 0

        def forward(self, x):
            Counts.calls += 1
            return x

    body, after = nn.Linear(4, 3), Counts()
    model = nn.Sequential(body, nn.Sequential(nn.Linear(3, 2)), after)
    x = torch.randn(5, 4)
    assert torch.equal(features_of(model, "1", x), body(x))
    assert torch.equal(features_of(model, "1.0", x), body(x))
    assert torch.equal(features_of(model, "", x), x)
    assert Counts.calls == 0
    assert features_of(model, "1", x).requires_grad


def test_a_model_that_swallows_exceptions_does_not_swallow_the_end():
    class Careful(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            try:
                return self.head(x)
            except Exception:
                pytest.fail("the end of the pass was taken for an error")

    x = torch.randn(3, 4)
    assert features_of(Careful(), "head", x) is x


def test_a_compiled_and_a_wrapped_model_are_run_as_what_they_wrap():
    model, x = mlp().eval(), pictures(4)[0]
    expected = features_of(model, "1", x)
    assert torch.equal(features_of(torch.compile(model, backend="eager"), "1", x), expected)
    assert torch.equal(features_of(nn.DataParallel(model), "1", x), expected)
    model.compile(backend="eager")
    assert torch.equal(features_of(model, "1", x), expected)


def test_hooks_of_the_head_itself_run_once():
    model, x = mlp(), pictures(4)[0]
    model[1].register_forward_pre_hook(lambda module, arguments: (arguments[0] + 1,))
    torch.testing.assert_close(features_of(model.eval(), "1", x), model[0](x))


@pytest.mark.parametrize("inputs", [torch.zeros(3, 1, 8, 8), torch.zeros(3, 7)], ids=["fits", "fails"])
def test_the_hook_is_gone_afterwards(inputs):
    model = mlp()
    if inputs.dim() == 4:
        features_of(model, "1", inputs)
    else:
        with pytest.raises(InputError, match=r"the model fails on inputs of shape \(3, 7\)"):
            features_of(model, "1", inputs)
    assert not model[1]._forward_pre_hooks
    assert not model[1]._forward_pre_hooks_with_kwargs


def test_a_mistake_is_one_sentence():
    model, data = mlp(), TensorExamples(*pictures(20))
    with pytest.raises(InputError, match="no module of that name; did you mean 'head'"):
        features_of(nn.ModuleDict({"head": nn.Linear(2, 2)}), "hed", torch.zeros(2, 2))
    unused = mlp()
    unused[0].unused = nn.Linear(2, 2)
    unused[0].forward = lambda x: x.flatten(1)[:, :24]
    with pytest.raises(InputError, match="the model does not call this module"):
        features_of(unused, "0.unused", data.inputs)
    for match, options in (
        ("batch_size must be a whole number", dict(batch_size=0)),
        ("precision must be one of float32", dict(precision="half")),
        ("keep must be one of auto, memory, disk", dict(keep="ram")),
        ("pass both, or neither", dict(views=3)),
        ("pass both, or neither", dict(augment=flip())),
        ("views must be a whole number", dict(views=-1)),
    ):
        with pytest.raises(InputError, match=match):
            cached(model, "1", data, device="cpu", **options)
    with pytest.raises(InputError, match="there are none"):
        cached(model, "1", TensorExamples(torch.zeros(0, 1, 8, 8), torch.zeros(0)), device="cpu")


def test_features_of_varying_shape_are_refused():
    class Varies(nn.Module):
        def forward(self, x):
            return x.flatten(1)[:, : len(x)]

    with pytest.raises(InputError, match=r"a batch of 4 has features \(4, 4\).*the first batch gave \(8,\)"):
        cached(nn.Sequential(Varies(), nn.Identity()), "1", TensorExamples(*pictures(20)), device="cpu", batch_size=8)


def test_examples_that_are_more_or_fewer_than_they_say_are_refused():
    class Wrong(TensorExamples):
        length = 0

        def __len__(self):
            return self.length

        def batches(self, order, batch_size):
            return super().batches(torch.arange(20), batch_size)

    wrong = Wrong(*pictures(20))
    for wrong.length, said in ((19, "more"), (21, "20")):
        with pytest.raises(InputError, match=f"their length is {wrong.length} and they yielded {said}"):
            cached(mlp(), "1", wrong, device="cpu", batch_size=8)
