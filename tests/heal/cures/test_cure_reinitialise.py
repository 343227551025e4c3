import copy

import pytest
import torch
import torch.nn.functional as F
from signal_cases import blobs, case, chain, finding, learned, outputs_agree, trained_record, training, variants
from torch import nn

from latih.heal._base import Edit
from latih.heal.cures._reinitialise import CURE

FOUND = finding("L301")


@pytest.fixture
def small():
    net = chain(activation=nn.ReLU)
    with torch.no_grad():
        for one in net.parameters():
            one.mul_(0.05)
    return net


def test_weights_that_are_too_small_are_drawn_by_their_rule_and_the_net_then_learns(small):
    given, data = training(small, optimizer="adam(lr=0.003)"), blobs()
    (made,) = variants(CURE, given, case(given, *data), FOUND)
    assert made.model[2].weight.std().item() == pytest.approx((2 / 16) ** 0.5, rel=0.25)
    assert not made.model[2].bias.any()
    assert "he()" in made.edits[0].text
    assert learned(made, *data, updates=80) < 0.7 * learned(given, *data, updates=80)


def test_the_same_seed_draws_the_same_weights_and_another_seed_others(small):
    data = blobs()
    draws = []
    for seed in (0, 0, 1):
        given = training(copy.deepcopy(small), seed=seed)
        draws.append(next(iter(CURE.apply(given, case(given, *data), FOUND))).model[0].weight)
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])


def test_weights_that_fit_already_stay():
    data = blobs()
    for seed in range(3):
        net = chain(width=64, activation=nn.ReLU)
        with torch.random.fork_rng():
            torch.manual_seed(seed)
            for layer in list(net)[::2]:
                nn.init.kaiming_normal_(layer.weight, nonlinearity="relu")
            nn.init.xavier_normal_(net[-1].weight)
        given = training(net)
        assert variants(CURE, given, case(given, *data), FOUND) == []
        with torch.no_grad():
            net[6].weight.mul_(2.0)
        assert len(variants(CURE, given, case(given, *data), FOUND)) == 1


def test_trained_and_frozen_weights_stay(small):
    given, data = training(small), blobs()
    assert variants(CURE, given, case(given, *data, record=trained_record(small)), FOUND) == []
    (made,) = variants(CURE, given, case(given, *data, record=trained_record(small, ["0.weight", "2.weight"])), FOUND)
    assert torch.equal(made.model[2].weight, small[2].weight)
    assert not torch.equal(made.model[4].weight, small[4].weight)
    small[4].weight.requires_grad_(False)
    (made,) = variants(CURE, given, case(given, *data), FOUND)
    assert torch.equal(made.model[4].weight, small[4].weight)


def test_one_weight_of_many_may_look_trained_by_chance_but_a_table_of_words_is(small):
    given, data = training(small), blobs()
    (made,) = variants(CURE, given, case(given, *data, record=trained_record(small, ["2.weight"])), FOUND)
    assert not torch.equal(made.model[2].weight, small[2].weight)
    net = nn.Sequential(nn.Embedding(20, 8), nn.Flatten(), nn.Linear(40, 16), nn.ReLU(), nn.Linear(16, 2))
    given = training(net)
    words = torch.randint(20, (64, 5), generator=torch.Generator().manual_seed(0))
    seen = case(given, words, words[:, 0] % 2)
    for one in seen.findings.record.parameters:
        one.fresh = one.name != "0.weight" if len(one.shape) > 1 else None
    made = variants(CURE, given, seen, FOUND)[0]
    assert torch.equal(made.model[0].weight, net[0].weight)
    assert not torch.equal(made.model[2].weight, net[2].weight)


def test_trained_weights_are_known_under_the_name_that_another_cure_gave_them(small):
    data, record = blobs(), trained_record(small)
    wrapped = nn.Sequential()
    wrapped.add_module("inputs", nn.Identity())
    wrapped.add_module("net", small)
    given = training(wrapped)
    assert variants(CURE, given, case(given, *data, record=record), FOUND) == []


def test_weights_of_one_sign_are_no_trained_ones(small):
    with torch.no_grad():
        for one in small.parameters():
            one.uniform_(0.0, 1.0)
    given, data = training(small), blobs()
    (made,) = variants(CURE, given, case(given, *data), FOUND)
    assert (made.model[2].weight < 0).any()


def test_a_batch_norm_that_has_counted_a_batch_does_not_protect_fresh_weights():
    net = nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 16), nn.ReLU(), nn.Linear(16, 3))
    net(blobs()[0])
    given = training(net)
    (made,) = variants(CURE, given, case(given, *blobs()), FOUND)
    assert not torch.equal(made.model[3].weight, net[3].weight)


