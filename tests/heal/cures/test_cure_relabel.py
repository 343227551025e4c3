import torch
import torch.nn.functional as F
from structure_cases import case, found, labelled, net, right_side, training, variants

from latih.heal.cures._relabel import CURE

RANGE = found("label-range")


def test_minus_one_and_one_become_zero_and_one():
    x, y = labelled(classes=2)
    signs = (2.0 * y - 1)[:, None]
    given = training(net(6, 1), F.binary_cross_entropy_with_logits)
    (made,) = variants(CURE, given, case(given, (x, signs), "truth"), RANGE)
    torch.testing.assert_close(
        made.loss(made.model(x), signs), F.binary_cross_entropy_with_logits(given.model(x), y.float()[:, None])
    )
    assert right_side(made, (x, signs)) > 0.9
    assert variants(CURE, made, case(made, (x, signs), "truth"), RANGE) == []


def test_classes_beyond_the_last_output_get_one_and_the_others_keep_their_weights():
    x, y = labelled(classes=4)
    order = y.argsort()
    data = (x[order], y[order])
    given = training(net(6, 3))
    (made,) = variants(CURE, given, case(given, data, size=int((y < 3).sum())), RANGE)
    assert made.model[2].weight.shape == (4, 24)
    assert torch.equal(made.model[2].weight[:3], given.model[2].weight)


def test_labels_in_range_are_left_alone():
    x, y = labelled(classes=2)
    given = training(net(6, 1), F.binary_cross_entropy_with_logits)
    assert variants(CURE, given, case(given, (x, y.float()[:, None]), "truth"), RANGE) == []
    given = training(net())
    assert variants(CURE, given, case(given, labelled()), RANGE) == []
