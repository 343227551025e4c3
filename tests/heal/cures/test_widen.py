import copy

import pytest
import torch
import torch.nn.functional as F
from signal_cases import blobs, case, finding, learned, outputs_agree, trained_record, training, variants
from torch import nn

from latih.heal.cures._widen import CURE

FOUND = finding("L408")


def random(seed=0):
    return torch.Generator().manual_seed(seed)


def made_of(make, *given):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(*given)


def waves(count=400):
    """A number that no single bend of one projection of the inputs comes close to."""
    x = torch.randn(count, 5, generator=random())
    return x, (2 * x[:, :1]).sin() * x[:, 1:2] + x[:, 2:3].abs()


def narrow_mlp(width=2):
    return made_of(
        lambda: nn.Sequential(nn.Linear(5, width), nn.ReLU(), nn.Linear(width, width), nn.Tanh(), head(width))
    )


def head(width, outputs=1):
    return nn.Linear(width, outputs)


def images(count=64, channels=3):
    x = torch.randn(count, channels, 6, 6, generator=random())
    return x, (x[:, 0].mean((1, 2)) > 0).long()


def sequences(count=64):
    x = torch.randn(count, 7, 4, generator=random())
    return x, (x[:, :, 0].sum(1) > 0).long()


def widened(net, data, task="classes", loss=F.cross_entropy):
    """What the cure makes of a training with few examples, the pasted code having made the same."""
    given = training(made_of(net) if not isinstance(net, nn.Module) else net, loss=loss)
    seen = case(given, *[one[:32] for one in data], task=task)
    made = variants(CURE, given, seen, FOUND)
    for one in made:
        outputs_agree(one, given, seen)
        assert one.model(seen.batch[0]).shape == given.model(seen.batch[0]).shape
    return made


def widths(made):
    return [one.edits[-1].text.split(" (")[0] for one in made]


def test_two_units_become_thirty_two_and_in_a_second_variant_sixteen():
    made = widened(narrow_mlp(), waves(), "values", F.mse_loss)
    assert [one.edits[-1].text for one in made] == [
        "hidden widths 2, 2 -> 32, 32 (0, 2), weights drawn anew",
        "hidden widths 2, 2 -> 16, 16 (0, 2), weights drawn anew",
    ]
    assert [tuple(one.shape) for one in made[0].model.parameters()] == [(32, 5), (32,), (32, 32), (32,), (1, 32), (1,)]
    assert "model.set_submodule('0', nn.Linear(5, 32))" in made[0].edits[-1].code


def test_a_widened_regression_reaches_a_much_lower_loss():
    data = waves()
    given = training(narrow_mlp(), loss=F.mse_loss, optimizer="adam(lr=0.01)")
    wide, _ = variants(CURE, given, case(given, *data, task="values"), FOUND)
    assert learned(wide, *data, updates=400) < 0.4 * learned(given, *data, updates=400)


def test_widths_grow_eightfold_up_to_five_hundred_and_twelve():
    def net():
        return nn.Sequential(
            nn.Linear(8, 10), nn.ReLU(), nn.Linear(10, 100), nn.ReLU(), nn.Linear(100, 600), head(600, 3)
        )

    assert widths(widened(net, blobs())) == ["hidden widths 10, 100 -> 80, 512", "hidden widths 10, 100 -> 40, 400"]


def test_channels_grow_with_their_norm_and_with_the_layer_behind_flatten():
    def net():
        first = [nn.Conv2d(3, 1, 3, padding=1, bias=False), nn.BatchNorm2d(1), nn.ReLU(), nn.MaxPool2d(2)]
        second = [nn.Conv2d(1, 2, 3, padding="same", padding_mode="reflect"), nn.GroupNorm(2, 2), nn.GELU()]
        return nn.Sequential(*first, *second, nn.Dropout(0.2), nn.Flatten(), nn.Linear(18, 2))

    made = widened(net, images())
    assert widths(made) == ["hidden widths 1, 2 -> 32, 32", "hidden widths 1, 2 -> 16, 16"]
    wide = made[0].model
    assert (wide[1].num_features, wide[5].num_channels, wide[5].num_groups, wide[9].in_features) == (32, 32, 2, 288)
    assert (wide[0].bias, wide[4].padding, wide[4].padding_mode) == (None, "same", "reflect")


