"""Where no rate helps, the search says so; what it says of how it ended is what happened."""

import xml.etree.ElementTree as ElementTree

import msgspec
import pytest
import torch
from lr_problems import digits, mlp, prices, regressor
from torch import nn
from torch.nn.functional import mse_loss
from torch.utils.data import DataLoader, TensorDataset

from latih import InputError, find_lr, optim
from latih.data import as_examples
from latih.data.augment import none
from latih.heal.lr._batches import draw


def test_a_loss_that_is_nan_from_the_first_step_has_no_rate():
    finding = find_lr(mlp(), digits()[0], loss=lambda output, target: output.sum() * float("nan"))
    assert finding.lr is None
    assert finding.groups == ()
    assert finding.stopped == "the loss is nan before the first update: no rate helps."
    assert "no learning rate found" in str(finding)
    ElementTree.fromstring(finding.svg())


class Rooted(nn.Linear):
    """The slope of a root at zero is infinite."""

    def forward(self, x):
        return super().forward(x) + self.weight.sum().sqrt()


def test_a_loss_that_is_nan_after_any_update_has_no_rate():
    model = Rooted(64, 10)
    nn.init.zeros_(model.weight)
    finding = find_lr(model, digits()[0])
    assert finding.lr is None
    assert finding.stopped.startswith("the loss never fell, and diverged at")


def test_a_network_at_its_optimum_has_no_rate():
    x = torch.randn(600, 5, generator=torch.Generator().manual_seed(0))
    y = x.sum(1, keepdim=True) + torch.randn(600, 1, generator=torch.Generator().manual_seed(1))
    model = nn.Linear(5, 1)
    with torch.no_grad():
        solution = torch.linalg.lstsq(torch.cat([x, torch.ones(600, 1)], 1), y).solution
        model.weight.copy_(solution[:5].T)
        model.bias.copy_(solution[5])
    for optimizer in ("sgd()", "adam()"):
        finding = find_lr(model, (x, y), optimizer=optimizer)
        assert finding.lr is None, finding
        assert "no rate helps" in finding.stopped


def test_labels_that_have_nothing_to_do_with_inputs_promise_nothing():
    x = torch.randn(600, 20, generator=torch.Generator().manual_seed(0))
    y = torch.randint(2, (600,), generator=torch.Generator().manual_seed(1))
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 2))
    finding = find_lr(model, (x, y))
    if finding.lr is None:
        assert "no rate helps" in finding.stopped
    else:  # a new network may gain by saying less
        assert finding.kept.loss > 0.67


def test_a_sweep_that_reaches_its_end_says_so():
    finding = find_lr(mlp(), digits()[0], high=1e-2, optimizer="sgd()")
    assert finding.stopped == "the sweep reached the highest rate, 0.01."
    assert max(one.lr for one in finding.candidates) <= 1e-2
    never = find_lr(mlp(), digits()[0], high=1e-6, optimizer="sgd()")
    assert never.lr is None
    assert never.stopped == "the loss never fell up to 1e-06: no rate helps."


def test_a_sweep_that_diverges_says_where_and_begins_lower_where_that_is_at_once():
    finding = find_lr(mlp(), digits()[0], optimizer="sgd()")
    assert finding.stopped == f"the loss diverged at {finding.rates[-1]:.2g}."
    (x, y), _ = prices()
    huge = find_lr(regressor(), (x * 1000, y), optimizer="sgd()")
    assert huge.rates[0] < 1e-12
    assert huge.lr is None or huge.lr < 1e-6


def test_what_was_kept_is_one_of_the_candidates_and_none_is_clearly_better():
    finding = find_lr(mlp(), digits()[0], optimizer="adam()")
    assert finding.kept in finding.candidates
    lowest = min(one.loss for one in finding.candidates)
    assert finding.start - finding.kept.loss >= 0.8 * (finding.start - lowest)
    assert len(finding.candidates) >= 3


def test_the_proportions_between_groups_are_kept():
    model = mlp()
    groups = [{"params": model[0].parameters(), "lr": 1e-3}, {"params": model[2].parameters(), "lr": 1e-2}]
    live = torch.optim.SGD(groups)
    finding = find_lr(model, digits()[0], optimizer=live)
    assert finding.groups[1] == pytest.approx(10 * finding.groups[0])
    assert [group["lr"] for group in live.param_groups] == [1e-3, 1e-2]
    assert len(str(finding).split("rates of the groups: ")[1].split("\n")[0].split(", ")) == 2


def test_the_rate_an_optimizer_comes_with_does_not_matter():
    train = tuple(part[:300] for part in digits()[0])
    spec, live = optim.sgd(lr=7.0), torch.optim.SGD(mlp().parameters(), lr=1e-5)
    model = mlp()
    live = torch.optim.SGD(model.parameters(), lr=1e-5)
    assert find_lr(model, train, optimizer=spec).lr == find_lr(model, train, optimizer=live).lr


def test_twenty_examples_are_enough_and_it_is_said_what_judged_them():
    x, y = (part[:20] for part in digits()[0])
    finding = find_lr(mlp(), (x, y), optimizer="sgd()")
    assert finding.lr is not None
    assert "too few to hold some out" in finding.notes[0]


