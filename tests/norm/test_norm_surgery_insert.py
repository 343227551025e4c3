"""Putting norms into models whose forward code nobody reads."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from latih._checks import InputError
from latih.norm import group, insert_batch_norm, layer


def mlp(depth: int = 3, activation: type[nn.Module] = nn.ReLU) -> nn.Sequential:
    torch.manual_seed(0)
    parts = [nn.Linear(8, 16), activation()]
    for _ in range(depth - 1):
        parts += [nn.Linear(16, 16), activation()]
    return nn.Sequential(*parts, nn.Linear(16, 3))


class Functional(nn.Module):
    """Names that tell nothing, functional activations, a skip, a flatten."""

    def __init__(self) -> None:
        super().__init__()
        self.z, self.a = nn.Conv2d(3, 4, 3, padding=1), nn.Conv2d(4, 4, 3, padding=1)
        self.m = nn.ModuleList([nn.Linear(16, 8), nn.Linear(8, 2)])

    def forward(self, x: Tensor) -> Tensor:
        x = F.elu(self.z(x))
        x = F.relu(F.max_pool2d(self.a(x), 2) + F.max_pool2d(x, 2))
        return self.m[1](torch.tanh(self.m[0](F.adaptive_avg_pool2d(x, 2).flatten(1))))


def outputs_of(model: nn.Module, names: list[str], x: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}
    for name in names:
        model.get_submodule(name).register_forward_hook(lambda m, a, out, name=name: seen.__setitem__(name, out))
    model(x)
    return seen


def channels(x: Tensor) -> Tensor:
    return x.transpose(0, 1).flatten(1)


def test_every_hidden_layer_of_an_mlp_gets_one_before_its_activation_and_the_head_does_not():
    model = mlp()
    report = insert_batch_norm(model, torch.randn(32, 8), where="before")
    assert report.inserted == {"0": "0.norm", "2": "2.norm", "4": "4.norm"}
    assert report.left == {"6": "it is the head"}
    for name in report.inserted:
        layer_, norm = model.get_submodule(name)
        assert isinstance(layer_, nn.Linear)
        assert isinstance(norm, nn.BatchNorm1d)
    assert str(report).splitlines()[0] == "layer  new norm  left because"
    assert str(report).splitlines()[-1] == "6      -         it is the head"


@pytest.mark.parametrize("where", ["before", "after"])
def test_the_fresh_norms_put_out_mean_0_and_variance_1_in_training_and_in_evaluation(where):
    x = 50 * torch.randn(256, 8) + 20
    model = mlp()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(30)
    report = insert_batch_norm(model, x, where)
    assert len(report.inserted) == 3
    for mode in (True, False):  # in evaluation the unbiased variance makes a small difference
        for out in outputs_of(model.train(mode), list(report.inserted.values()), x).values():
            used = out.var(0) > 1e-3  # behind a relu a unit may be dead
            torch.testing.assert_close(out.mean(0), torch.zeros(16), atol=1e-2, rtol=0)
            torch.testing.assert_close(out.var(0)[used], torch.ones(16)[used], atol=2e-2, rtol=0)


def test_functional_activations_a_skip_and_images_are_reached_from_behind_the_layer():
    model, x = Functional(), 5 * torch.randn(16, 3, 8, 8)
    report = insert_batch_norm(model, (x, torch.zeros(16)))
    assert report.inserted == {"z": "z.norm", "a": "a.norm", "m.0": "m.0.norm"}
    assert isinstance(model.a.norm, nn.BatchNorm2d)
    assert isinstance(model.m[0].norm, nn.BatchNorm1d)
    for out in outputs_of(model.train(), list(report.inserted.values()), x).values():
        torch.testing.assert_close(channels(out).var(1, correction=0), torch.ones(out.shape[1]), atol=1e-3, rtol=0)


def test_the_dropped_bias_is_one_that_the_norm_would_have_cancelled():
    model, x = mlp().double(), torch.randn(32, 8).double()
    nn.init.constant_(model[0].bias, 7.0)
    kept = copy.deepcopy(model)
    report = insert_batch_norm(model, x)
    with_bias = insert_batch_norm(kept, x, kind="batch(keep_bias=True)")
    assert report.dropped == ["0.bias", "2.bias", "4.bias"]
    assert with_bias.dropped == []
    assert model[0].layer.bias is None
    assert kept[0].layer.bias is not None
    torch.testing.assert_close(model(x), kept(x))


def test_the_report_tells_every_new_name_so_that_an_old_state_can_be_loaded():
    old = mlp().state_dict()
    model = mlp()
    report = insert_batch_norm(model, torch.randn(32, 8))
    assert report.renamed["0.weight"] == "0.layer.weight"
    known = {report.renamed.get(name, name): value for name, value in old.items() if name not in report.dropped}
    missing, unexpected = model.load_state_dict(known, strict=False)
    assert not unexpected
    assert all(".norm." in name for name in missing)


def test_after_the_activation_its_module_is_wrapped_and_the_layer_keeps_bias_and_name():
    model, names = mlp(activation=nn.PReLU), list(mlp(activation=nn.PReLU).state_dict())
    report = insert_batch_norm(model, torch.randn(32, 8), where="after")
    assert report.inserted == {"0": "1.norm", "2": "3.norm", "4": "5.norm"}
    assert report.dropped == []
    assert report.renamed == {name: f"{name[0]}.activation.weight" for name in names if name[0] in "135"}
    assert [type(part).__name__ for part in model[1]] == ["PReLU", "BatchNorm1d"]
    assert model[0].bias is not None


def test_after_says_which_activations_it_cannot_reach():
    x = torch.randn(16, 3, 8, 8)
    functional = insert_batch_norm(Functional(), x, where="after")
    assert set(functional.left.values()) == {"no module of its own computes its activation", "it is the head"}
    act = nn.ReLU()
    shared = nn.Sequential(nn.Linear(8, 8), act, nn.Linear(8, 8), act, nn.Linear(8, 2))
    report = insert_batch_norm(shared, torch.randn(8, 8), where="after")
    assert report.left["0"] == report.left["2"] == "its activation's module '1' is used more than once"
    assert report.inserted == {}


class Bent(nn.Module):
    """An activation of the user's own."""

    def forward(self, x: Tensor) -> Tensor:
        return F.leaky_relu(x, 0.3)


