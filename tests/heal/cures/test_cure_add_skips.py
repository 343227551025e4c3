from itertools import pairwise

import torch
from signal_cases import blobs, case, chain, finding, learned, outputs_agree, trained_record, training, variants
from torch import nn

from latih.heal.cures._add_skips import CURE, Skip
from latih.tape import read

FOUND = finding("L302")


def first_over_last(model, data):
    """Norm of the gradient at the first weight over that at the last."""
    nn.functional.cross_entropy(model(data[0]), data[1]).backward()
    matrices = [one for one in model.parameters() if one.dim() > 1]
    return float(matrices[0].grad.norm() / matrices[-1].grad.norm())


def test_the_gradient_arrives_and_the_net_learns():
    given, data = training(chain(activation=nn.Sigmoid, depth=12), optimizer="adam(lr=0.003)"), blobs()
    (made,) = variants(CURE, given, case(given, *data), FOUND)
    assert [type(one).__name__ for one in made.model] == ["Linear", *["Skip"] * 11, "Sigmoid", "Linear"]
    assert sum(layer.in_residual for layer in read(made.model, data[0]).layers) == 11
    assert learned(made, *data) < 0.7 * learned(given, *data)
    assert first_over_last(made.model, data) > 1e3 * first_over_last(chain(activation=nn.Sigmoid, depth=12), data)


def test_parameters_are_known_to_the_optimizer_by_their_new_names():
    net = chain(activation=nn.Tanh, depth=4)
    live = torch.optim.SGD([{"params": net[:4].parameters(), "lr": 0.5}, {"params": net[4:].parameters(), "lr": 0.1}])
    given = training(net, optimizer=live)
    (made,) = variants(CURE, given, case(given, *blobs()), FOUND)
    fast, slow = made.optimizer(made.model).param_groups
    assert {id(one) for one in fast["params"]} == {
        id(one) for part in (made.model[0], made.model[1]) for one in part.parameters()
    }
    assert len(slow["params"]) == 6
    names = dict(made.model.named_parameters())
    assert "2.branch.2.weight" in names


def test_norms_and_dropout_go_into_the_branch():
    def block():
        return [nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.1), nn.Linear(16, 16)]

    net = nn.Sequential(nn.Linear(8, 16), *block(), *block(), *block(), nn.ReLU(), nn.Linear(16, 3)).eval()
    given = training(net)
    seen = case(given, *[one[:32] for one in blobs()])
    (made,) = variants(CURE, given, seen, FOUND)
    assert [type(one).__name__ for one in made.model[1].branch] == ["BatchNorm1d", "ReLU", "Dropout", "Linear"]
    assert not any(one.training for one in made.model.modules())
    outputs_agree(made, given, seen)


def test_the_branch_computes_what_the_layers_did():
    branch = nn.Sequential(nn.ReLU(), nn.Linear(4, 4))
    x = torch.randn(2, 4)
    torch.testing.assert_close(Skip(branch)(x), x + branch(x))


def test_other_widths_short_chains_other_modules_and_trained_nets_stay():
    def nothing(net, **more):
        given = training(net)
        return variants(CURE, given, case(given, *blobs(), **more), FOUND) == []

    assert nothing(chain(depth=3))
    widths = [8, 32, 24, 16, 12, 8]
    narrowing = [one for pair in pairwise(widths) for one in (nn.Linear(*pair), nn.ReLU())]
    assert nothing(nn.Sequential(*narrowing, nn.Linear(8, 3)))
    linear = nn.Sequential(nn.Linear(8, 16), *[nn.Linear(16, 16) for _ in range(4)], nn.Linear(16, 3))
    assert nothing(linear)
    deep = chain(depth=6)
    assert nothing(deep, record=trained_record(deep))
    shared = nn.Linear(16, 16)
    again = nn.Sequential(nn.Linear(8, 16), *[nn.Sigmoid(), shared] * 4, nn.Sigmoid(), nn.Linear(16, 3))
    assert nothing(again)


def test_a_model_that_counts_its_parts_is_left_alone():
    class Counting(nn.Module):
        def __init__(self):
            super().__init__()
            self.parts = chain(depth=6)

        def forward(self, x):
            for place in range(13):
                x = self.parts[place](x)
            return x

    given = training(Counting())
    assert variants(CURE, given, case(given, *blobs()), FOUND) == []


def test_a_chain_inside_a_model_is_found():
    class Body(nn.Module):
        def __init__(self):
            super().__init__()
            self.body, self.head = chain(depth=6, outputs=4)[:-1], nn.Linear(16, 3)

        def forward(self, x):
            return self.head(self.body(x))

    given = training(Body())
    seen = case(given, *[one[:32] for one in blobs()])
    (made,) = variants(CURE, given, seen, FOUND)
    outputs_agree(made, given, seen)
