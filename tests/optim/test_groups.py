import pytest
import torch
from torch import nn

from latih import optim
from latih._checks import InputError
from latih.optim import decay_groups


def decayed(model):
    """The names of the parameters that weight decay is for."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    groups = decay_groups(model, 0.1)
    found = [names[id(p)] for group in groups for p in group["params"]]
    assert len(found) == len(set(found))
    assert set(found) == {name for name, p in model.named_parameters() if p.requires_grad}
    return {names[id(p)] for group in groups if group["weight_decay"] for p in group["params"]}


@pytest.mark.parametrize(
    ("layer", "expected"),
    [
        (nn.Linear(3, 4), {"weight"}),
        (nn.Bilinear(3, 4, 5), {"weight"}),
        (nn.Conv1d(3, 4, 3), {"weight"}),
        (nn.Conv2d(3, 4, 3), {"weight"}),
        (nn.ConvTranspose3d(3, 4, 3), {"weight"}),
        (nn.RNN(3, 4), {"weight_ih_l0", "weight_hh_l0"}),
        (nn.LSTM(3, 4, bidirectional=True), {f"weight_{k}_l0{r}" for k in ("ih", "hh") for r in ("", "_reverse")}),
        (nn.GRUCell(3, 4), {"weight_ih", "weight_hh"}),
        (nn.MultiheadAttention(4, 2), {"in_proj_weight", "out_proj.weight"}),
        (
            nn.MultiheadAttention(4, 2, kdim=3, vdim=5, add_bias_kv=True),
            {"q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"},
        ),
        (nn.BatchNorm1d(3), set()),
        (nn.BatchNorm3d(3), set()),
        (nn.SyncBatchNorm(3), set()),
        (nn.InstanceNorm2d(3, affine=True), set()),
        (nn.LayerNorm((3, 4)), set()),
        (nn.GroupNorm(2, 4), set()),
        (nn.RMSNorm((3, 4)), set()),
        (nn.Embedding(3, 4), set()),
        (nn.EmbeddingBag(3, 4), set()),
        (nn.PReLU(3), set()),
        (nn.ParameterList([torch.zeros(3), torch.zeros(3, 3)]), {"1"}),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, nn.Module) else "",
)
def test_decay_is_for_weights_that_multiply_a_signal(layer, expected):
    assert decayed(layer) == expected


def test_two_groups_and_every_parameter_once():
    model = nn.Sequential(nn.Embedding(9, 4), nn.Linear(4, 4), nn.LayerNorm(4), nn.Linear(4, 2))
    assert decayed(model) == {"1.weight", "3.weight"}
    assert [len(group["params"]) for group in decay_groups(model, 0.1)] == [2, 5]


def test_without_decay_there_is_one_group():
    model = nn.Sequential(nn.Linear(4, 4), nn.LayerNorm(4))
    (group,) = decay_groups(model, 0.0)
    assert group["weight_decay"] == 0.0
    assert [id(p) for p in group["params"]] == [id(p) for p in model.parameters()]


def test_an_empty_group_is_left_out():
    assert len(decay_groups(nn.Linear(2, 2, bias=False), 0.1)) == 1
    assert len(decay_groups(nn.LayerNorm(2), 0.1)) == 1


def test_a_shared_parameter_comes_once_and_its_spared_role_wins():
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.head = nn.Linear(4, 9)
            self.table = nn.Embedding(9, 4)
            self.table.weight = self.head.weight

    assert decayed(Tied()) == set()


def test_frozen_parameters_are_left_out():
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    model[0].requires_grad_(False)
    assert decayed(model) == {"1.weight"}


def test_a_lazy_model_gets_one_sentence():
    model = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    with pytest.raises(InputError, match=r"^Sequential: 1 has no weights before its first batch; call the model"):
        optim.sgd()(model)


def test_bare_parameters_are_all_decayed():
    groups = optim.adamw(weight_decay=0.2)(nn.Linear(2, 2).parameters()).param_groups
    assert [group["weight_decay"] for group in groups] == [0.2]
