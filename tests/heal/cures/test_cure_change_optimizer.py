import torch
from signal_cases import blobs, case, chain, finding, learned, pasted, training, variants
from torch import nn

from latih.heal.cures._change_optimizer import CURE
from latih.watch import Record

FOUND = finding("L409")


def texts(optimizer, model=None, **recipe):
    model = chain() if model is None else model
    given = training(model, optimizer=optimizer(model.parameters()) if callable(optimizer) else optimizer, **recipe)
    return [one.optimizer.text for one in variants(CURE, given, case(given, *blobs(), record=Record()), FOUND)]


def test_plain_sgd_becomes_adam_or_gets_momentum_at_its_rate():
    assert texts("sgd(lr=0.02)") == ["adam(lr=0.001)", "momentum(lr=0.02)"]
    assert texts(lambda given: torch.optim.SGD(given, lr=0.02)) == ["adam(lr=0.001)", "momentum(lr=0.02)"]
    assert texts(lambda given: torch.optim.SGD(given, lr=0.02, momentum=0.9)) == ["adam(lr=0.001)"]


def test_adaptive_methods_become_adam_then_nesterov():
    assert texts(lambda given: torch.optim.Rprop(given)) == ["adam(lr=0.001)", "nag(lr=0.01)"]
    assert texts("adagrad()") == ["adam(lr=0.001)", "nag(lr=0.01)"]
    assert texts("adam(lr=0.002)") == ["nag(lr=0.01)"]
    assert texts("adam(lr=0.5)") == ["adam(lr=0.001)", "nag(lr=0.01)"]


def test_an_adam_at_a_usual_rate_stays_where_something_else_is_to_blame():
    net = chain()
    given = training(net, optimizer="adam(lr=0.002)")
    assert list(variants(CURE, given, case(given, *blobs(), record=Record()), finding("L302"))) == []


def test_weight_decay_is_kept():
    assert texts("sgd(lr=0.02, weight_decay=0.1)") == [
        "adamw(lr=0.001, weight_decay=0.1)",
        "momentum(lr=0.02, weight_decay=0.1)",
    ]


def test_the_recipe_says_so_too_and_its_rate_gives_way():
    net = chain()
    given = training(net, optimizer="sgd(lr=0.1)", lr=0.5)
    first, second = variants(CURE, given, case(given, *blobs()), FOUND)
    assert (first.recipe.optimizer, first.recipe.lr) == ("adam(lr=0.001)", 0.001)
    assert (second.recipe.optimizer, second.recipe.lr) == ("momentum(lr=0.5)", 0.5)


def test_parameters_that_were_left_out_stay_left_out():
    net = chain(depth=2)
    given = training(net, optimizer=torch.optim.SGD(net[2:].parameters(), lr=0.1))
    made = variants(CURE, given, case(given, *blobs()), FOUND)[0]
    held = {id(one) for group in made.optimizer(made.model).param_groups for one in group["params"]}
    assert held == {id(one) for one in made.model[2:].parameters()}


def test_embeddings_get_adam_alone_and_dense_gradients():
    class Words(nn.Module):
        def __init__(self):
            super().__init__()
            self.table, self.head = nn.Embedding(20, 4, sparse=True), nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.table(x).mean(1))

    inputs = torch.randint(20, (64, 5), generator=torch.Generator().manual_seed(0))
    given = training(Words(), optimizer="sgd(lr=0.1)")
    seen = case(given, inputs, (inputs[:, 0] > 9).long(), record=Record())
    (made,) = variants(CURE, given, seen, FOUND)
    assert made.optimizer.text == "adam(lr=0.001)"
    assert not made.model.table.sparse
    assert given.model.table.sparse
    assert not pasted(made, given, seen).table.sparse
    learned(made, inputs, seen.targets, updates=2)


def test_what_creeps_under_plain_sgd_learns():
    data = blobs()
    given = training(chain(activation=nn.Tanh, depth=2), optimizer="sgd(lr=0.001)")
    made = variants(CURE, given, case(given, *data), FOUND)
    assert all(learned(one, *data, updates=100) < learned(given, *data, updates=100) for one in made)
