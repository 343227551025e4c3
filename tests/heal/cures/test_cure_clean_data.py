import torch
import torch.nn.functional as F
from structure_cases import accuracy, case, explained, found, labelled, net, training, valued, variants

from latih.heal.cures._clean_data import CURE
from latih.heal.cures._standardise_inputs import CURE as STANDARDISE

INPUTS, TARGETS = found("non-finite-data", where="inputs"), found("non-finite-data", where="targets")
NAN = float("nan")


def test_missing_inputs_become_the_mean_of_their_column():
    x, y = labelled()
    holes = x.clone()
    holes[5, 2], holes[9, 0], holes[::10, 4] = NAN, -float("inf"), NAN
    holes[7, 3] = float("inf")
    given = training(net())
    (made,) = variants(CURE, given, case(given, (holes, y)), INPUTS)
    filled = made.model.inputs(holes)
    kept = torch.tensor([place for place in range(len(x)) if place != 5])
    torch.testing.assert_close(filled[5, 2], x[kept, 2].mean())
    assert float(filled[9, 0]) == float(x[torch.arange(len(x)) != 9, 0].min())
    assert float(filled[7, 3]) == float(x[torch.arange(len(x)) != 7, 3].max())
    assert torch.equal(filled[1], x[1])
    assert accuracy(given, (holes, y)) < 0.5 < 0.9 < accuracy(made, (holes, y))


def test_examples_without_a_target_are_left_out_of_the_loss():
    x, y = valued()
    y = y[:, None].clone()
    y[::8] = NAN
    given = training(net(6, 1), F.mse_loss)
    (made,) = variants(CURE, given, case(given, (x, y), "values"), TARGETS)
    known = y[:, 0].isfinite()
    torch.testing.assert_close(made.loss(made.model(x), y), F.mse_loss(made.model(x)[known], y[known]))
    lost = torch.full_like(y, NAN)
    assert float(made.loss(made.model(x), lost).detach()) == 0.0
    assert explained(made, (x, y.nan_to_num(0.0))) > 0.3


def test_where_most_examples_lack_some_target_only_the_missing_ones_are_left_out():
    x, y = valued()
    columns = torch.stack([y, -y], 1)
    columns[::2, 0], columns[1::2, 1] = NAN, NAN
    given = training(net(6, 2), F.mse_loss)
    (made,) = variants(CURE, given, case(given, (x, columns), "values"), TARGETS)
    loss = made.loss(made.model(x), columns)
    loss.backward()
    assert torch.isfinite(loss)
    assert all(bool(one.grad.isfinite().all()) for one in made.model.parameters())


def test_filling_comes_before_a_standardisation_that_is_there():
    x, y = labelled()
    x = 1000 * x
    x[::9, 1] = NAN
    given = training(net())
    (scaled,) = variants(STANDARDISE, given, case(given, (x, y)), INPUTS)
    (made,) = variants(CURE, scaled, case(scaled, (x, y)), INPUTS)
    assert [type(one).__name__ for one in made.model.inputs] == ["Impute", "Standardize"]
    assert bool(made.model(x).isfinite().all())
    assert variants(CURE, made, case(made, (x, y)), INPUTS) == []


def test_whole_data_are_left_alone():
    given = training(net())
    assert variants(CURE, given, case(given, labelled()), found("non-finite-data", where="")) == []
