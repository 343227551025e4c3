import pytest
import torch
import torch.nn.functional as F
from structure_cases import accuracy, case, explained, found, labelled, net, right_side, training, valued, variants
from torch import nn

from latih.heal.cures._match_loss import CURE

MISMATCH = found("loss-output-mismatch")


class Called(nn.Module):
    """Ends in a function that forward calls."""

    def __init__(self, end, outputs=3):
        super().__init__()
        self.net, self.end = net(6, outputs), end

    def forward(self, x):
        return self.end(self.net(x))


def yes_or_no():
    x, y = labelled(classes=2)
    return x, y.float()[:, None]


def test_a_softmax_module_before_cross_entropy_is_removed_or_undone():
    given, data = training(net(6, 3, nn.Softmax(1)), nn.CrossEntropyLoss()), labelled()
    bare, undone = variants(CURE, given, case(given, data), MISMATCH)
    assert isinstance(bare.model[-1], nn.Identity)
    x, y = data
    scores = given.model[:-1](x)
    torch.testing.assert_close(bare.loss(bare.model(x), y), F.cross_entropy(scores, y))
    torch.testing.assert_close(undone.loss(undone.model(x), y), F.cross_entropy(scores, y))
    assert accuracy(bare, data, updates=40) > accuracy(given, data, updates=40)


def test_a_softmax_that_forward_calls_is_undone_or_passed_over():
    given, data = training(Called(lambda x: F.softmax(x, dim=-1))), labelled()
    undone, bare = list(CURE.apply(given, case(given, data), MISMATCH))
    x, y = data
    expected = F.cross_entropy(given.model.net(x), y)
    for one in (undone, bare):
        torch.testing.assert_close(one.loss(one.model(x), y), expected)
    assert next(name for name, _ in bare.model.named_parameters()) == "net.net.0.weight"


@pytest.mark.parametrize("end", [nn.Sigmoid(), nn.Tanh(), nn.Hardsigmoid(), nn.Softsign()], ids=repr)
def test_a_bounded_end_before_log_loss_is_removed_or_undone(end):
    given, data = training(net(6, 1, end), nn.BCEWithLogitsLoss()), yes_or_no()
    bare, undone = variants(CURE, given, case(given, data, "truth"), MISMATCH)
    x, y = data
    expected = F.binary_cross_entropy_with_logits(given.model[:-1](x), y)
    torch.testing.assert_close(bare.loss(bare.model(x), y), expected)
    torch.testing.assert_close(undone.loss(undone.model(x), y), expected)
    assert right_side(bare, data) > 0.9


def test_a_relu_that_forward_calls_on_the_logit_is_passed_over():
    given, data = training(Called(F.relu, 1), F.binary_cross_entropy_with_logits), yes_or_no()
    (bare,) = list(CURE.apply(given, case(given, data, "truth"), MISMATCH))
    torch.testing.assert_close(bare.model(data[0]), given.model.net(data[0]))


def test_a_function_in_the_middle_is_not_taken_for_the_end():
    model = nn.Sequential(nn.Linear(6, 8), nn.Sigmoid(), nn.Linear(8, 3))
    given = training(model)
    assert variants(CURE, given, case(given, labelled()), MISMATCH) == []


def test_one_sigmoid_module_in_two_places_is_only_passed_over_at_the_end():
    end = nn.Sigmoid()
    given, data = training(nn.Sequential(nn.Linear(6, 8), end, nn.Linear(8, 3), end)), labelled()
    seen = case(given, data)
    bare = next(one for one in variants(CURE, given, seen, MISMATCH) if "removed" in one.edits[-1].text)
    torch.testing.assert_close(bare.model(data[0]), given.model[:3](data[0]))


@pytest.mark.parametrize("loss", [F.nll_loss, nn.NLLLoss(), lambda output, target: F.nll_loss(output, target)])
def test_a_likelihood_of_scores_becomes_cross_entropy(loss):
    given, data = training(net(), loss), labelled()
    made = next(iter(CURE.apply(given, case(given, data), MISMATCH)))
    x, y = data
    torch.testing.assert_close(made.loss(made.model(x), y), F.cross_entropy(given.model(x), y))


