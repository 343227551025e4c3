import copy
import pickle

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih import activations
from latih._checks import InputError
from latih.activations import swap


def mlp(activation=nn.ReLU, depth=3, width=64):
    layers = [layer for _ in range(depth) for layer in (nn.Linear(width, width), activation())]
    return nn.Sequential(*layers, nn.Linear(width, 4))


def notes(report):
    return {place.where: place.note for place in report.left}


class Functional(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second, self.third = nn.Linear(8, 8), nn.Linear(8, 8), nn.Linear(8, 8)
        self.head = nn.Linear(8, 2)

    def forward(self, x):
        x = F.dropout(F.relu(self.first(x)), 0.5, self.training)
        x = torch.relu(self.second(x))
        return torch.sigmoid(self.head(self.third(x).relu()))


def test_every_hidden_activation_is_replaced_and_the_output_stays():
    model = nn.Sequential(*mlp(), nn.Sigmoid())
    report = swap(model, "leaky_relu(0.2)", torch.randn(8, 64))
    assert [type(layer).__name__ for layer in model][1::2] == ["LeakyReLU"] * 3 + ["Sigmoid"]
    assert model[1].negative_slope == 0.2
    assert [place.where for place in report.swapped] == ["1", "3", "5"]
    assert "output" in notes(report)["7"]


def test_layers_that_feed_it_are_drawn_by_its_rule_and_the_others_stay_bit_identical():
    torch.manual_seed(0)
    model = mlp(width=200)
    before = copy.deepcopy(model.state_dict())
    report = swap(model, "selu", torch.randn(8, 200))
    assert report.reinitialised == ["0.weight", "2.weight", "4.weight"]
    for layer in (model[0], model[2], model[4]):
        assert layer.weight.var().item() * 200 == pytest.approx(1.0, rel=0.03)
        assert not layer.bias.any()
    assert torch.equal(model[6].weight, before["6.weight"])
    assert torch.equal(model[6].bias, before["6.bias"])


def test_without_initialise_no_weight_and_no_random_generator_moves():
    model = nn.Sequential(nn.Linear(8, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Dropout(0.3), nn.Linear(8, 1))
    x = torch.randn(8, 8)
    before, drawn = copy.deepcopy(model.state_dict()), torch.get_rng_state()
    swap(model, activations.selu(), x, initialise=False)
    assert isinstance(model[2], nn.SELU)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert torch.equal(drawn, torch.get_rng_state())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())


def test_a_shared_instance_stays_shared_and_nested_ones_are_reached():
    act = nn.ReLU(inplace=True)
    inner = nn.ModuleDict({"act": act, "layer": nn.Linear(8, 8)})

    class Nested(nn.Module):
        def __init__(self):
            super().__init__()
            self.blocks = nn.ModuleList([nn.Sequential(nn.Linear(8, 8), act), nn.Sequential(nn.Linear(8, 8), act)])
            self.inner, self.head = inner, nn.Linear(8, 1)

        def forward(self, x):
            for block in self.blocks:
                x = block(x)
            return self.head(self.inner["act"](self.inner["layer"](x)))

    model = Nested()
    report = swap(model, "elu", torch.randn(4, 8))
    assert model.blocks[0][1] is model.blocks[1][1] is model.inner["act"]
    assert isinstance(model.inner["act"], nn.ELU)
    assert model.inner["act"].inplace
    assert len(report.swapped) == 1
    assert len(report.reinitialised) == 3


def test_an_instance_that_is_also_the_output_is_left_with_the_way_out():
    act = nn.Sigmoid()
    model = nn.Sequential(nn.Linear(4, 4), act, nn.Linear(4, 1), act)
    report = swap(model, "relu", torch.randn(4, 4))
    assert model[1] is act
    assert "module of its own" in notes(report)["1, 3"]


@pytest.mark.parametrize("given", [F.relu, "gelu", nn.ReLU()])
def test_a_transformer_layer_uses_the_new_function_in_training_and_in_its_fast_path(given):
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(16, 2, 32, activation=given, batch_first=True, dropout=0.0)
    wanted = nn.TransformerEncoderLayer(16, 2, 32, activation=nn.LeakyReLU(0.2), batch_first=True, dropout=0.0)
    model, x = nn.Sequential(nn.TransformerEncoder(layer, 2), nn.Linear(16, 1)), torch.randn(2, 3, 16)
    report = swap(model, "leaky_relu(0.2)", x)
    assert len(report.swapped) == 2
    assert report.reinitialised == [f"0.layers.{n}.linear1.weight" for n in (0, 1)]
    wanted.load_state_dict(model[0].layers[0].state_dict())
    for training in (True, False):
        with torch.no_grad():
            torch.testing.assert_close(model[0].layers[0].train(training)(x), wanted.train(training)(x))


def test_function_calls_are_reached_and_dropout_still_follows_the_mode():
    model, x = Functional(), torch.randn(16, 8)
    report = swap(model, "leaky_relu(1.0)", x, initialise=False)
    assert [place.was for place in report.swapped] == ["relu"] * 3
    assert "output" in notes(report)[""]
    model.eval()
    straight = torch.sigmoid(model.head(model.third(model.second(model.first(x)))))
    torch.testing.assert_close(model(x), straight)
    assert not torch.equal(model.train()(x), straight)
    assert torch.equal(copy.deepcopy(model).eval()(x), model.eval()(x))
    assert list(model.state_dict()) == list(Functional().state_dict())


def test_a_changed_forward_compiles_and_refuses_to_be_pickled_with_its_old_one():
    model, x = Functional(), torch.randn(16, 8)
    swap(model, "elu", x)
    model.eval()
    torch.testing.assert_close(torch.compile(model, backend="eager")(x), model(x))
    with pytest.raises((pickle.PicklingError, AttributeError)):
        pickle.dumps(model)
    copied = copy.deepcopy(model)
    torch.nn.init.zeros_(copied.head.weight)
    assert not torch.equal(copied(x), model(x))


class Square(nn.Module):
    def forward(self, x):
        return x * x


class Half(nn.Module):
    def forward(self, x):
        return x / 2


class Centred(nn.Module):
    def forward(self, x):
        return (x - x.mean(-1, keepdim=True)).exp()


class Picky(nn.Module):
    def forward(self, x):
        assert x.shape[-1] == 64
        return x.exp()


@pytest.mark.parametrize("with_batch", [True, False])
def test_a_module_of_ones_own_that_bends_each_number_by_itself_is_an_activation(with_batch):
    model = mlp(Square)
    report = swap(model, "relu", torch.randn(8, 64) if with_batch else None)
    assert [place.was for place in report.swapped] == ["Square"] * 3
    assert [type(layer).__name__ for layer in model][1::2] == ["ReLU"] * 3
    assert len(report.reinitialised) == 3


@pytest.mark.parametrize("kind", [Half, Centred, Picky, nn.Flatten])
def test_other_modules_of_ones_own_stay(kind):
    model = mlp(kind)
    report = swap(model, "relu", torch.randn(8, 64))
    assert not report.swapped
    assert type(model[1]) is kind


def test_a_second_swap_reaches_what_the_first_one_put_in():
    model, x = Functional(), torch.randn(16, 8)
    swap(model, "elu", x)
    report = swap(model, "selu", x)
    assert [place.was for place in report.swapped] == ["elu"] * 3
    assert "now AlphaDropout" not in str(report)
    assert any("plain dropout" in condition for condition in report.conditions)


class Branching(Functional):
    def forward(self, x):
        return self.head(F.relu(self.first(x)) if x.sum() > -1e9 else x)


class Drawing(Functional):
    def forward(self, x):
        return self.head(F.relu(self.first(x) + torch.rand(1)))


class Tossing(Functional):
    def forward(self, x):
        return self.head(F.relu(self.first(x)) * (1.0 if torch.rand(()).item() < 2 else 2.0))


class Optional(Functional):
    def forward(self, x, mask=None):
        return self.head(F.relu(self.first(x) if mask is None else x * mask))


class Counting(Functional):
    calls = 0

    def forward(self, x):
        self.calls += 1
        return self.head(F.relu(self.first(x)))


class Overwriting(Functional):
    def forward(self, x):
        x = self.first(x)
        F.relu(x, inplace=True)
        return self.head(x)


class Frozen(Functional):
    def forward(self, x):
        return self.head(F.relu(self.first(x)) * (2.0 if torch.is_tensor(x) and type(x) is torch.Tensor else 3.0))


@pytest.mark.parametrize("kind", [Branching, Drawing, Tossing, Optional, Counting, Overwriting])
def test_a_forward_that_a_trace_would_not_repeat_is_left_alone_without_a_batch_too(kind):
    model = kind()
    assert not swap(model, "selu").swapped
    assert "forward" not in vars(model)


@pytest.mark.parametrize("kind", [Branching, Drawing, Tossing, Optional, Counting, Overwriting, Frozen])
def test_a_forward_that_a_trace_would_not_repeat_is_left_alone_and_said(kind):
    model, x = kind(), torch.randn(4, 8)
    attributes = dict(vars(model))
    before = copy.deepcopy(model.state_dict())
    report = swap(model, "selu", x)
    assert not report.swapped
    assert "not reached" in notes(report)[""]
    assert "forward" not in vars(model)
    assert vars(model).keys() == attributes.keys()
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


class Clamped(Functional):
    def forward(self, x):
        return self.head(self.first(x).clamp(min=0))


def test_a_layer_that_feeds_a_function_made_of_other_operations_is_said():
    report = swap(Clamped(), "selu", torch.randn(4, 8))
    assert [(place.where, place.was) for place in report.left] == [("first", "relu")]
    assert "not reached" in notes(report)["first"]


class Gates(nn.Module):
    """Squeeze and excite, then a gated layer by hand, then torch's own."""

    def __init__(self):
        super().__init__()
        self.conv, self.act = nn.Conv2d(3, 8, 3, padding=1), nn.ReLU()
        self.squeeze = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 2, 1), nn.ReLU(), nn.Conv2d(2, 8, 1), nn.Sigmoid()
        )
        self.gate, self.value, self.silu, self.glu = nn.Linear(8, 8), nn.Linear(8, 8), nn.SiLU(), nn.GLU()
        self.lstm, self.rnn = nn.LSTM(8, 8, batch_first=True), nn.RNN(4, 4, nonlinearity="relu", batch_first=True)
        self.head = nn.Linear(4, 2)

    def forward(self, x):
        x = self.act(self.conv(x))
        x = (x * self.squeeze(x)).mean((2, 3))
        x = self.silu(self.gate(x)) * self.value(x)
        x, _ = self.lstm(x[:, None])
        x, _ = self.rnn(self.glu(x))
        return self.head(x[:, 0])


