"""A step never waits for the device."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch._subclasses.fake_tensor import DataDependentOutputException, FakeTensorMode

from latih import clip, schedules
from latih._notation import build, names
from latih.train import Step


@pytest.mark.parametrize("cut", [name for name in names("clip") if name != "auto"])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_no_number_is_read_back_while_stepping(cut, accumulate):
    """Fake tensors have no numbers: whoever asks for one fails."""
    with FakeTensorMode():
        model = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, nesterov=True)
        schedule = schedules.warmup(3) >> schedules.cosine(5)
        step = Step(model, F.cross_entropy, optimizer, schedule, build("clip", cut), accumulate)
        for _ in range(4):
            step(torch.randn(12, 6), torch.randint(3, (12,)))
        assert step.count == 4
        with pytest.raises(DataDependentOutputException):
            float(step.loss)


def test_the_proof_can_fail():
    with FakeTensorMode():
        model = nn.Linear(6, 3)
        step = Step(
            model, F.cross_entropy, torch.optim.SGD(model.parameters(), lr=0.1), schedules.constant(), clip.none()
        )
        step.notify = lambda event: float(step.loss)
        with pytest.raises(DataDependentOutputException):
            step(torch.randn(12, 6), torch.randint(3, (12,)))
