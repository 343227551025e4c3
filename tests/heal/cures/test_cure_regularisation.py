import torch
import torch.nn.functional as F
from structure_cases import accuracy, case, found, labelled, net, training, variants
from torch import nn

from latih.heal.cures._dropout import CURE as DROPOUT
from latih.heal.cures._early_stop import CURE as EARLY_STOP
from latih.heal.cures._train_longer import CURE as TRAIN_LONGER
from latih.heal.cures._weight_decay import CURE as WEIGHT_DECAY

TOO_MUCH, BY_HEART = found("over-regularised"), found("overfitting")


def test_a_decay_that_wins_against_the_loss_is_cut_then_left_out():
    given, data = training(net(), optimizer="adamw(lr=0.01, weight_decay=50)"), labelled()
    cut, none = variants(WEIGHT_DECAY, given, case(given, data), TOO_MUCH)
    assert (cut.optimizer.weight_decay, none.optimizer.weight_decay) == (0.01, 0.0)
    assert accuracy(given, data) < 0.7 < 0.9 < accuracy(cut, data)


def test_the_groups_of_a_live_optimizer_are_cut_too():
    model = net()
    given = training(model, optimizer=torch.optim.SGD(model.parameters(), lr=0.1, weight_decay=5.0))
    made = variants(WEIGHT_DECAY, given, case(given, labelled()), TOO_MUCH)
    assert [one.optimizer(one.model).param_groups[0]["weight_decay"] for one in made] == [0.01, 0.0]
    assert all(one.edits[-1].recipe == {} for one in made)


def test_without_a_decay_there_is_none_to_cut():
    given = training(net())
    assert variants(WEIGHT_DECAY, given, case(given, labelled()), TOO_MUCH) == []


def test_against_learning_by_heart_adam_gets_the_decoupled_decay():
    model = net()
    for optimizer in ("adam(lr=0.01)", torch.optim.Adam(model.parameters(), lr=0.01)):
        given = training(model, optimizer=optimizer)
        made = variants(WEIGHT_DECAY, given, case(given, labelled()), BY_HEART)
        assert [(one.optimizer.name, one.optimizer.weight_decay) for one in made] == [("adamw", 0.05), ("adamw", 0.2)]
        assert all(one.optimizer.lr == 0.01 for one in made)
        assert made[0].edits[-1].recipe["optimizer"] == made[0].optimizer.text


def test_sgd_keeps_its_momentum():
    model = net()
    live = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.8)
    given = training(model, optimizer=live)
    made = variants(WEIGHT_DECAY, given, case(given, labelled()), BY_HEART)[0]
    assert made.optimizer.text == "momentum(lr=0.1, momentum=0.8, weight_decay=0.001)"
    assert made.optimizer(made.model).param_groups[0]["momentum"] == 0.8


def test_dropout_of_nearly_everything_becomes_a_tenth_then_none():
    model = net()
    model.insert(2, nn.Dropout(0.97))
    given, data = training(model), labelled()
    tenth, none = variants(DROPOUT, given, case(given, data), TOO_MUCH)
    assert (given.model[2].p, tenth.model[2].p, none.model[2].p) == (0.97, 0.1, 0.0)
    assert accuracy(tenth, data) > accuracy(given, data)


def test_numbers_in_attributes_and_recurrent_layers_are_reached():
    class Mixed(nn.Module):
        def __init__(self):
            super().__init__()
            self.rnn = nn.GRU(6, 8, 2, dropout=0.9, batch_first=True)
            self.out, self.dropout_rate = nn.Linear(8, 3), 0.9

        def forward(self, x):
            x = self.rnn(x[:, None])[0][:, -1]
            return self.out(F.dropout(x, self.dropout_rate, self.training))

    with torch.random.fork_rng():
        given = training(Mixed())
    made = next(iter(DROPOUT.apply(given, case(given, labelled()), TOO_MUCH)))
    assert (made.model.rnn.dropout, made.model.dropout_rate, given.model.dropout_rate) == (0.1, 0.1, 0.9)


def test_without_dropout_there_is_none_to_lower():
    given = training(net())
    assert variants(DROPOUT, given, case(given, labelled()), TOO_MUCH) == []


def test_patience_is_set_where_the_last_weights_were_kept():
    given = training(net(), epochs=50, patience=0)
    (made,) = variants(EARLY_STOP, given, case(given, labelled()), BY_HEART)
    assert made.recipe.patience == 5
    assert variants(EARLY_STOP, made, case(made, labelled()), BY_HEART) == []


def test_twice_as_long():
    given = training(net(), epochs=7)
    (made,) = variants(TRAIN_LONGER, given, case(given, labelled()), found("underfitting"))
    assert made.recipe.epochs == 14