def test_gates_and_recurrent_functions_are_never_touched():
    model = Gates()
    report = swap(model, "elu", torch.randn(2, 3, 8, 8))
    assert [place.where for place in report.swapped] == ["act", "squeeze.2"]
    assert {where for where, note in notes(report).items() if "gate" in note} == {"squeeze.4", "silu"}
    assert {where for where, note in notes(report).items() if "recurrent" in note} == {"lstm", "rnn"}
    assert model.rnn.nonlinearity == "relu"
    assert report.reinitialised == ["conv.weight", "squeeze.1.weight"]


def test_without_a_batch_only_what_is_beyond_doubt_is_swapped():
    model = Gates()
    report = swap(model, "elu")
    assert [place.where for place in report.swapped] == ["act", "squeeze.2"]
    assert "pass a batch" in notes(report)["silu"]
    assert isinstance(model.squeeze[4], nn.Sigmoid)
    assert report.reinitialised == ["squeeze.1.weight"]
    assert any(place.where == "act" for place in report.kept)
    sequence = nn.Sequential(nn.Linear(4, 4), nn.Sigmoid(), nn.Sequential(nn.Linear(4, 4), nn.Tanh()), nn.Linear(4, 1))
    assert len(swap(sequence, "selu").swapped) == 2
    assert "pass a batch" in notes(swap(nn.Sequential(nn.Linear(4, 4), nn.ReLU()), "selu"))["1"]


