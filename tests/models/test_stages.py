"""What stands in front of and behind a network: standardisation, featurising, rescaling."""

import numpy as np
import torch

from latih.models import Featurize, Rescale, Standardize, moments


def test_moments_of_batches_are_those_of_the_whole():
    rng = np.random.default_rng(0)
    x = torch.tensor(rng.normal(3e4, 2.0, (1000, 3, 4)))
    x[5, 1, 2] = float("nan")
    mean, std = moments(x.split(37), 3)
    whole = x.transpose(0, 1).reshape(3, -1).numpy()
    np.testing.assert_allclose(mean, np.nanmean(whole, axis=1), rtol=1e-12)
    np.testing.assert_allclose(std, np.nanstd(whole, axis=1), rtol=1e-9)


def test_bytes_are_counted_without_overflow():
    x = torch.full((500, 1, 8, 8), 250, dtype=torch.uint8)
    mean, std = moments(x.split(100), 1)
    assert (mean.item(), std.item()) == (250.0, 0.0)


def test_standardised_training_data_has_mean_zero_and_variance_one():
    x = (torch.rand(400, 3, 6, 6) * 255).to(torch.uint8)
    mean, std = moments(x.split(64), 3)
    z = Standardize(mean.reshape(3, 1, 1), std.reshape(3, 1, 1))(x)
    assert z.dtype == torch.float32
    torch.testing.assert_close(z.mean((0, 2, 3)), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(z.std((0, 2, 3), correction=0), torch.ones(3), atol=1e-5, rtol=0)


def test_a_constant_feature_becomes_zero_and_not_infinite():
    z = Standardize(torch.tensor([5.0]), torch.tensor([0.0]))(torch.full((3, 1), 5.0))
    assert z.tolist() == [[0.0]] * 3


def test_a_row_is_imputed_flagged_and_embedded():
    stage = Featurize(torch.tensor([10.0, 0.0]), torch.tensor([2.0, 1.0]), torch.tensor([0]), [3])
    row = torch.tensor([[12.0, 1.0, 2.0], [float("nan"), -1.0, 0.0]])
    out = stage(row)
    assert out.shape == (2, stage.width)
    assert out[:, :3].tolist() == [[1.0, 1.0, 0.0], [0.0, -1.0, 1.0]]
    torch.testing.assert_close(out[:, 3:], stage.embeddings[0].weight[[2, 0]])


def test_missing_numbers_send_no_gradient_astray():
    stage = Featurize(torch.zeros(1), torch.ones(1), torch.tensor([0]), [2])
    stage(torch.tensor([[float("nan"), 1.0]])).sum().backward()
    assert torch.isfinite(stage.embeddings[0].weight.grad).all()


def test_outputs_return_to_the_users_units():
    assert Rescale(torch.tensor([100.0]), torch.tensor([7.0]))(torch.tensor([[2.0]])).tolist() == [[114.0]]