def test_a_likelihood_of_probabilities_gets_scores_or_logarithms():
    given, data = training(net(6, 3, nn.Softmax(1)), nn.NLLLoss()), labelled()
    bare, logs = variants(CURE, given, case(given, data), MISMATCH)
    expected = F.cross_entropy(given.model[:-1](data[0]), data[1])
    for one in (bare, logs):
        torch.testing.assert_close(one.loss(one.model(data[0]), data[1]), expected)


def test_class_weights_of_a_likelihood_survive():
    given = training(net(), nn.NLLLoss(weight=torch.tensor([1.0, 2.0, 3.0])))
    (made,) = variants(CURE, given, case(given, labelled()), MISMATCH)
    assert torch.equal(made.loss.weight, torch.tensor([1.0, 2.0, 3.0]))


def test_log_softmax_over_the_batch_is_removed():
    given, data = training(net(6, 3, nn.LogSoftmax(0)), F.nll_loss), labelled()
    made = variants(CURE, given, case(given, data), MISMATCH)[0]
    assert isinstance(made.model[-1], nn.Identity)
    assert made.loss is F.cross_entropy


def test_a_softmax_over_one_unit_becomes_a_sigmoid_or_goes():
    data = yes_or_no()
    given = training(net(6, 1, nn.Softmax(1)), F.binary_cross_entropy)
    made = variants(CURE, given, case(given, data, "truth"), MISMATCH)[0]
    assert isinstance(made.model[-1], nn.Sigmoid)
    assert right_side(made, data, 0.5) > 0.9
    given = training(net(6, 1, nn.Softmax(1)), F.binary_cross_entropy_with_logits)
    made = variants(CURE, given, case(given, data, "truth"), MISMATCH)[0]
    assert right_side(made, data) > 0.9


def test_answers_that_do_not_exclude_each_other_get_sigmoids():
    x = labelled()[0]
    y = (x[:, :3] > 0).float()
    given = training(net(6, 3, nn.Softmax(1)), nn.BCELoss())
    (made,) = variants(CURE, given, case(given, (x, y), "truth"), MISMATCH)
    assert isinstance(made.model[-1], nn.Sigmoid)


def test_targets_beyond_the_end_of_a_regression_lose_it():
    x, y = valued()
    data = (x, 5 * y[:, None])
    given = training(net(6, 1, nn.Tanh()), nn.MSELoss())
    (made,) = variants(CURE, given, case(given, data, "values"), MISMATCH)
    assert explained(given, data) < 0.6 < 0.9 < explained(made, data)


def test_a_row_against_a_column_is_aligned():
    x, y = valued()

    def squares(output, target):
        return (output - target).square().mean()

    given = training(net(6, 1), squares)
    made = next(iter(CURE.apply(given, case(given, (x, y), "values"), found("shape-broadcast"))))
    torch.testing.assert_close(made.loss(made.model(x), y), F.mse_loss(made.model(x)[:, 0], y))
    assert explained(given, (x, y)) < 0.1 < 0.8 < explained(made, (x, y))


def test_a_loss_of_two_columns_gets_its_targets_as_a_column():
    x, y = valued()

    def likelihood(output, target):
        middle, spread = output[:, :1], output[:, 1:].exp()
        return (spread.log() + 0.5 * ((target - middle) / spread) ** 2).mean()

    given = training(net(6, 2), likelihood)
    made = next(iter(CURE.apply(given, case(given, (x, y), "values"), found("shape-broadcast"))))
    torch.testing.assert_close(made.loss(made.model(x), y), likelihood(made.model(x), y[:, None]))


def test_targets_of_which_the_loss_takes_a_part_are_not_aligned():
    x, y = valued()
    given = training(net(6, 4), lambda output, target: (output[:, 0] - target[:, 0]).square().mean())
    targets = torch.stack([y] * 6, 1)
    made = list(CURE.apply(given, case(given, (x, targets), "values"), found("shape-broadcast")))
    assert not [one for one in made if "take the shape" in one.edits[0].text]