def test_without_a_batch_calls_that_lead_to_a_layer_are_reached():
    model = Functional()
    report = swap(model, "elu")
    assert len(report.swapped) == 3
    assert "pass a batch" in notes(report)[""]


def test_grouped_and_transposed_convolutions_get_their_own_fans():
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(64, 128, 3, groups=4),
        nn.Tanh(),
        nn.ConvTranspose2d(128, 64, 3, groups=2),
        nn.Tanh(),
        nn.Conv2d(64, 4, 1),
    )
    twin = copy.deepcopy(model)
    swap(model, "selu", torch.randn(2, 64, 5, 5))
    swap(twin, "selu")
    for net in (model, twin):
        assert net[0].weight.var().item() * 16 * 9 == pytest.approx(1.0, rel=0.05)
        assert net[2].weight.var().item() * 64 * 9 == pytest.approx(1.0, rel=0.05)


def test_a_weight_used_as_a_bare_parameter_or_parametrized_is_judged_too():
    class Bare(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight, self.act = nn.Parameter(torch.zeros(100, 400)), nn.ReLU()
            self.head = nn.utils.parametrizations.weight_norm(nn.Linear(400, 8))
            self.last = nn.Linear(8, 1)

        def forward(self, x):
            return self.last(self.act(self.head(self.act(x @ self.weight))))

    model = Bare()
    report = swap(model, "relu6", torch.randn(4, 100))
    assert model.weight.var().item() * 100 == pytest.approx(2.0, rel=0.05)
    assert [place.was for place in report.kept] == ["linear"]


def test_selu_brings_alpha_dropout_and_names_what_it_lacks():
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1)).eval()
    report = swap(model, "selu", torch.randn(512, 64))
    assert type(model[2]) is nn.AlphaDropout
    assert (model[2].p, model[2].training, model[1].training) == (0.3, False, False)
    assert (report.dropouts, report.conditions) == (["2"], [])
    plain = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(0.3), nn.Linear(64, 1))
    assert type(plain[2]) is nn.Dropout
    swap(plain, "elu", torch.randn(4, 64))
    assert type(plain[2]) is nn.Dropout


