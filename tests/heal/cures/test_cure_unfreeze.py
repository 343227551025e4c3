import torch
from structure_cases import accuracy, case, finding_of, found, labelled, net, training, variants
from torch import nn

from latih.heal.cures._unfreeze import CURE


def frozen(width=24):
    model = net(6, 3, width=width)
    model[0].requires_grad_(False)
    return model


def test_frozen_random_weights_may_learn_again():
    given = training(frozen(4))
    seen = case(given, labelled(), checked=True)
    (made,) = variants(CURE, given, seen, finding_of(seen, "frozen-parameters"))
    assert all(one.requires_grad for one in made.model.parameters())
    assert accuracy(made, labelled()) > accuracy(given, labelled())


def test_a_live_optimizer_that_was_made_for_the_rest_holds_them_too():
    model = frozen()
    live = torch.optim.SGD([one for one in model.parameters() if one.requires_grad], lr=0.1)
    given = training(model, optimizer=live)
    (made,) = variants(CURE, given, case(given, labelled(), checked=True), found("frozen-parameters"))
    assert sum(len(group["params"]) for group in made.optimizer(made.model).param_groups) == 4


def test_weights_that_were_trained_stay_frozen():
    model = frozen()
    with torch.no_grad():
        model[0].weight.copy_(torch.linspace(-1, 1, 24)[:, None] ** 3 * torch.linspace(0.1, 2, 6))
    given = training(model)
    assert variants(CURE, given, case(given, labelled(), checked=True), found("frozen-parameters")) == []


def test_where_nothing_is_frozen_nothing_is_done():
    given = training(net())
    assert variants(CURE, given, case(given, labelled(), checked=True), found("frozen-parameters")) == []
    body = training(nn.Sequential(nn.Linear(6, 3)))
    assert variants(CURE, body, case(body, labelled()), found("frozen-parameters")) == []
