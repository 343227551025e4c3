"""`latih.initialize`: which rule each layer gets, what is protected, what is said."""

import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

import latih
from latih import init
from latih._checks import InputError
from latih.init._moments import moments
from latih.tape import Activation

ROWS = torch.randn(32, 64, generator=torch.Generator().manual_seed(0))


def net(activation, width: int = 64, depth: int = 3) -> nn.Sequential:
    layers = [part for _ in range(depth) for part in (nn.Linear(width, width), copy.deepcopy(activation))]
    return nn.Sequential(*layers, nn.Linear(width, 4))


def rules(model, batch=ROWS, **arguments) -> list[str]:
    return [row.rule for row in latih.initialize(model, batch, seed=0, **arguments).rows]


@pytest.mark.parametrize(
    ("activation", "first", "second"),
    [
        (nn.ReLU(), "he()", "he()"),
        (nn.LeakyReLU(0.3), "he(slope=0.3)", "he(slope=0.3)"),
        (nn.PReLU(init=0.1), "he(slope=0.1)", "he(slope=0.1)"),
        (nn.RReLU(0.1, 0.3), "he(slope=0.2082)", "he(slope=0.2082)"),
        (nn.ReLU6(), "he()", "he()"),
        (nn.SELU(), "lecun()", "lecun()"),
        (nn.Tanh(), "glorot()", "glorot(gain=1.2336)"),
        (nn.Sigmoid(), "glorot()", "glorot(gain=1.8462)"),
        (nn.Identity(), "glorot()", "glorot()"),
        (nn.Softmax(-1), "glorot()", "glorot()"),
        (nn.GELU(), "he()", "variance_scaling(scale=2.169)"),
        (nn.SiLU(), "he()", "variance_scaling(scale=2.5026)"),
        (nn.ELU(), "lecun()", "variance_scaling(scale=1.5505)"),
        (nn.ELU(0.5), "lecun()", "variance_scaling(scale=1.8648)"),
        (nn.Softplus(), "lecun()", "variance_scaling(scale=1.0855)"),
    ],
    ids=str,
)
def test_the_rule_follows_the_activation_and_what_the_one_before_passes_on(activation, first, second):
    found = rules(net(activation))
    assert found[-1] == "glorot()"
    assert found[0] == first
    assert found[1] == second


def test_computed_moments_equal_those_of_the_activations_family():
    for name in ("gelu", "silu", "mish", "elu", "softplus", "hardswish", "tanh", "sigmoid"):
        known = getattr(latih.activations, name)()
        constants = {"elu": {"alpha": 1.0}, "softplus": {"beta": 1.0, "threshold": 20.0}}.get(name, {})
        forward, backward = moments(Activation(name, constants))
        assert forward**-0.5 == pytest.approx(known.gain(), rel=1e-9)
        assert backward**-0.5 == pytest.approx(known.backward_gain(), rel=1e-9)


def test_the_weights_have_the_variance_of_the_rule_and_biases_are_zero():
    model = nn.Sequential(nn.Linear(64, 400), nn.ReLU(), nn.Linear(400, 300), nn.ReLU(), nn.Linear(300, 5))
    table = latih.initialize(model, ROWS, seed=0)
    for row, layer, variance in zip(table.rows, model[::2], [2 / 64, 2 / 400, 2 / 305], strict=True):
        assert layer.weight.var().item() / row.factor**2 == pytest.approx(variance, rel=0.12)
        assert row.after == pytest.approx(layer.weight.std(correction=0).item(), rel=1e-5)
        assert not layer.bias.any()


