"""Every reason against caching is seen in a model that has it, and a frozen model has none."""

import random

import numpy as np
import pytest
import torch
from torch import nn
from torch.utils.data import DataLoader, Dataset, TensorDataset

from latih import norm
from latih._checks import InputError
from latih.data import TensorExamples, as_examples
from latih.transfer._cacheable import why_not


class Frozen(nn.Sequential):
    """Layers that are not trained, and that stay in evaluation mode."""

    def __init__(self, *layers):
        super().__init__(*layers)
        self.requires_grad_(False)

    def train(self, mode=True):
        return super().train(False)


class Net(nn.Module):
    """A body, a head, and on request something that does not belong."""

    def __init__(self, body, forward=None, width=6):
        super().__init__()
        self.body, self.head = body, nn.Linear(width, 3)
        self.extra = nn.Linear(4, 3)
        self.extra.requires_grad_(False)
        self._forward = forward or (lambda self, x: self.head(self.body(x)))

    def forward(self, x):
        return self._forward(self, x)


def convolutions():
    body = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Dropout(0.5), nn.AdaptiveAvgPool2d(2), nn.Flatten()
    )
    return nn.Sequential(Frozen(*body), nn.Sequential(nn.Dropout(0.3), nn.Linear(16, 5), nn.BatchNorm1d(5)))


def batch(n=8, seed=0):
    return torch.randn(n, 4, generator=torch.Generator().manual_seed(seed))


def layers():
    return nn.Linear(4, 6), nn.ReLU()


def reason(model, head="head", inputs=None, **options):
    return why_not(model, head, batch() if inputs is None else inputs, **options)


@pytest.mark.parametrize("compiled", [False, True])
def test_a_frozen_model_has_no_reason(compiled):
    assert reason(Net(Frozen(*layers()))) is None
    model = convolutions()
    if compiled:
        model.compile(backend="eager")
    assert reason(model, "1", (torch.randn(6, 1, 8, 8), torch.zeros(6))) is None


def test_a_head_with_noise_of_its_own_is_no_reason_and_neither_is_one_that_works_in_place():
    model = Net(Frozen(nn.Linear(4, 6)))
    model.head = nn.Sequential(nn.ReLU(inplace=True), nn.Dropout(0.5), nn.Linear(6, 3))
    assert reason(model) is None


def test_a_whole_model_as_its_own_head_is_no_reason():
    assert reason(nn.Linear(4, 2), "") is None


def test_augmentation_needs_views():
    images, model = torch.randn(6, 1, 8, 8), convolutions()
    assert reason(model, "1", images, augment="flip() >> shift(1)") == (
        "the images are augmented anew in every epoch (--views 8 caches 8 of them)"
    )
    assert reason(model, "1", images, augment="flip()", views=4) is None
    assert reason(model, "1", images, augment="none()") is None


def test_a_trained_weight_before_the_head_is_named():
    model = Net(Frozen(*layers(), nn.Linear(6, 6)))
    model.body[2].weight.requires_grad_(True)
    assert reason(model) == "body.2.weight before the head is still trained"


def test_a_weight_that_the_head_shares_with_the_body_is_trained_before_the_head():
    model = Net(Frozen(nn.Linear(4, 6), nn.Linear(6, 3), nn.Linear(3, 6)))
    model.body[1].weight = model.head.weight
    assert reason(model) == "body.1.weight before the head is still trained"


def test_a_trained_weight_that_the_model_does_not_use_is_no_reason():
    model = Net(Frozen(*layers()))
    model.extra.requires_grad_(True)
    assert reason(model) is None


@pytest.mark.parametrize(
    "noise",
    [
        nn.Dropout(0.5),
        nn.Dropout(1e-9),  # drops nothing in this batch, but moves the masks of a dropout in the head
        nn.RReLU(),
    ],
    ids=repr,
)
def test_noise_before_the_head(noise):
    model = Net(nn.Sequential(*layers(), noise))
    model.body.requires_grad_(False)
    assert reason(model) == "dropout or other noise before the head is on"


@pytest.mark.parametrize("draw", [random.random, np.random.rand], ids=["python", "numpy"])
def test_noise_from_other_generators_is_noise(draw):
    model = Net(Frozen(*layers()), lambda self, x: self.head(self.body(x) * (1 + (self.training and draw()))))
    assert reason(model) == "dropout or other noise before the head is on"


@pytest.mark.parametrize("layer", [nn.BatchNorm1d(6), nn.BatchNorm1d(6, track_running_stats=False)], ids=repr)
def test_a_batch_norm_that_uses_its_batch(layer):
    model = Net(nn.Sequential(*layers(), layer))
    model.body.requires_grad_(False)
    assert reason(model) == "the features of an example depend on its batch (an unfrozen batch norm?)"


def test_a_pinned_batch_norm_is_no_reason():
    model = Net(nn.Sequential(*layers(), nn.BatchNorm1d(6)))
    model.body.requires_grad_(False)
    assert reason(norm.pinned(model)) is None


def test_an_example_that_looks_at_its_neighbours():
    model = Net(Frozen(*layers()), lambda self, x: self.head(self.body(x) + x.mean(0).sum()))
    assert reason(model) == "the features of an example depend on its batch (an unfrozen batch norm?)"


