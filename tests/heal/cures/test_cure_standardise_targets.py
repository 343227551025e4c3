import torch
import torch.nn.functional as F
from structure_cases import case, explained, found, labelled, net, training, valued, variants
from torch import nn

from latih.heal.cures._standardise_targets import CURE
from latih.models import Rescale

FAR = found("unscaled-targets")


def houses():
    x, y = valued()
    return x, 1e5 * y[:, None] + 3e5


def test_prices_are_learned_in_deviations_and_predicted_in_their_units():
    data = houses()
    given = training(net(6, 1), F.mse_loss)
    (made,) = variants(CURE, given, case(given, data, "values"), FAR)
    x, y = data
    z = made.model.net(x)
    torch.testing.assert_close(made.loss(made.model(x), y), F.mse_loss(z, (y - y.mean()) / y.std(correction=0)))
    assert explained(given, data) < 0 < 0.9 < explained(made, data)


def test_columns_of_unlike_size_count_alike():
    x, y = valued()
    columns = torch.stack([1000 * y, 0.01 * y + 5], 1)
    given = training(net(6, 2), nn.MSELoss())
    (made,) = variants(CURE, given, case(given, (x, columns), "values"), FAR)
    made.loss(made.model(x), columns).backward()
    large, small = made.model.net[2].weight.grad.norm(dim=1)
    assert 0.1 < float(large / small) < 10


def test_a_bounded_end_goes_with_it():
    given = training(net(6, 1, nn.Sigmoid()), F.l1_loss)
    (made,) = variants(CURE, given, case(given, houses(), "values"), FAR)
    assert isinstance(made.model.net[-1], nn.Identity)
    assert isinstance(made.model.outputs, Rescale)


def test_outputs_and_targets_without_a_column():
    x, y = houses()
    given = training(net(6, 1, nn.Flatten(0)), F.mse_loss)
    (made,) = variants(CURE, given, case(given, (x, y[:, 0]), "values"), FAR)
    assert explained(made, (x, y[:, 0])) > 0.9


def test_it_is_not_done_twice_and_not_where_it_does_not_fit():
    data = houses()
    given = training(net(6, 1), F.mse_loss)
    (made,) = variants(CURE, given, case(given, data, "values"), FAR)
    assert variants(CURE, made, case(made, data, "values"), FAR) == []
    x, y = valued()
    near = (x, ((y - y.mean()) / y.std())[:, None])
    assert variants(CURE, given, case(given, near, "values"), FAR) == []
    classes = training(net())
    assert variants(CURE, classes, case(classes, labelled()), FAR) == []


def test_a_loss_that_is_no_distance_is_left_alone():
    x, y = houses()
    given = training(net(6, 1), nn.PoissonNLLLoss())
    assert variants(CURE, given, case(given, (x, y), "values"), FAR) == []