class Skipping(nn.Module):
    def __init__(self):
        super().__init__()
        self.one, self.two, self.norm, self.act = nn.Linear(64, 64), nn.Linear(64, 64), nn.BatchNorm1d(64), nn.ReLU()

    def forward(self, x):
        x = self.act(self.norm(self.one(x)))
        return self.two(x + self.act(self.one(x)))


def test_every_missing_precondition_of_selu_is_listed():
    report = swap(Skipping(), "selu", 5 + torch.randn(64, 64), initialise=False)
    listed = "\n".join(report.conditions)
    for word in ("skip connection", "shared", "no norm", "variance", "mean 0"):
        assert word in listed, word


def test_prelu_is_made_where_the_model_is():
    model = mlp().double()
    swap(model, "prelu", torch.randn(4, 64, dtype=torch.float64))
    assert model[1].weight.dtype == torch.float64
    assert model[1].weight is not model[3].weight


def test_what_it_is_already_is_said():
    model = mlp()
    act = model[1]
    report = swap(model, "relu", torch.randn(4, 64))
    assert model[1] is act
    assert notes(report)["1"] == "it is that already"
    assert not report.reinitialised


def test_the_report_fits_eighty_columns():
    class Deep(nn.Module):
        def __init__(self):
            super().__init__()
            self.a_block_with_a_very_long_name = nn.ModuleDict({"another_quite_long_name_of_a_block": mlp(nn.Sigmoid)})

        def forward(self, x):
            return self.a_block_with_a_very_long_name["another_quite_long_name_of_a_block"](x).sigmoid()

    text = str(swap(Deep(), "selu", 3 * torch.randn(4, 64)))
    assert max(map(len, text.splitlines())) <= 80
    assert "not met" in text


@pytest.mark.parametrize(
    ("to", "sentence"),
    [
        ("softmax", "mixes its inputs"),
        ("glu", "mixes its inputs"),
        (nn.ReLU(), "must be an activation"),
        ("selo", "selu"),
    ],
)
def test_a_wrong_activation_is_refused_before_anything_changes(to, sentence):
    model = mlp()
    with pytest.raises(InputError, match=sentence):
        swap(model, to, torch.randn(4, 64))
    assert isinstance(model[1], nn.ReLU)


def test_a_wrong_model_or_batch_is_refused_before_anything_changes():
    with pytest.raises(InputError, match=r"torch\.nn\.Module"):
        swap(lambda x: x, "selu")
    model = mlp()
    with pytest.raises(InputError, match="fails on the batch"):
        swap(model, "selu", torch.randn(4, 3))
    assert isinstance(model[1], nn.ReLU)


def test_the_swapped_model_trains():
    torch.manual_seed(0)
    model, x = Functional(), torch.randn(64, 8)
    swap(model, "prelu", x)
    optimizer, target = torch.optim.Adam(model.parameters(), 0.01), (x[:, :2] > 0).float()
    losses = []
    for _ in range(60):
        loss = F.binary_cross_entropy(model(x), target)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.8 * losses[0]