class Mixed(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(20, 16, padding_idx=0)
        self.rnn = nn.LSTM(16, 24, batch_first=True)
        self.norm = nn.LayerNorm(24)
        self.token = nn.Parameter(torch.ones(24))
        self.head = nn.Linear(24, 3)

    def forward(self, x):
        return self.head(self.norm(self.rnn(self.embed(x))[0][:, -1]) * self.token)


def test_embeddings_recurrent_layers_and_their_forget_bias():
    model = Mixed()
    table = latih.initialize(model, torch.randint(0, 20, (8, 5)), seed=0)
    assert [row.rule for row in table.rows] == ["normal()", "glorot()", "orthogonal()", "glorot()"]
    assert not model.embed.weight[0].any()
    for gate in model.rnn.weight_hh_l0.detach().chunk(4):
        torch.testing.assert_close(gate @ gate.T, torch.eye(24), atol=1e-5, rtol=0)
    total = (model.rnn.bias_ih_l0 + model.rnn.bias_hh_l0).detach().chunk(4)
    assert [part.unique().tolist() for part in total] == [[0.0], [1.0], [0.0], [0.0]]
    assert "left as they were: token" in str(table)


def test_a_branch_that_ends_in_a_norm_is_not_shrunk_and_norms_start_at_one_and_zero():
    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.up, self.down, self.norm = nn.Linear(64, 64), nn.Linear(64, 64), nn.BatchNorm1d(64)
            nn.init.constant_(self.norm.weight, 0.5)

        def forward(self, x):
            return x + self.norm(self.down(F.relu(self.up(x))))

    model = nn.Sequential(nn.Linear(64, 64), Block(), Block(), nn.Linear(64, 2))
    assert not any("sqrt" in rule for rule in rules(model))
    assert model[1].norm.weight.eq(1).all()
    assert model[1].norm.num_batches_tracked == 0


def test_a_seed_repeats_the_draw_and_nothing_but_parameters_changes():
    first, second = net(nn.GELU()), net(nn.GELU())
    second.eval()
    state = torch.get_rng_state()
    for model in (first, second):
        latih.initialize(model, (ROWS, torch.zeros(32).long()), F.cross_entropy, seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    assert not second.training
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))
    assert all(parameter.grad is None and parameter.requires_grad for parameter in first.parameters())


def test_scheme_notation_fills_every_layer_alike():
    model = net(nn.Tanh())
    assert rules(model, scheme="he(slope=0.5)") == ["he(slope=0.5)"] * 4
    assert rules(model, scheme=init.lecun()) == ["lecun()"] * 4
    with pytest.raises(InputError, match="did you mean 'he'"):
        latih.initialize(model, ROWS, scheme="hee()")
    with pytest.raises(InputError, match=r"initialize\(scheme=3\): the scheme must be 'auto' or a rule"):
        latih.initialize(model, ROWS, scheme=3)


def weights(model: nn.Module) -> dict[str, torch.Tensor]:
    return {name: parameter.detach().clone() for name, parameter in model.named_parameters()}


def changed(model: nn.Module, before: dict[str, torch.Tensor]) -> set[str]:
    return {name for name, parameter in model.named_parameters() if not torch.equal(parameter, before[name])}


def test_frozen_and_named_parameters_are_left_alone_with_a_line_that_says_why():
    model = net(nn.ReLU())
    model[0].requires_grad_(False)
    before = weights(model)
    table = latih.initialize(model, ROWS, keep=["2", "4.*"])
    assert changed(model, before) == {"6.weight", "6.bias"}
    assert [row.rule for row in table.rows] == ["left alone"] * 3 + ["glorot()"]
    assert "Left alone: 0: frozen (requires_grad=False); force=True changes it." in table.notes
    assert "Left alone: 2, 4: in keep." in table.notes
    latih.initialize(model, ROWS, keep="2", force=True)
    assert {"0.weight", "4.weight"} <= changed(model, before)
    assert "2.weight" not in changed(model, before)