@pytest.mark.parametrize(
    "norm",
    [
        lambda width: nn.LayerNorm(width, bias=False),
        lambda width: nn.RMSNorm(width),
        lambda width: nn.BatchNorm1d(width, affine=False, momentum=0.2),
        lambda width: nn.GroupNorm(1, width, eps=1e-3),
    ],
)
def test_norms_of_vectors_are_made_for_the_new_width(norm):
    (made, _) = widened(lambda: nn.Sequential(nn.Linear(8, 3), norm(3), nn.ReLU(), head(3, 3)), blobs())
    old, new = norm(3), made.model[1]
    assert type(new) is type(old)
    for name in ("eps", "momentum", "affine", "num_groups"):
        assert getattr(new, name, None) == getattr(old, name, None)
    assert getattr(new, "bias", None) is None or new.bias.shape == (32,)


def test_an_instance_norm_and_a_layer_norm_over_images_grow_too():
    def net():
        first = [nn.Conv2d(3, 2, 3), nn.InstanceNorm2d(2), nn.ReLU()]
        return nn.Sequential(
            *first, nn.Conv2d(2, 2, 3), nn.LayerNorm((2, 2, 2)), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2)
        )

    (made, _) = widened(net, images())
    assert (made.model[1].num_features, made.model[4].normalized_shape) == (32, (32, 2, 2))


class Last(nn.Module):
    """A recurrent network that answers from its last state."""

    def __init__(self, kind, end, **more):
        super().__init__()
        self.body, self.end = kind(4, 1, batch_first=True, **more), end
        self.out = nn.Linear(2 if more.get("bidirectional") else 1, 2)

    def forward(self, x):
        states, last = self.body(x)
        if self.end == "output":
            return self.out(states[:, -1])
        return self.out((last[0] if isinstance(last, tuple) else last)[-1])


@pytest.mark.parametrize(
    ("kind", "end", "more"),
    [
        (nn.GRU, "output", {}),
        (nn.GRU, "state", {"num_layers": 2}),
        (nn.LSTM, "output", {"bidirectional": True}),
        (nn.LSTM, "state", {}),
        (nn.RNN, "output", {"nonlinearity": "relu", "bias": False}),
    ],
)
def test_a_recurrent_state_of_one_unit_grows(kind, end, more):
    (made, _) = widened(lambda: Last(kind, end, **more), sequences())
    assert (made.model.body.hidden_size, made.model.body.input_size) == (32, 4)
    assert made.model.out.in_features == (64 if more.get("bidirectional") else 32)
    for name, value in more.items():
        assert getattr(made.model.body, name) == value


class Functional(nn.Module):
    """Its functions are called in forward, and two heads read one layer."""

    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(8, 2), nn.Linear(2, 1)
        self.more = nn.ModuleDict({"left": nn.Linear(1, 2), "right": nn.Linear(1, 1)})

    def forward(self, x):
        x = F.relu(self.first(x))
        x = F.dropout(torch.tanh(self.second(x)), 0.1, self.training)
        return torch.cat([self.more["left"](x), self.more["right"](x)], 1)


def test_layers_of_a_module_with_functional_activations_grow():
    (made, _) = widened(Functional, blobs())
    assert made.edits[-1].text.startswith("hidden widths 2, 1 -> 32, 32 (first, second)")
    assert (made.model.more["left"].in_features, made.model.more["right"].in_features) == (32, 32)


class Summed(nn.Module):
    """A residual branch: its inner width is free, that of the stream is not."""

    def __init__(self):
        super().__init__()
        self.stem, self.inner, self.outer, self.out = (
            nn.Linear(8, 4),
            nn.Linear(4, 2),
            nn.Linear(2, 4),
            nn.Linear(4, 3),
        )

    def forward(self, x):
        x = self.stem(x).relu()
        return self.out(x + self.outer(self.inner(x).relu()))


def test_in_a_residual_network_the_inside_of_the_branch_grows_alone():
    made = widened(Summed, blobs())
    assert made[0].edits[-1].text.startswith("hidden widths 2 -> 32 (inner)")


class Other(nn.Module):
    """Something that fixes the width between two layers."""

    def __init__(self, way, width=2):
        super().__init__()
        self.way, self.first, self.second = way, nn.Linear(8, width), nn.Linear(width, 3)
        self.again = nn.Linear(width, width)
        self.factor = nn.Parameter(torch.ones(width))
        self.register_buffer("mask", torch.ones(width))

    def forward(self, x):
        h = self.first(x).relu()
        ways = {
            "sum": lambda: h + x[:, : h.shape[1]],
            "gate": lambda: h * h.sigmoid(),
            "scale": lambda: h * self.factor,
            "mask": lambda: h * self.mask,
            "cat": lambda: torch.cat([h[:, :1], h[:, 1:]], 1),
            "softmax": lambda: h.softmax(1),
            "fixed": lambda: h.view(-1, 2, 1).flatten(1),
            "tied": lambda: F.linear(F.linear(h, self.first.weight.t()).relu(), self.first.weight),
            "repeated": lambda: self.again(self.again(h).relu()),
            "kept": lambda: h,
        }
        h = ways[self.way]()
        return (self.second(h), h) if self.way == "kept" else self.second(h)


