import pytest
import torch
from torch import nn

from latih._checks import InputError
from latih.optim import Lion, Method


def test_every_weight_moves_by_the_rate():
    w = torch.zeros(5, requires_grad=True)
    w.grad = torch.tensor([1e-9, -3.0, 1e9, -1e-20, 0.0])
    Lion([w], lr=0.5).step()
    assert w.tolist() == [-0.5, 0.5, -0.5, 0.5, 0.0]


def test_one_buffer_is_kept_for_each_parameter():
    layer = nn.Linear(3, 2)
    optimizer = Lion(layer.parameters())
    layer(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    assert all(list(state) == ["momentum"] for state in optimizer.state.values())


def test_sparse_gradients_get_one_sentence():
    table = nn.Embedding(4, 2, sparse=True)
    table(torch.tensor([1])).sum().backward()
    with pytest.raises(InputError, match="Lion: gradients must be dense; build the embedding with sparse=False"):
        Lion(table.parameters()).step()


def test_a_method_is_its_update_rule():
    class Signs(Method):
        def update(self, param, grad, state, group):
            assert not torch.is_grad_enabled()
            state["count"] = state.get("count", 0) + 1
            param.sub_(grad.sign(), alpha=group["lr"])

    w = torch.ones(2, requires_grad=True)
    optimizer = Signs([w], {"lr": 0.25})

    def closure():
        optimizer.zero_grad()
        loss = (w**2).sum()
        loss.backward()
        return loss

    assert [optimizer.step(closure).item() for _ in range(3)] == [2.0, 2 * 0.75**2, 2 * 0.5**2]
    assert optimizer.state[w]["count"] == 3
    with pytest.raises(NotImplementedError):
        Method([w], {"lr": 1.0}).step()