def test_a_loader_a_data_set_and_arrays_are_all_taken():
    x, y = digits()[0]
    pairs = TensorDataset(x, y)
    rates = [
        find_lr(mlp(), one, optimizer="sgd()").lr
        for one in (pairs, (x.numpy(), y.numpy()), DataLoader(pairs, batch_size=32, shuffle=True))
    ]
    assert rates[0] == rates[1]
    assert rates[1] / 4 < rates[2] < rates[1] * 4
    assert find_lr(mlp(), DataLoader(pairs, batch_size=len(pairs)), optimizer="sgd()", steps=60).lr is not None


def test_a_loader_that_does_not_shuffle_is_judged_on_all_of_its_pass():
    x, y = digits()[0]
    ordered = y.argsort(stable=True)
    loader = DataLoader(TensorDataset(x[ordered], y[ordered]), batch_size=32)
    batches = draw(as_examples(loader), None, batch_size=32, count=150, seed=0, augment=none())
    assert len(torch.cat([targets for _, targets in batches.probe]).unique()) >= 4
    assert len(torch.cat([targets for _, targets in batches.held]).unique()) >= 8


def test_what_is_held_out_is_not_trained_on_and_batches_repeat_in_new_orders():
    x = torch.arange(100.0).view(100, 1)
    for source in ((x, x), DataLoader(TensorDataset(x, x), batch_size=5, shuffle=True)):
        batches = draw(as_examples(source), None, batch_size=5, count=60, seed=0, augment=none())
        trained, held = (
            set(torch.cat([y for _, y in part]).flatten().tolist()) for part in (batches.train, batches.held)
        )
        assert len(held) == 20
        assert trained == set(map(float, range(100))) - held
        assert len(batches.train) == 60
        assert [y.tolist() for _, y in batches.train[:16]] != [y.tolist() for _, y in batches.train[16:32]]


def test_rates_outside_of_the_range_are_not_tried():
    finding = find_lr(mlp(), digits()[0], optimizer="sgd()", low=0.05, high=0.5)
    assert all(0.05 <= one.lr <= 0.5 for one in finding.candidates)
    assert finding.lr is not None


def test_validation_data_judges_where_it_is_given():
    (x, y), (x_valid, y_valid) = digits()
    valid = DataLoader(TensorDataset(x_valid, y_valid), batch_size=20)
    right = find_lr(mlp(), (x, y), valid=valid, steps=60)
    wrong = find_lr(mlp(), (x, y), valid=(x_valid, (y_valid + 5) % 10), steps=60)
    assert right.lr is not None
    assert wrong.lr is None


def test_the_picture_fits_a_terminal_and_the_rest_is_plain():
    for optimizer in ("sgd()", "adam()"):
        finding = find_lr(mlp(), digits()[0], optimizer=optimizer)
        text = str(finding)
        assert max(map(len, text.split("\n"))) <= 80
        assert f"▲ {finding.lr:g}" in text or f"{finding.lr:g} ▲" in text
        assert "<- kept" in text
        assert msgspec.json.decode(msgspec.json.encode(finding.to_dict()))["lr"] == finding.lr
        ElementTree.fromstring(finding.svg())


X, Y = torch.randn(40, 5), torch.arange(40) % 2
WRONG = {
    "no model": (dict(model=7), r"find_lr\(model=int\)"),
    "a frozen model": (dict(model=nn.Linear(5, 2).requires_grad_(False)), "no parameter that may be trained"),
    "lazy layers": (dict(model=nn.LazyLinear(2)), "lazy"),
    "a model that does not fit": (dict(model=nn.Linear(7, 2)), r"shape \(32, 5\) fails"),
    "an unknown optimizer": (dict(optimizer="sdg()"), "did you mean 'sgd'"),
    "no optimizer": (dict(optimizer=3), r"find_lr\(optimizer=int\)"),
    "somebody else's optimizer": (dict(optimizer=torch.optim.SGD([nn.Parameter(X)])), r"^find_lr\(.*no parameter"),
    "an optimizer with a closure": (
        dict(model=(net := nn.Linear(5, 2)), optimizer=torch.optim.LBFGS(net.parameters())),
        "closure",
    ),
    "an unknown loss": (dict(loss="crossentropy"), r"^find_lr\(.*did you mean 'cross_entropy'"),
    "a loss for numbers on classes": (dict(loss="mse"), "these are classes"),
    "targets that would broadcast": (dict(model=nn.Linear(5, 1), train=(X, X[:, 0])), "broadcast"),
    "a loss of many numbers": (dict(loss=lambda o, t: o), "one number"),
    "no data": (dict(train=7), "int is no data"),
    "too few": (dict(train=(X[:3], Y[:3])), "at least 4"),
    "a range upside down": (dict(low=1.0, high=0.1), "low must be below high"),
    "no rate": (dict(low=0), "number above 0"),
    "few steps": (dict(steps=5), "at least 20"),
    "no batch": (dict(batch_size=0), "at least 1"),
}


@pytest.mark.parametrize("case", WRONG)
def test_a_mistake_is_one_sentence(case):
    options, sentence = WRONG[case]
    with pytest.raises(InputError, match=sentence) as caught:
        find_lr(**{"model": nn.Linear(5, 2), "train": (X, Y)} | options)
    assert "\n" not in str(caught.value)


def test_a_loss_is_found_where_targets_are_numbers():
    train, _ = prices()
    assert find_lr(regressor(), train).lr == find_lr(regressor(), train, loss=mse_loss).lr