def test_a_loss_that_was_divided_once_too_often_is_multiplied():
    def divided(output, target):
        return F.cross_entropy(output, target) / 900

    given, data = training(net(), divided), labelled()
    made, textbook = CURE.apply(given, case(given, data), found("wrong-loss", **{"divided by": 897.2}))
    x, y = data
    torch.testing.assert_close(made.loss(made.model(x), y), F.cross_entropy(given.model(x), y))
    assert textbook.edits[0].text.startswith("loss -> cross entropy")


def test_a_sum_becomes_a_mean():
    for loss in (nn.CrossEntropyLoss(reduction="sum"), nn.MSELoss(reduction="sum")):
        data, task = (labelled(), "classes") if isinstance(loss, nn.CrossEntropyLoss) else (valued(), "values")
        data = data if task == "classes" else (data[0], data[1][:, None])
        given = training(net(6, 3 if task == "classes" else 1), loss)
        made = variants(CURE, given, case(given, data, task), found("wrong-loss", reduction="sum"))[0]
        assert (given.loss.reduction, made.loss.reduction) == ("sum", "mean")

    def summed(output, target):
        return (output - target).square().sum()

    given = training(net(6, 1), summed)
    made = next(iter(CURE.apply(given, case(given, data, "values"), found("wrong-loss", reduction="sum"))))
    torch.testing.assert_close(made.loss(made.model(data[0]), data[1]), F.mse_loss(made.model(data[0]), data[1]))


def test_what_was_maximised_is_minimised():
    def likelihood(output, target):
        return output.log_softmax(1).gather(1, target[:, None]).mean()

    given, data = training(net(), likelihood), labelled()
    made = next(iter(CURE.apply(given, case(given, data), found("wrong-loss", sign=-1))))
    assert accuracy(given, data) < 0.2 < 0.9 < accuracy(made, data)


@pytest.mark.parametrize("kind", [torch.long, torch.float32])
def test_classes_that_were_amounts_get_a_unit_each(kind):
    x, y = labelled(classes=4)
    data = (x, y.to(kind))

    def squares(output, target):
        return (output.squeeze(1) - target.float()).square().mean()

    given = training(net(6, 1), squares)
    (made,) = list(CURE.apply(given, case(given, data), found("wrong-loss", **{"different targets": 4})))
    assert made.model[2].weight.shape == (4, 24)
    assert torch.equal(made.model[0].weight, given.model[0].weight)
    assert accuracy(made, data) > 0.85


def test_outputs_that_forward_flattened_are_cut_into_classes_again():
    x, y = labelled(classes=4)

    def squares(output, target):
        return (output - target.float()).square().mean()

    given = training(net(6, 1, nn.Flatten(0)), squares)
    (made,) = list(CURE.apply(given, case(given, (x, y)), found("wrong-loss", **{"different targets": 4})))
    assert made.model(x).shape == (len(x), 4)
    assert dict(made.model.named_parameters())["net.2.weight"].shape == (4, 24)


def test_a_log_loss_by_hand_that_diverged_becomes_the_safe_one():
    x, y = yes_or_no()

    def by_hand(output, target):
        p = torch.sigmoid(100 * output)
        return -(target * p.log() + (1 - target) * (1 - p).log()).mean()

    given = training(net(6, 1), by_hand)
    (made,) = list(CURE.apply(given, case(given, (x, y), "truth"), found("diverged")))
    torch.testing.assert_close(made.loss(made.model(x), y), F.binary_cross_entropy_with_logits(given.model(x), y))


def test_what_agrees_already_is_left_alone():
    given = training(net())
    for name in ("loss-output-mismatch", "diverged", "label-range"):
        assert variants(CURE, given, case(given, labelled()), found(name)) == []
    x, y = valued()
    given = training(net(6, 1), F.mse_loss)
    assert variants(CURE, given, case(given, (x, y[:, None]), "values"), found("diverged")) == []
