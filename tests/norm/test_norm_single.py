"""A last batch of one example trains."""

import pytest
import torch
from torch import nn

from latih.norm import batch

SHAPES = [(0, (1, 4)), (1, (1, 4, 1)), (2, (1, 4, 1, 1)), (3, (1, 4, 1, 1, 1))]
TORCHS = (nn.BatchNorm1d, nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)


def seen(dims: int) -> nn.Module:
    """A norm whose running statistics are not the fresh ones."""
    torch.manual_seed(0)
    module = batch()(4, dims)
    for _ in range(5):
        module(3 * torch.randn(8, 4, *[2] * dims) + 1)
    nn.init.normal_(module.weight)
    return module


@pytest.mark.parametrize(("dims", "shape"), SHAPES)
def test_one_value_per_channel_is_normalised_with_the_running_statistics_and_leaves_them(dims, shape):
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        TORCHS[dims](4)(torch.randn(shape))  # what torch does
    module, x = seen(dims), torch.randn(shape)
    before = {key: value.clone() for key, value in module.state_dict().items()}
    got = module.train()(x)
    assert torch.equal(got, module.eval()(x))
    assert all(torch.equal(value, before[key]) for key, value in module.state_dict().items())


@pytest.mark.parametrize("dims", [0, 1, 2, 3])
def test_more_values_are_normalised_exactly_as_torch_does_it(dims):
    ours, torchs = batch()(4, dims), TORCHS[dims](4)
    for size in (2, 5) if dims == 0 else (1, 2, 5):
        x = torch.randn(size, 4, *[3, 2, 2][:dims])
        assert torch.equal(ours(x), torchs(x))
    assert all(
        torch.equal(*pair) for pair in zip(ours.state_dict().values(), torchs.state_dict().values(), strict=True)
    )


@pytest.mark.parametrize("dims", [0, 2, 3])
def test_type_printed_form_and_keys_are_torchs(dims):
    ours, torchs = batch()(4, dims), TORCHS[dims](4)
    assert isinstance(ours, TORCHS[dims])
    assert repr(ours) == repr(torchs)
    assert list(ours.state_dict()) == list(torchs.state_dict())
    torchs.load_state_dict(ours.state_dict())


def test_an_epoch_whose_last_batch_holds_one_example_trains():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 4), batch()(4), nn.ReLU(), nn.Linear(4, 1))
    weights = model[0].weight.detach().clone()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x in torch.randn(17, 3).split(8):
        optimizer.zero_grad()
        model(x).square().mean().backward()
        optimizer.step()
    assert len(x) == 1
    assert model[0].weight.grad.abs().max() > 0
    assert not torch.equal(model[0].weight, weights)
    assert model[1].num_batches_tracked == 2


def test_a_wrong_shape_is_still_torchs_error():
    with pytest.raises(ValueError, match="expected 4D input"):
        batch()(4, 2)(torch.randn(1, 4))


def test_it_exports_in_training_and_in_evaluation():
    model, x = nn.Sequential(nn.Linear(3, 4), seen(0)), torch.randn(8, 3)
    size = {"input": {0: torch.export.Dim("size", min=2)}}
    exported = torch.export.export(model.eval(), (x,), dynamic_shapes=size).module()
    torch.testing.assert_close(exported(x[:5]), model(x[:5]))
    torch.export.export(model.train(), (x,), dynamic_shapes=size)


@pytest.mark.slow
def test_a_compiled_model_takes_the_last_batch_too():
    model = nn.Sequential(nn.Linear(3, 4), seen(0))
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    for x in torch.randn(17, 3).split(8):
        got = compiled(x)
    torch.testing.assert_close(got, model.eval()(x))
    assert model[1].num_batches_tracked == 7
