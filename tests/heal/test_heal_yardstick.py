"""How good held-out outputs are, whatever the loss that made them."""

import math

import pytest
import torch
import torch.nn.functional as F

from latih.heal._prepare import task_of
from latih.heal._yardstick import Yardstick, gain, in_parts


def labels(count=400, classes=4):
    return torch.arange(count) % classes


def logits(targets, sure=2.0, classes=4):
    noise = torch.randn(len(targets), classes, generator=torch.Generator().manual_seed(0))
    return sure * F.one_hot(targets, classes) + noise


CLASSES = Yardstick("classes", F.cross_entropy, "cross_entropy")


def test_logits_and_log_probabilities_of_one_model_are_equally_good():
    targets = labels()
    raw = logits(targets)
    assert torch.allclose(CLASSES(raw, targets), CLASSES(raw.log_softmax(1), targets), atol=0.02)


def test_probabilities_score_nearly_as_the_logits_that_they_came_from():
    targets = labels()
    raw = logits(targets)
    assert float(CLASSES(raw.softmax(1), targets).mean()) == pytest.approx(float(CLASSES(raw, targets).mean()), abs=0.1)


def test_a_constant_output_scores_minus_one_and_a_better_order_scores_more():
    targets = labels()
    constant = CLASSES(torch.zeros(400, 4), targets).mean()
    weak, strong = CLASSES(logits(targets, 0.5), targets).mean(), CLASSES(logits(targets, 4.0), targets).mean()
    assert float(constant) == pytest.approx(-1.0)
    assert constant < weak < strong < 0


def test_classes_may_stand_in_any_dimension_and_positions_may_be_ignored():
    targets = labels(60).reshape(20, 3)
    raw = logits(labels(60)).reshape(20, 3, 4)
    last, second = CLASSES(raw, targets), CLASSES(raw.movedim(-1, 1), targets)
    assert last.shape == (20,)
    assert torch.allclose(last, second)
    ignored = targets.clone()
    ignored[0] = -100
    assert CLASSES(raw, ignored).shape == (19,)


def test_truth_values_are_scored_by_logits_probabilities_and_labels_turned_round_alike():
    truth = (torch.arange(300) % 3 == 0).float()
    stick = Yardstick("truth", F.binary_cross_entropy_with_logits, "bce_with_logits")
    raw = 3 * truth - 1 + torch.randn(300, generator=torch.Generator().manual_seed(1))
    good, soft = stick(raw[:, None], truth[:, None]).mean(), stick(raw.sigmoid(), truth).mean()
    assert float(good) == pytest.approx(float(soft), abs=0.1)
    assert float(stick(torch.zeros(300), truth).mean()) == pytest.approx(-1.0, abs=1e-3)
    assert float(stick(-raw, truth).mean()) == pytest.approx(-1.0, abs=1e-3)  # the wrong order is no knowledge


@pytest.mark.parametrize(("kind", "power"), [("mse", 2), ("mae", 1)])
def test_values_are_scored_by_the_error_that_the_loss_measures(kind, power):
    targets = torch.linspace(-3, 5, 50)
    stick = Yardstick("values", F.mse_loss, kind)
    assert float(stick(targets.mean().expand(50, 1), targets).mean()) == pytest.approx(-1.0, rel=1e-6)
    off = (targets - targets.mean()).abs().pow(power).mean()
    assert float(stick(targets + 0.5, targets).mean()) == pytest.approx(-(0.5**power) / float(off), rel=1e-5)


def test_what_is_not_finite_is_as_bad_as_can_be_and_never_nan():
    targets = labels()
    broken = logits(targets)
    broken[:50] = math.nan
    assert CLASSES(broken, targets).isfinite().all()
    values = Yardstick("values", F.mse_loss, "mse")(torch.full((40,), math.inf), torch.randn(40))
    assert float(values.max()) <= -50


def test_any_other_loss_is_asked_itself_part_by_part():
    stick = Yardstick("other", lambda output, target: (output - target).abs().max())
    assert stick(torch.zeros(200, 2), torch.ones(200, 2)).tolist() == [-1.0] * 20


def test_a_gain_counts_in_standard_errors_of_the_pairs():
    generator = torch.Generator().manual_seed(2)
    control = torch.randn(500, generator=generator, dtype=torch.float64)
    better = control + 0.3 + 0.1 * torch.randn(500, generator=generator, dtype=torch.float64)
    mean, errors = gain(better, control)
    assert mean == pytest.approx(0.3, abs=0.02)
    assert errors > 20
    assert gain(control, control) == (0.0, 0.0)


def test_chance_exceeds_three_standard_errors_as_seldom_as_it_should_also_in_twenty_parts():
    generator = torch.Generator().manual_seed(3)
    seen = [gain(*torch.randn(2, 20, generator=generator, dtype=torch.float64))[1] for _ in range(3000)]
    assert sum(one > 3 for one in seen) <= 12  # 4 expected


def test_parts_hold_at_least_eight_examples():
    assert len(in_parts(lambda output, target: 0.0, torch.zeros(100, 1), torch.zeros(100))) == 12
    assert len(in_parts(lambda output, target: 0.0, torch.zeros(10, 1), torch.zeros(10))) == 1


@pytest.mark.parametrize("pair", [(1.0, 2.0), (-1.0, 1.0)])
def test_two_numbers_under_a_loss_for_truth_mean_no_and_yes(pair):
    chance = torch.Generator().manual_seed(0)
    truth = (torch.rand(200, 1, generator=chance) > 0.5).float()
    scores = 4 * truth - 2 + torch.randn(200, 1, generator=chance)
    numbers = pair[0] + (pair[1] - pair[0]) * truth
    assert task_of("bce_with_logits", numbers) == "truth"
    yardstick = Yardstick("truth", F.binary_cross_entropy_with_logits)
    torch.testing.assert_close(yardstick(scores, numbers), yardstick(scores, truth))
    assert task_of("mse", numbers) == "values"
