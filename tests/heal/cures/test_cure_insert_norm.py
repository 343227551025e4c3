import torch
from signal_cases import blobs, case, chain, finding, learned, outputs_agree, trained_record, training, variants
from torch import nn

from latih.heal.cures._insert_norm import CURE

FOUND = finding("L304")


def test_saturated_layers_get_a_batch_norm_and_learn():
    net = chain(activation=nn.Sigmoid, depth=3)
    with torch.no_grad():
        for one in net.parameters():
            one.mul_(30)
    given, data = training(net, optimizer="adam(lr=0.01)"), blobs()
    same, redrawn = variants(CURE, given, case(given, *data), FOUND)
    assert [type(one).__name__ for one in same.model[0]] == ["Linear", "BatchNorm1d"]
    assert torch.equal(same.model[0].layer.weight, net[0].weight)
    assert not torch.equal(redrawn.model[0].layer.weight, net[0].weight)
    assert learned(same, *data) < learned(given, *data)
    assert learned(redrawn, *data) < 0.8 * learned(given, *data)
    outputs_agree(same, given, case(given, *[one[:32] for one in data]))


def test_a_live_optimizer_keeps_its_groups_under_the_new_names():
    net = chain(activation=nn.ReLU, depth=2)
    live = torch.optim.SGD([{"params": net[0].parameters(), "lr": 0.5}, {"params": net[2:].parameters(), "lr": 0.1}])
    given = training(net, optimizer=live)
    made = variants(CURE, given, case(given, *blobs()), FOUND)[0]
    slow = made.optimizer(made.model).param_groups
    assert [group["lr"] for group in slow] == [0.5, 0.1]
    assert slow[0]["params"][0] is made.model[0].layer.weight
    held = {id(one) for group in slow for one in group["params"]}
    assert held == {id(one) for one in made.model.parameters()}


def test_small_batches_get_norms_that_need_none():
    given = training(chain(activation=nn.ReLU, depth=2))
    made = variants(CURE, given, case(given, *blobs(), size=4), FOUND)[0]
    assert isinstance(made.model[0].norm, nn.LayerNorm)
    images = torch.randn(40, 3, 8, 8, generator=torch.Generator().manual_seed(0))
    net = nn.Sequential(nn.Conv2d(3, 12, 3), nn.ReLU(), nn.Conv2d(12, 6, 3), nn.ReLU(), nn.Flatten(), nn.Linear(96, 2))
    given = training(net)
    made = variants(CURE, given, case(given, images, (images.mean((1, 2, 3)) > 0).long(), size=4), FOUND)[0]
    assert (made.model[0].norm.num_groups, made.model[2].norm.num_groups) == (2, 2)


def test_selu_trained_weights_and_shallow_nets_are_left_alone():
    selu = training(chain(activation=nn.SELU))
    assert variants(CURE, selu, case(selu, *blobs()), FOUND) == []
    relu = training(chain(activation=nn.ReLU))
    assert variants(CURE, relu, case(relu, *blobs(), record=trained_record(relu.model)), FOUND) == []
    flat = training(nn.Linear(8, 3))
    assert variants(CURE, flat, case(flat, *blobs()), FOUND) == []


def test_where_there_are_norms_already_nothing_is_put_in():
    given = training(chain(activation=nn.ReLU))
    made = variants(CURE, given, case(given, *blobs()), FOUND)[0]
    again = training(made.model)
    assert variants(CURE, again, case(again, *blobs()), FOUND) == []


def test_after_norms_were_put_in_weights_can_still_be_redrawn():
    from latih.heal.cures._reinitialise import CURE as REINITIALISE

    given, data = training(chain(activation=nn.ReLU)), blobs()
    seen = case(given, *data)
    normed = next(iter(CURE.apply(given, seen, FOUND)))
    (made,) = variants(REINITIALISE, normed, seen, finding("L301"))
    assert not torch.equal(made.model[2].layer.weight, normed.model[2].layer.weight)