def test_after_reaches_an_activation_of_the_users_own_through_pooling_and_dropout():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 3), nn.MaxPool2d(2), Bent(), nn.Dropout(0.1), nn.Flatten(), nn.Linear(36, 8), nn.Dropout(0.1),
        nn.SiLU(), nn.Linear(8, 2),
    )  # fmt: skip
    report = insert_batch_norm(model, torch.randn(16, 3, 8, 8), where="after")
    assert report.inserted == {"0": "2.norm", "5": "7.norm"}
    assert isinstance(model[2].norm, nn.BatchNorm2d)


class Odd(nn.Module):
    """One of each kind that is left alone."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(10, 8)
        self.attend = nn.MultiheadAttention(8, 2, batch_first=True)
        self.normed, self.norm = nn.Linear(8, 8), nn.BatchNorm1d(8)
        self.normed_later, self.late = nn.Linear(8, 8), nn.LayerNorm(8)
        self.linear = nn.Linear(8, 8)
        self.twice = nn.Linear(8, 8)
        self.gate = nn.Linear(8, 8)
        self.owned = nn.Parameter(torch.randn(8, 8))
        self.head = nn.Linear(8, 2)

    def forward(self, tokens: Tensor) -> Tensor:
        x = self.embed(tokens)
        x = self.attend(x, x, x)[0].mean(1)
        x = self.norm(self.normed(x)).relu()
        x = self.late(self.normed_later(x).relu())
        x = self.linear(x)
        x = self.twice(self.twice(x).relu()).relu()
        x = x * self.gate(x).softmax(-1)
        return self.head(F.linear(x, self.owned).tanh())


def test_what_must_be_left_alone_is_and_the_reason_is_told():
    report = insert_batch_norm(Odd(), torch.randint(10, (16, 5)))
    assert report.inserted == {}
    assert {name: report.left[name] for name in ("normed", "normed_later", "twice", "head", "gate", "linear")} == {
        "normed": "a norm follows already",
        "normed_later": "a norm follows already",
        "twice": "it is used more than once",
        "head": "it is the head",
        "gate": "it feeds a softmax, which needs its scale",
        "linear": "it feeds no activation",
    }
    assert report.left["embed.weight"] == "it is of kind embedding"
    assert "attention" in report.left["attend.in_proj_weight"]
    assert "no Linear or Conv module is called for it" in report.left.values()


@pytest.mark.parametrize(
    ("make", "shape", "kind", "norm"),
    [
        (lambda: nn.Conv1d(8, 16, 1), (4, 8, 6), "batch()", nn.BatchNorm1d),
        (lambda: nn.Conv3d(8, 16, 1), (4, 8, 2, 2, 2), "batch()", nn.BatchNorm3d),
        (lambda: nn.ConvTranspose2d(8, 16, 2), (4, 8, 3, 3), "batch()", nn.BatchNorm2d),
        (lambda: nn.Conv2d(8, 16, 1), (4, 8, 3, 3), "group(4)", nn.GroupNorm),
        (lambda: nn.Linear(8, 16), (4, 5, 8), "layer()", nn.LayerNorm),
        (lambda: nn.Linear(8, 16), (4, 5, 8), "rms()", nn.RMSNorm),
        (lambda: nn.Linear(8, 16), (4, 5, 8), layer(eps=1e-3), nn.LayerNorm),
        (lambda: nn.Conv2d(8, 16, 1), (4, 8, 3, 3), group(2), nn.GroupNorm),
    ],
)
def test_the_norm_fits_the_layers_dimensions_and_is_of_the_kind_asked_for(make, shape, kind, norm):
    model = nn.Sequential(make(), nn.ReLU(), nn.Flatten(), nn.LazyLinear(2))
    model(torch.randn(shape))
    report = insert_batch_norm(model, torch.randn(shape), kind=kind)
    assert report.inserted == {"0": "0.norm"}
    assert isinstance(model[0].norm, norm)
    kept = kind != "batch()"
    assert (model[0].layer.bias is not None) is kept


def test_features_that_come_last_are_not_mistaken_for_channels():
    model = nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    report = insert_batch_norm(model, torch.randn(8, 8, 8))
    assert report.left["0"] == "its features come last, and this norm wants them second"


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
@pytest.mark.parametrize("training", [True, False])
def test_dtype_mode_flags_and_generators_are_kept(where, dtype, training):
    model = mlp().to(dtype).train(training)
    model[2].weight.requires_grad_(False)
    weights = [(name, parameter) for name, parameter in model.named_parameters() if "weight" in name]
    values = [parameter.detach().clone() for _, parameter in weights]
    state = torch.get_rng_state()
    insert_batch_norm(model, torch.randn(32, 8, dtype=dtype, generator=torch.Generator().manual_seed(1)), where)
    assert torch.equal(torch.get_rng_state(), state)
    assert {p.dtype for p in model.parameters()} == {dtype}
    assert all(module.training is training for module in model.modules())
    now = {id(parameter) for parameter in model.parameters()}
    assert all(id(parameter) in now for _, parameter in weights)
    assert all(torch.equal(p, value) for (_, p), value in zip(weights, values, strict=True))
    assert not weights[1][1].requires_grad


def test_a_network_that_did_not_train_trains_with_norms_in():
    torch.manual_seed(0)
    x = torch.randn(128, 8)
    y = (x[:, 0] * x[:, 1] > 0).long()
    losses = {}
    for name in ("without", "with"):
        model = mlp(depth=12, activation=nn.Sigmoid)
        if name == "with":
            insert_batch_norm(model, (x, y))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        for _ in range(60):
            loss = F.cross_entropy(model(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        losses[name] = loss.item()
    assert losses["without"] > 0.65
    assert losses["with"] < 0.5


class TwoNames(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList([nn.Linear(8, 8), nn.Linear(8, 2)])
        self.first = self.layers[0]

    def forward(self, x: Tensor) -> Tensor:
        return self.layers[1](self.first(x).relu())


def test_a_layer_registered_under_two_names_is_replaced_under_both():
    model = TwoNames()
    report = insert_batch_norm(model, torch.randn(32, 8))
    assert list(report.inserted) == ["layers.0"]
    assert isinstance(model.first, nn.Sequential)
    assert model.first is model.layers[0]
    assert report.renamed["first.weight"] == "first.layer.weight"


def test_layers_to_skip_are_left():
    report = insert_batch_norm(mlp(), torch.randn(32, 8), skip=["2"])
    assert report.left == {"2": "it is to be left", "6": "it is the head"}


class AsksForAttribute(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.fc, self.head = nn.Linear(8, 8), nn.Linear(8, 2)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x.to(self.fc.weight.dtype)).relu())


class AsksForType(AsksForAttribute):
    def forward(self, x: Tensor) -> Tensor:
        x = self.fc(x)
        return self.head(x.relu() if isinstance(self.fc, nn.Linear) else x)


class AsksForTypeToCall(AsksForAttribute):
    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.fc(x).relu() if isinstance(self.fc, nn.Linear) else x)


@pytest.mark.parametrize(
    ("model", "arguments", "sentence"),
    [
        (AsksForAttribute(), {}, r"fails with the norms in \(AttributeError: .*weight.*\); pass skip=\.\.\."),
        (AsksForType(), {}, r"layer 'fc' would no longer feed relu as it did; pass skip=\('fc',\)"),
        (AsksForTypeToCall(), {}, r"1 instead of 2 layers would be used"),
        (mlp(), {"where": "behind"}, r"where='behind'\): where must be one of before, after"),
        (mlp(), {"where": "before", "kind": "batch(where='after')"}, r"the two differ; leave one out\."),
        (mlp(), {"kind": "none()"}, r"kind='none\(\)'\): there is nothing to insert; pass kind='batch\(\)'\."),
        (mlp(), {"kind": "bach()"}, r"'bach' is not a method of norm; did you mean 'batch'\?"),
        (mlp(), {"kind": "group(7)"}, r"group\(groups=7\): groups must divide the 16 features; try groups=4"),
        (mlp(), {"skip": ["fc"]}, r"skip='fc'\): there is no layer of that name"),
        (nn.DataParallel(mlp()), {}, r"insert_batch_norm\(model=DataParallel\): the model is wrapped"),
    ],
)
def test_what_cannot_be_done_is_refused_with_the_model_unchanged(model, arguments, sentence):
    before, state = repr(model), copy.deepcopy(model.state_dict())
    with pytest.raises(InputError, match=sentence):
        insert_batch_norm(model, torch.randn(32, 8), **arguments)
    assert repr(model) == before
    assert all(torch.equal(value, state[key]) for key, value in model.state_dict().items())


def test_a_batch_without_variance_is_refused():
    with pytest.raises(InputError, match=r"puts out one value per channel, .*; pass at least two examples\."):
        insert_batch_norm(mlp(), torch.randn(1, 8))


def test_a_notation_that_says_after_is_followed():
    assert insert_batch_norm(mlp(), torch.randn(32, 8), kind="batch(where='after')").inserted["0"] == "1.norm"