def test_two_passes_that_differ():
    def forward(self, x):
        self.calls = getattr(self, "calls", 0) + 1
        return self.head(self.body(x) * self.calls)

    assert reason(Net(Frozen(*layers()), forward)) == "two passes over the same batch differ"


def test_a_buffer_that_moves_before_it_matters():
    class Counts(nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(()))

        def forward(self, x):
            self.seen += self.training
            return x

    model = Net(nn.Sequential(*layers(), Counts()))
    model.body.requires_grad_(False)
    assert reason(model) == "the buffer body.2.seen outside the head changes in training (an unfrozen batch norm?)"
    assert model.body[2].seen == 0


def test_features_that_are_others_in_evaluation():
    model = Net(Frozen(*layers()), lambda self, x: self.head(self.body(x) * (2 if self.training else 1)))
    assert reason(model) == "the features in evaluation differ from those in training"


@pytest.mark.parametrize(
    "forward",
    [
        lambda self, x: self.head(self.body(x)).softmax(1),
        lambda self, x: self.head(self.body(x)) + self.extra(x),
        lambda self, x: (self.head(self.body(x)), x),
    ],
    ids=["softmax", "a branch beside it", "two outputs"],
)
def test_a_model_that_goes_on_after_its_head(forward):
    assert reason(Net(Frozen(*layers()), forward)) == "the model does not end with its head"


def test_a_trained_branch_beside_the_head_is_seen_while_it_is_still_zero():
    model = Net(Frozen(*layers()), lambda self, x: self.head(self.body(x)) + self.extra(x))
    nn.init.zeros_(model.extra.weight)
    nn.init.zeros_(model.extra.bias)
    assert reason(model) is None  # frozen at zero it will stay nothing
    model.extra.requires_grad_(True)
    assert reason(model) == "the model does not end with its head"


def test_a_head_that_is_entered_twice():
    model = Net(Frozen(*layers()), lambda self, x: self.head(self.body(x)) + self.head(self.body(-x)))
    assert reason(model) == "the head is entered more than once"


def test_a_head_that_is_not_called():
    model = Net(Frozen(*layers()), lambda self, x: nn.functional.linear(self.body(x), self.head.weight))
    assert reason(model) == "the model does not call its head as a module"


def test_a_head_that_takes_more():
    model = Net(Frozen(*layers()))
    model.head = nn.Bilinear(6, 4, 3)
    model._forward = lambda self, x: self.head(self.body(x), x)
    assert reason(model) == "the head takes more than one tensor"


def test_features_without_a_row_for_each_example():
    model = Net(Frozen(*layers()), lambda self, x: self.head(self.body(x).reshape(-1, 3)), width=3)
    assert reason(model) == "the features do not have one row for each example"


def test_examples_are_visited_twice_to_see_whether_they_stay():
    class Noisy(Dataset):
        def __len__(self):
            return 20

        def __getitem__(self, index):
            return torch.randn(4), 0

    x, y = batch(20), torch.zeros(20, dtype=torch.long)
    model = Net(Frozen(*layers()))
    assert reason(model, examples=TensorExamples(x, y)) is None
    assert reason(model, examples=as_examples(TensorDataset(x, y))) is None
    differ = "the examples differ from one visit to the next (random transforms?)"
    assert reason(model, examples=as_examples(Noisy())) == differ
    loader = as_examples(DataLoader(TensorDataset(x, y), batch_size=4, shuffle=True))
    assert reason(model, examples=loader) == "the order of the examples is their loader's own"


def test_a_healthy_model_too_is_left_bit_for_bit_as_it_was():
    model = convolutions().train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    random_state = torch.get_rng_state()
    assert reason(model, "1", torch.randn(6, 1, 8, 8, generator=torch.Generator().manual_seed(0))) is None
    assert torch.equal(torch.get_rng_state(), random_state)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.children()] == [False, True]


def test_looking_leaves_no_trace():
    model = nn.Sequential(nn.Linear(4, 6), nn.BatchNorm1d(6), nn.Dropout(0.5), nn.Linear(6, 3))
    model.eval()[2].train()
    state = {name: value.clone() for name, value in model.state_dict().items()}
    modes = [module.training for module in model.modules()]
    model[0].weight.grad = torch.ones(6, 4)
    torch.manual_seed(1), random.seed(1), np.random.seed(1)
    before = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tobytes()
    model.requires_grad_(False)
    for frozen in (False, True):
        model[0].requires_grad_(not frozen)
        assert why_not(model, "3", batch()) is not None
    after = torch.get_rng_state(), random.getstate(), np.random.get_state()[1].tobytes()
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]
    assert all(torch.equal(value, state[name]) for name, value in model.state_dict().items())
    assert [module.training for module in model.modules()] == modes
    assert [parameter.requires_grad for parameter in model.parameters()] == [False] * 6
    assert torch.equal(model[0].weight.grad, torch.ones(6, 4))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_one_example_and_a_wrong_path_are_one_sentence():
    model = Net(Frozen(*layers()))
    with pytest.raises(InputError, match="at least two"):
        why_not(model, "head", batch(1))
    with pytest.raises(InputError, match="did you mean 'head'"):
        why_not(model, "haed", batch())
    with pytest.raises(InputError, match="fails on inputs of shape"):
        why_not(model, "head", torch.zeros(3, 5))