def test_an_lstm_gets_orthogonal_matrices_and_an_open_forget_gate():
    class Reader(nn.Module):
        def __init__(self):
            super().__init__()
            self.lstm, self.head = nn.LSTM(4, 6, batch_first=True), nn.Linear(6, 2)

        def forward(self, x):
            return self.head(self.lstm(x)[0][:, -1])

    given = training(Reader())
    inputs = torch.randn(64, 5, 4, generator=torch.Generator().manual_seed(0))
    (made,) = variants(CURE, given, case(given, inputs, (inputs[:, -1, 0] > inputs[:, -1, 0].median()).long()), FOUND)
    gate = made.model.lstm.weight_hh_l0[:6]
    torch.testing.assert_close(gate @ gate.T, torch.eye(6), atol=1e-5, rtol=0)
    assert (made.model.lstm.bias_ih_l0 + made.model.lstm.bias_hh_l0)[6:12].eq(1).all()


def test_rare_classes_get_their_log_frequencies_as_a_second_variant():
    inputs, _ = blobs(400)
    targets = torch.zeros(400, dtype=torch.long)
    targets[:20], targets[20:40] = 1, 2
    given = training(chain(activation=nn.ReLU))
    plain, prior = variants(CURE, given, case(given, inputs, targets), FOUND)
    assert not plain.model[-1].bias.any()
    torch.testing.assert_close(prior.model[-1].bias, torch.tensor([361, 21, 21]).div(403).log())
    assert learned(prior, inputs, targets, updates=0) < learned(plain, inputs, targets, updates=0)


def test_one_logit_gets_its_log_odds():
    inputs, _ = blobs(200)
    targets = torch.zeros(200, 1)
    targets[:20] = 1.0
    given = training(chain(activation=nn.ReLU, outputs=1), loss=F.binary_cross_entropy_with_logits)
    *_, prior = variants(CURE, given, case(given, inputs, targets, task="truth"), FOUND)
    assert prior.model[-1].bias.item() == pytest.approx(torch.logit(torch.tensor(21 / 202)).item())


def test_a_sigmoid_under_a_log_loss_gets_log_odds_too():
    inputs, _ = blobs(200)
    targets = torch.zeros(200, 1)
    targets[:20] = 1.0
    net = nn.Sequential(chain(activation=nn.ReLU, outputs=1), nn.Sigmoid())
    given = training(net, loss=F.binary_cross_entropy)
    *_, prior = variants(CURE, given, case(given, inputs, targets, task="truth"), FOUND)
    assert prior.model[0][-1].bias.item() < -1.5


def test_targets_far_from_zero_come_first_where_the_loss_starts_too_high():
    inputs, _ = blobs(200)
    targets = 100 + inputs[:, :2]
    given = training(chain(activation=nn.ReLU, outputs=2), loss=F.mse_loss)
    prior, plain = variants(CURE, given, case(given, inputs, targets, task="values"), finding("L306"))
    torch.testing.assert_close(prior.model[-1].bias, targets.mean(0))
    assert learned(prior, inputs, targets, updates=50) < 0.01 * learned(plain, inputs, targets, updates=50)


def test_behind_a_stage_that_rescales_the_output_the_bias_stays_zero():
    from collections import OrderedDict

    from latih.models import Rescale

    inputs, _ = blobs(200)
    targets = 100 + inputs[:, :2]
    stage = Rescale(targets.mean(0), targets.std(0))
    net = nn.Sequential(OrderedDict(net=chain(activation=nn.ReLU, outputs=2), outputs=stage))
    given = training(net, loss=F.mse_loss)
    (made,) = variants(CURE, given, case(given, inputs, targets, task="values"), finding("L306"))
    assert not made.model.net[-1].bias.any()


def test_a_loss_that_shares_the_model_s_weights_still_does(small):
    class Penalised(nn.Module):
        def __init__(self, weight):
            super().__init__()
            self.weight = weight

        def forward(self, output, target):
            return F.cross_entropy(output, target) + 1e-3 * self.weight.square().sum()

    given = training(small, loss=Penalised(small[0].weight))
    (made,) = variants(CURE, given, case(given, *blobs()), FOUND)
    assert made.loss.weight is made.model[0].weight
    assert given.loss.weight is small[0].weight


def test_the_code_makes_the_same_network_and_edits_add_up(small):
    first = training(small).edited(Edit("other", "other", ""))
    seen = case(first, *blobs())
    (made,) = variants(CURE, first, seen, FOUND)
    assert [one.cure for one in made.edits] == ["other", "reinitialise"]
    x, y = seen.batch
    outputs_agree(made, first, case(first, x, y))
