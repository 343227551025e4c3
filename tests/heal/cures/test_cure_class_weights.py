import torch
import torch.nn.functional as F
from structure_cases import case, found, labelled, net, predicted, training, variants
from torch import nn

from latih.heal.cures._class_weights import CURE
from latih.heal.cures._turn_weights import CURE as TURN

RARE = found("class-imbalance")


def imbalanced(classes=2):
    """About one in thirty is of class 1, and cannot be told for sure."""
    x, _ = labelled(900)
    score = x[:, 0] + x[:, 1] + torch.randn(900, generator=torch.Generator().manual_seed(5))
    return x, (score > score.quantile(0.96)).long()


def test_rare_classes_are_found_and_the_root_comes_first():
    data = imbalanced()
    given = training(net(6, 2), nn.CrossEntropyLoss())
    root, full = variants(CURE, given, case(given, data), RARE)
    count = torch.bincount(data[1]).float()
    torch.testing.assert_close(full.loss.weight * count, (full.loss.weight * count)[:1].expand(2))
    torch.testing.assert_close((root.loss.weight * count.sqrt()), (root.loss.weight * count.sqrt())[:1].expand(2))

    def recall(one):
        return float((predicted(one, data, updates=60).argmax(1) == 1)[data[1] == 1].double().mean())

    assert recall(given) < recall(root) < recall(full)


def test_ignored_labels_and_smoothing_survive():
    x, y = imbalanced()
    y = y.clone()
    y[::9] = -100
    given = training(net(6, 2), nn.CrossEntropyLoss(label_smoothing=0.1))
    made = variants(CURE, given, case(given, (x, y)), RARE)[0]
    assert made.loss.label_smoothing == 0.1
    assert torch.isfinite(made.loss(made.model(x), y))


def test_any_mean_loss_of_one_answer_is_balanced_as_its_weighted_mean():
    x, y = imbalanced()
    truth = y.float()[:, None]
    given = training(net(6, 1), F.binary_cross_entropy_with_logits)
    _, full = variants(CURE, given, case(given, (x, truth), "truth"), RARE)
    output = given.model(x)
    each = F.binary_cross_entropy_with_logits(output, truth, reduction="none")[:, 0]
    expected = (each[y == 0].mean() + each[y == 1].mean()) / 2
    torch.testing.assert_close(full.loss(output, truth), expected)


def test_several_truth_values_get_a_weight_a_column():
    x, y = imbalanced()
    truth = torch.stack([y.float(), (x[:, 2] > 0).float()], 1)
    given = training(net(6, 2), nn.BCEWithLogitsLoss())
    _, full = variants(CURE, given, case(given, (x, truth), "truth"), RARE)
    share = truth.mean(0)
    torch.testing.assert_close(full.loss.pos_weight, (1 - share) / share)


def test_weights_that_are_upside_down_are_replaced():
    given = training(net(6, 2), nn.CrossEntropyLoss(weight=torch.tensor([1.9, 0.1])))
    upside_down = found("class-imbalance", **{"its weight over a rare one's": 19.0})
    root, full = variants(TURN, given, case(given, imbalanced()), upside_down)
    for made in (root, full):
        assert made.loss.weight[1] > 4 * made.loss.weight[0]
    assert variants(TURN, given, case(given, imbalanced()), RARE) == []


def test_weighted_losses_and_values_are_left_alone():
    given = training(net(6, 2), nn.CrossEntropyLoss(weight=torch.tensor([1.0, 5.0])))
    assert variants(CURE, given, case(given, imbalanced()), RARE) == []
    given = training(net(6, 1), F.mse_loss)
    x, y = imbalanced()
    assert variants(CURE, given, case(given, (x, y.float()[:, None]), "values"), RARE) == []