@pytest.mark.parametrize("way", ["sum", "gate", "scale", "mask", "cat", "softmax", "fixed", "tied", "repeated"])
def test_what_fixes_a_width_is_left_alone(way):
    assert widened(lambda: Other(way), blobs()) == []


def test_a_width_that_the_caller_sees_stays():
    def first(output, target):
        return F.cross_entropy(output[0], target)

    given = training(made_of(Other, "kept"), loss=first)
    assert variants(CURE, given, case(given, *blobs()), FOUND) == []


def test_a_layer_that_cannot_grow_does_not_hold_the_others_back():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.free, self.fixed, self.out = nn.Linear(8, 2), nn.Linear(2, 6), nn.Linear(3, 3)

        def forward(self, x):
            return self.out(self.fixed(self.free(x).relu()).view(-1, 2, 3).mean(1))

    made = widened(Both, blobs())
    assert [one.edits[-1].text.split(",")[0] for one in made] == [
        "hidden widths 2 -> 32 (free)",
        "hidden widths 2 -> 16 (free)",
    ]


def test_groups_tied_weights_frozen_layers_hooks_and_single_layers_stay():
    def grouped():
        return nn.Sequential(nn.Conv2d(3, 2, 3), nn.ReLU(), nn.Conv2d(2, 2, 3, groups=2), nn.Flatten(), nn.Linear(8, 2))

    made = widened(grouped, images())
    assert made == []
    tied = narrow_mlp()
    tied[2].weight = nn.Parameter(torch.randn(2, 2))
    tied.append(nn.Linear(1, 2)).append(nn.Linear(2, 2)).append(head(2))
    tied[6].weight = tied[2].weight
    made, _ = widened(tied, waves(), "values", F.mse_loss)
    assert made.edits[-1].text == "hidden widths 1 -> 32 (4), weights drawn anew"
    frozen = narrow_mlp()
    frozen[2].requires_grad_(False)
    assert widened(frozen, waves(), "values", F.mse_loss) == []
    hooked = narrow_mlp()
    hooked[2].register_forward_hook(double)
    assert widened(hooked, waves(), "values", F.mse_loss) == []
    assert widened(lambda: nn.Linear(8, 3), blobs()) == []
    assert widened(lambda: nn.Sequential(nn.Linear(8, 3)), blobs()) == []


def double(module, args, output):
    return 2 * output


def test_trained_networks_stay():
    net = narrow_mlp(16)
    given = training(net, loss=F.mse_loss)
    seen = case(given, *waves(), task="values", record=trained_record(net))
    assert variants(CURE, given, seen, FOUND) == []


def test_a_layer_used_under_two_names_grows_under_both():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.layers = nn.ModuleList([nn.Linear(8, 2), nn.Linear(2, 3)])
            self.first = self.layers[0]

        def forward(self, x):
            return self.layers[1](self.first(x).relu())

    (made, _) = widened(Twice, blobs())
    assert made.model.first is made.model.layers[0]


def test_layers_that_forward_takes_from_elsewhere_are_left_alone():
    class Listed(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(8, 2), nn.Linear(2, 3)
            self.stack = (self.first, self.second)

        def forward(self, x):
            return self.stack[1](self.stack[0](x).relu())

    assert widened(Listed, blobs()) == []


def test_a_live_optimizer_keeps_its_groups_in_double_precision():
    net = narrow_mlp().double()
    live = torch.optim.SGD([{"params": net[:3].parameters(), "lr": 0.5}, {"params": net[3:].parameters(), "lr": 0.1}])
    given = training(net, loss=F.mse_loss, optimizer=live)
    data = tuple(one.double() for one in waves(32))
    made, _ = variants(CURE, given, case(given, *data, task="values"), FOUND)
    fast, slow = made.optimizer(made.model).param_groups
    assert [one.shape[0] for one in (*fast["params"], *slow["params"])] == [32, 32, 32, 32, 1, 1]
    assert all(one.dtype == torch.float64 for one in made.model.parameters())
    outputs_agree(made, given, case(given, *data, task="values"))


def test_modes_of_the_parts_are_kept():
    net = narrow_mlp()
    net[0].eval()
    given = training(copy.deepcopy(net), loss=F.mse_loss)
    made, _ = variants(CURE, given, case(given, *waves(), task="values"), FOUND)
    assert [one.training for one in made.model] == [False, True, True, True, True]
