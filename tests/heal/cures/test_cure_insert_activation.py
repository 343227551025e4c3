import torch
from structure_cases import accuracy, case, finding_of, found, labelled, net, training, valued, variants
from torch import nn

from latih.heal.cures._insert_activation import CURE


def linear(*between):
    torch.random.manual_seed(0)
    return nn.Sequential(nn.Linear(2, 24), *between, nn.Linear(24, 24), *between, nn.Linear(24, 2))


def rings():
    x = torch.randn(300, 2, generator=torch.Generator().manual_seed(0))
    return x, (x.norm(dim=1) > 1.2).long()


def pairs(*names):
    return found("missing-nonlinearity", pairs=list(names))


def test_a_linear_stack_gets_rectifiers_and_learns_a_ring():
    data = rings()
    with torch.random.fork_rng():
        given = training(linear())
    seen = case(given, data, checked=True)
    made, smooth = variants(CURE, given, seen, finding_of(seen, "missing-nonlinearity"))
    assert isinstance(smooth.model[1].activation, nn.Tanh)
    assert [type(one).__name__ for one in made.model] == ["Linear", "Sequential", "Sequential"]
    assert accuracy(given, data, updates=150) < 0.8 < 0.93 < accuracy(made, data, updates=150)
    names = [name for name, _ in made.model.named_parameters()]
    assert names[2] == "1.layer.weight"


def test_the_rectifier_stands_behind_a_norm_and_in_front_of_the_layer():
    with torch.random.fork_rng():
        given = training(linear(nn.BatchNorm1d(24)))
    made = variants(CURE, given, case(given, rings()), pairs("0 > 2", "2 > 4"))[0]
    assert [type(one).__name__ for one in made.model] == [
        *("Linear", "BatchNorm1d", "Sequential", "BatchNorm1d", "Sequential")
    ]
    assert [type(one).__name__ for one in made.model[2]] == ["ReLU", "Linear"]


def test_layers_that_feed_the_rectifiers_are_drawn_anew_and_the_head_is_kept():
    with torch.random.fork_rng():
        given = training(linear())
    made = variants(CURE, given, case(given, rings()), pairs("0 > 1", "1 > 2"))[0]
    assert torch.equal(made.model[2].layer.weight, given.model[2].weight)
    assert abs(float(made.model[1].layer.weight.detach().std()) / (2 / 24) ** 0.5 - 1) < 0.15


def test_groups_of_a_live_optimizer_go_with_their_parameters():
    with torch.random.fork_rng():
        model = linear()
    live = torch.optim.SGD([{"params": model[0].parameters()}, {"params": model[1:].parameters(), "lr": 0.5}], lr=0.1)
    given = training(model, optimizer=live)
    made = variants(CURE, given, case(given, rings()), pairs("0 > 1", "1 > 2"))[0]
    assert [len(group["params"]) for group in made.optimizer(made.model).param_groups] == [2, 4]


def test_a_network_that_bends_is_left_alone():
    given = training(net())
    assert variants(CURE, given, case(given, labelled()), pairs("0 > 2")) == []
    assert variants(CURE, given, case(given, labelled()), found("missing-nonlinearity")) == []


def test_what_was_done_is_not_done_again():
    with torch.random.fork_rng():
        given = training(linear())
    seen, meant = case(given, rings()), pairs("0 > 1", "1 > 2")
    made = variants(CURE, given, seen, meant)[0]
    assert variants(CURE, made, seen, meant) == []


def test_a_network_that_is_linear_as_a_whole_gets_one_everywhere_but_behind_a_bottleneck():
    model = nn.Sequential(
        *(nn.Conv2d(1, 6, 3), nn.Conv2d(6, 2, 3), nn.Conv2d(2, 6, 3), nn.AdaptiveAvgPool2d(1)),
        *(nn.Flatten(), nn.Linear(6, 3)),
    )
    x = torch.randn(20, 1, 9, 9)
    given = training(model)
    whole = found("missing-nonlinearity", **{"pairs": ["2 > 5"], "whole network linear": True})
    made = variants(CURE, given, case(given, (x, torch.arange(20) % 3)), whole)[0]
    assert [list(dict(one.named_children())) for one in made.model] == [
        *([], ["activation", "layer"], ["layer", "activation"], [], [], [])
    ]
    assert "relu in front of 1, behind 2" in made.edits[0].text


def test_a_layer_whose_weight_somebody_asks_for_by_name_is_left_alone():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first, self.second = nn.Linear(6, 6), nn.Linear(6, 1)

        def forward(self, x):
            return self.second(self.first(x)) + 0 * self.second.weight.sum()

    with torch.random.fork_rng():
        given = training(Tied(), nn.functional.mse_loss)
    x, y = valued()
    assert variants(CURE, given, case(given, (x, y[:, None]), "values"), pairs("first > second")) == []