@pytest.mark.parametrize("norm", [nn.BatchNorm1d(64), nn.LayerNorm(64)], ids=str)
def test_a_model_whose_norm_shows_training_is_left_alone_unless_told(norm):
    backbone = nn.Sequential(nn.Linear(64, 64), copy.deepcopy(norm), nn.ReLU())
    if isinstance(norm, nn.BatchNorm1d):
        backbone(ROWS)
    else:
        nn.init.uniform_(backbone[1].weight)
    model = nn.Sequential(backbone, nn.Linear(64, 3))
    before = weights(model)
    table = latih.initialize(model, ROWS)
    assert changed(model, before) == set()
    assert "the model looks trained: norm '0.1' has left its start; force=True" in str(table).replace("\n", " ")
    latih.initialize(model, ROWS, keep="0")
    assert changed(model, before) == {"1.weight", "1.bias"}
    latih.initialize(model, ROWS, force=True)
    assert "0.0.weight" in changed(model, before)


def test_a_parametrized_weight_is_left_alone_with_a_line():
    model = nn.Sequential(nn.utils.parametrizations.weight_norm(nn.Linear(64, 64)), nn.ReLU(), nn.Linear(64, 2))
    before = weights(model)
    table = latih.initialize(model, ROWS)
    assert changed(model, before) <= {"2.weight", "2.bias"}
    assert "Left alone: 0: computed by a parametrization" in table.notes[0]


def test_the_table_fits_in_eighty_columns_and_names_what_no_scalar_can_mend():
    model = nn.ModuleDict({"a_rather_long_name_for_a_part_of_a_model": net(nn.Sigmoid())})
    model.forward = model["a_rather_long_name_for_a_part_of_a_model"].forward
    text = str(latih.initialize(model, ROWS))
    assert max(map(len, text.splitlines())) <= 80
    assert "gradient's variance changes by a factor 0.15 each" in text.replace("\n", " ")


def test_the_scale_of_the_data_is_not_undone_by_the_weights():
    for scale in (0.05, 30.0):
        model = net(nn.ReLU(), width=64, depth=4)
        table = latih.initialize(model, ROWS * scale, seed=0)
        assert all(0.6 < row.factor < 1.7 for row in table.rows)
    table = latih.initialize(net(nn.GELU()), ROWS * 30, seed=0)
    assert all(row.factor == 1 for row in table.rows)
    assert "not standardised" in str(table)


def zero_width() -> nn.Module:
    with pytest.warns(UserWarning, match="zero-element"):
        return nn.Sequential(nn.Linear(64, 0), nn.Linear(0, 3))


def with_integers() -> nn.Module:
    model = net(nn.ReLU())
    model[0].weight = nn.Parameter(torch.ones(64, 64, dtype=torch.int8), requires_grad=False)
    return model


class Words(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(64, 3)

    def forward(self, x):
        return "no tensor"


@pytest.mark.parametrize(
    ("make", "batch", "loss", "sentence"),
    [
        (lambda: net(nn.ReLU()), torch.randn(4, 9), None, r"layer '0' \(Linear\) fails on the batch"),
        (lambda: net(nn.ReLU()), (ROWS, ROWS), lambda out, y: out, "the loss must be a scalar tensor"),
        (Words, ROWS, None, "the model's output holds no tensor"),
        (lambda: net(nn.ReLU()), ROWS.to("meta"), None, "the batch is on meta and the model on cpu"),
        (with_integers, ROWS, None, "0.weight has dtype int8"),
        (zero_width, ROWS, None, "layer '0' has zero width"),
        (lambda: net(nn.ReLU()).to("meta"), ROWS.to("meta"), None, "layer '0' is on the meta device"),
    ],
    ids=["shape", "loss", "output", "device", "integers", "zero width", "meta"],
)
def test_bad_input_gets_one_sentence_that_names_the_layer(make, batch, loss, sentence):
    model = make()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    with pytest.raises(InputError, match=sentence):
        latih.initialize(model, batch, loss)
    if not before[0].is_meta:
        assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))


def test_a_keep_that_matches_nothing_is_refused_with_a_hint():
    model = nn.ModuleDict({"backbone": nn.Linear(64, 3)})
    model.forward = model["backbone"].forward
    with pytest.raises(InputError, match=r"initialize\(keep='backbon'\).*did you mean 'backbone'"):
        latih.initialize(model, ROWS, keep="backbon")
