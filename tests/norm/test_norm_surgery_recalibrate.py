"""Running statistics recomputed from data."""

import pytest
import torch
from torch import Tensor, nn

from latih._checks import InputError
from latih.norm import batch, pinned, recalibrate, unpinned


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(3, 4), nn.BatchNorm1d(4, momentum=0.3), nn.ReLU(), nn.Dropout(0.5), nn.Linear(4, 5), batch()(5)
    ).double()


def loader(count: int = 6, size: int = 8) -> list[tuple[Tensor, Tensor]]:
    torch.manual_seed(1)
    return [(3 * torch.randn(size, 3).double() + 1, torch.zeros(size)) for _ in range(count)]


def means_by_hand(model: nn.Sequential, batches: list[tuple[Tensor, Tensor]]) -> tuple[list[Tensor], list[Tensor]]:
    """Mean and unbiased variance in front of both norms, averaged over batches, dropout off."""
    first = [model[0](x) for x, _ in batches]
    normed = [nn.functional.batch_norm(z, None, None, model[1].weight, model[1].bias, True) for z in first]
    second = [model[4](z.relu()) for z in normed]
    means = [torch.stack([z.mean(0) for z in zs]).mean(0) for zs in (first, second)]
    return means, [torch.stack([z.var(0) for z in zs]).mean(0) for zs in (first, second)]


@pytest.mark.parametrize("batches", [None, 2])
def test_each_statistic_becomes_the_mean_over_the_batches(batches):
    model = network()
    model(loader()[0][0] * 100)  # whatever was there before does not count
    assert recalibrate(model, loader(), batches) == ["1", "5"]
    means, variances = means_by_hand(model, loader()[:batches])
    for norm, mean, variance in zip((model[1], model[5]), means, variances, strict=True):
        torch.testing.assert_close(norm.running_mean, mean)
        torch.testing.assert_close(norm.running_var, variance)
        assert norm.num_batches_tracked == (batches or 6)


def test_weights_gradients_modes_and_momenta_stay():
    model = network()
    model[1].eval()
    before = [parameter.detach().clone() for parameter in model.parameters()]
    modes = [module.training for module in model.modules()]
    recalibrate(model, loader())
    assert [module.training for module in model.modules()] == modes
    assert (model[1].momentum, model[5].momentum) == (0.3, 0.1)
    assert all(torch.equal(*pair) for pair in zip(before, model.parameters(), strict=True))
    assert all(parameter.grad is None for parameter in model.parameters())


def test_stale_statistics_after_averaging_are_put_right():
    model, x = network(), torch.cat([x for x, _ in loader()])
    with torch.no_grad():
        model[0].weight.mul_(10)  # as an averaged or rescaled weight would
    stale = model.eval()(x).var(0)
    recalibrate(model, [x])
    torch.testing.assert_close(model.eval()(x).var(0, unbiased=True), torch.ones(5).double(), rtol=0.05, atol=0)
    assert not torch.allclose(stale, torch.ones(5).double(), rtol=0.1)


def test_pinned_norms_keep_their_statistics_and_the_mode_they_remember():
    model = pinned(network().train(), where="1")
    before = model[1].running_mean.clone()
    assert recalibrate(model, loader()) == ["5"]
    assert torch.equal(model[1].running_mean, before)
    assert not model[1].training
    assert unpinned(model)[1].training


@pytest.mark.parametrize("batches", [[], [(torch.randn(8, 3).double(), None), (torch.randn(8, 7).double(), None)]])
def test_a_loader_that_gives_nothing_or_fails_leaves_everything_as_it_was(batches):
    model = network()
    model(loader()[0][0])
    before = [buffer.clone() for buffer in model.buffers()]
    modes = [module.training for module in model.modules()]
    with pytest.raises((InputError, RuntimeError), match=r"gave no batch; pass the training data|shapes cannot"):
        recalibrate(model, batches)
    assert all(torch.equal(*pair) for pair in zip(before, model.buffers(), strict=True))
    assert [module.training for module in model.modules()] == modes
    assert model[1].momentum == 0.3


def test_a_model_without_batch_norm_has_nothing_to_recalibrate():
    assert recalibrate(nn.Sequential(nn.Linear(3, 3), nn.LayerNorm(3)), loader()) == []


def test_no_batches_are_refused():
    with pytest.raises(InputError, match=r"recalibrate\(batches=0\): batches must be at least 1; leave it out"):
        recalibrate(network(), loader(), 0)
