import torch
from signal_cases import blobs, case, finding, learned, outputs_agree, trained_record, training, variants
from torch import nn

from latih.heal.cures._swap_norm import CURE

FOUND = finding("L109")


def images(count=60):
    random = torch.Generator().manual_seed(0)
    x = torch.randn(count, 1, 6, 6, generator=random)
    return x, (x[:, 0, :, :3].mean((1, 2)) > 0).long()


def test_convolutions_get_group_norm_and_vectors_layer_norm_with_the_same_scale():
    net = nn.Sequential(
        *(nn.Conv2d(1, 12, 3), nn.BatchNorm2d(12), nn.ReLU(), nn.Flatten()),
        *(nn.Linear(192, 8), nn.BatchNorm1d(8, eps=1e-3), nn.ReLU(), nn.Linear(8, 2)),
    )
    with torch.no_grad():
        net[1].weight.uniform_(0.5, 1.5)
    given = training(net)
    seen = case(given, *images(), size=2)
    (made,) = variants(CURE, given, seen, FOUND)
    assert (type(made.model[1]), made.model[1].num_groups, made.model[1].num_channels) == (nn.GroupNorm, 3, 12)
    assert (type(made.model[5]), made.model[5].normalized_shape, made.model[5].eps) == (nn.LayerNorm, (8,), 1e-3)
    assert torch.equal(made.model[1].weight, net[1].weight)
    assert "BatchNorm" not in str(made.model)


def test_with_batches_of_two_it_learns_what_batch_norm_does_not():
    torch.manual_seed(0)
    data = blobs()
    net = nn.Sequential(nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 3))
    given = training(net, optimizer="adam(lr=0.003)")
    seen = case(given, *data, size=2)
    (made,) = variants(CURE, given, seen, FOUND)
    outputs_agree(made, given, seen)
    assert learned(made, *data, updates=200, size=2) < learned(given, *data, updates=200, size=2)


def test_a_batch_of_one_example_is_no_obstacle():
    net = nn.Sequential(nn.Conv2d(1, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(128, 2))
    given = training(net)
    (made,) = variants(CURE, given, case(given, *images(), size=1), FOUND)
    assert isinstance(made.model[1], nn.GroupNorm)


def test_norms_on_inputs_narrow_ones_and_trained_nets_stay():
    net = nn.Sequential(nn.BatchNorm1d(8), nn.Linear(8, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 3))
    given = training(net)
    assert variants(CURE, given, case(given, *blobs(), size=4), FOUND) == []
    deep = training(nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 3)))
    assert variants(CURE, deep, case(deep, *blobs(), record=trained_record(deep.model)), FOUND) == []


def test_a_frozen_scale_stays_frozen_and_a_shared_norm_shared():
    norm = nn.BatchNorm1d(8)
    norm.weight.requires_grad_(False)
    net = nn.Sequential(nn.Linear(8, 8), norm, nn.ReLU(), nn.Linear(8, 8), norm, nn.ReLU(), nn.Linear(8, 3))
    given = training(net)
    (made,) = variants(CURE, given, case(given, *blobs(), size=4), FOUND)
    assert made.model[1] is made.model[4]
    assert not made.model[1].weight.requires_grad
