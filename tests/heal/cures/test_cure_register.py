import torch
import torch.nn.functional as F
from structure_cases import accuracy, case, finding_of, found, labelled, net, training, variants
from torch import nn

from latih.heal.cures._register import CURE


class Listed(nn.Module):
    """Its layers stand in something that nn.Module does not look into."""

    def __init__(self, kind):
        super().__init__()
        layers = [nn.Linear(6, 16), nn.Linear(16, 16)]
        self.layers = {"list": layers, "tuple": tuple(layers), "mixed": [layers[0], "relu", layers[1]]}.get(kind)
        if kind == "dict":
            self.layers = {"first": layers[0], "second": layers[1]}
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        found = self.layers.values() if hasattr(self.layers, "values") else self.layers
        for layer in found:
            if not isinstance(layer, str):
                x = F.relu(layer(x))
        return self.out(x)


class Cut(nn.Module):
    """The body is cut off in one of three ways."""

    def __init__(self, way):
        super().__init__()
        self.body, self.out, self.way = nn.Sequential(nn.Linear(6, 8), nn.Tanh()), nn.Linear(8, 3), way

    def forward(self, x):
        if self.way == "no_grad":
            with torch.no_grad():
                x = self.body(x)
        else:
            x = self.body(x)
            x = x.detach() if self.way == "detach" else x.data
        return self.out(x)


def made_of(make, *given):
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return make(*given)


def unregistered(given):
    seen = case(given, labelled(), checked=True)
    return seen, finding_of(seen, "unoptimised-parameters")


def test_layers_in_a_list_a_tuple_or_a_dictionary_are_registered_and_learn():
    for kind, expected in (("list", nn.ModuleList), ("tuple", nn.ModuleList), ("dict", nn.ModuleDict)):
        given = training(made_of(Listed, kind))
        hidden = given.model.layers if kind != "dict" else list(given.model.layers.values())
        before = hidden[0].weight.detach().clone()
        seen, finding = unregistered(given)
        (made,) = list(CURE.apply(given, seen, finding))
        assert type(made.model.layers) is expected
        assert len(list(made.model.parameters())) == 6
        assert sum(len(group["params"]) for group in made.optimizer(made.model).param_groups) == 6
        torch.testing.assert_close(made.model(labelled()[0]), given.model(labelled()[0]))
        assert accuracy(made, labelled()) > 0.9
        assert type(given.model.layers) is not expected
        assert torch.equal(hidden[0].weight, before)


def test_a_list_that_holds_other_things_too_stays_and_its_layers_get_a_name_beside_it():
    given = training(made_of(Listed, "mixed"))
    seen, finding = unregistered(given)
    (made,) = list(CURE.apply(given, seen, finding))
    assert made.model.layers_layers[1] is made.model.layers[2]
    assert accuracy(made, labelled()) > 0.9


def test_parameters_that_the_optimizer_was_not_given_join_it():
    model = net()
    given = training(model, optimizer=torch.optim.Adam(model[2].parameters(), lr=0.01))
    seen, finding = unregistered(given)
    (made,) = variants(CURE, given, seen, finding)
    held = {id(one) for group in made.optimizer(made.model).param_groups for one in group["params"]}
    assert held == {id(one) for one in made.model.parameters()}


def test_where_all_are_held_nothing_is_done():
    given = training(net())
    for name in ("unoptimised-parameters", "unreached-parameters", "not-learning"):
        assert variants(CURE, given, case(given, labelled()), found(name)) == []


def test_a_cut_in_forward_is_passed_over_in_training_alone():
    for way in ("detach", "data", "no_grad"):
        given, x = training(made_of(Cut, way)), labelled()[0]
        (made,) = variants(CURE, given, case(given, labelled()), found("unreached-parameters"))
        made.loss(made.model(x), labelled()[1]).backward()
        assert all(float(one.grad.abs().sum()) > 0 for one in made.model.parameters())
        assert next(name for name, _ in made.model.named_parameters()) == "net.body.0.weight"
        with torch.no_grad():
            assert not made.model(x).requires_grad
        torch.testing.assert_close(made.model(x), given.model(x))


def test_layers_that_take_no_part_are_left_alone():
    class Spare(nn.Module):
        def __init__(self):
            super().__init__()
            self.used, self.spare = nn.Linear(6, 3), nn.Linear(6, 3)

        def forward(self, x):
            return self.used(x)

    given = training(made_of(Spare))
    assert variants(CURE, given, case(given, labelled()), found("unreached-parameters")) == []
