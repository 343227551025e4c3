"""A record is plain data: kept as JSON lines, read without torch."""

import math
import subprocess
import sys

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih._checks import InputError
from latih.watch import Record, watch


@pytest.fixture
def record():
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 3))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer=optimizer, every=4) as w:
        for step in range(10):
            x = torch.randn(8, 4) * (float("nan") if step == 9 else 1)
            F.cross_entropy(model(x), torch.randint(3, (8,))).backward()
            optimizer.step()
            optimizer.zero_grad()
        w.log(accuracy=0.5)
    return w.record


def test_what_is_saved_is_read_back(record, tmp_path):
    record.save(tmp_path / "record.jsonl")
    lines = (tmp_path / "record.jsonl").read_text().splitlines()
    assert len(lines) == 1 + len(record.samples)
    assert Record.load(tmp_path / "record.jsonl") == record


def test_it_is_read_without_torch(record, tmp_path):
    record.save(tmp_path / "record.jsonl")
    code = (
        "import sys; sys.modules['torch'] = None; from latih.watch import Record; "
        f"r = Record.load({str(tmp_path / 'record.jsonl')!r}); print(r.updates, r.losses[-1], r.origin.op)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["10", "None", "input"]


@pytest.mark.parametrize("text", ["", "not json", "[1, 2]", '{"losses": "high"}'])
def test_another_file_is_refused_in_one_sentence(text, tmp_path):
    path = tmp_path / "other.jsonl"
    path.write_text(text)
    with pytest.raises(InputError, match=r"other\.jsonl: not a record"):
        Record.load(path)


def test_every_number_is_finite_or_none(record):
    def numbers(value):
        if isinstance(value, float):
            yield value
        for one in value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else ():
            yield from numbers(one)
        if hasattr(value, "__struct_fields__"):
            for name in value.__struct_fields__:
                yield from numbers(getattr(value, name))

    found = list(numbers(record))
    assert len(found) > 100
    assert all(map(math.isfinite, found))


def test_the_facts_of_the_model_are_there(record):
    norm = record.norms[0]
    assert (norm.name, norm.kind, norm.features, norm.values, norm.after_bias) == ("1", "batch_norm", 8, 8, True)
    assert (record.batch_size, record.model, record.optimizer.name) == (8, "Sequential", "sgd")
    assert [one.name for one in record.parameters][:2] == ["0.weight", "0.bias"]
    assert all(one.reached and one.optimised and one.trainable for one in record.parameters)
    assert record.evaluations[0].values == {"accuracy": 0.5}
    assert record.evaluations[0].step == 10


def test_truth_values_as_targets_are_kept(tmp_path):
    model = nn.Linear(4, 1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    loss = BoolLoss()
    with watch(model, optimizer=optimizer, loss=loss) as w:
        loss(model(torch.randn(8, 4)), torch.arange(8)[:, None] > 2).backward()
        optimizer.step()
    w.record.save(tmp_path / "record.jsonl")
    assert Record.load(tmp_path / "record.jsonl").loss.classes == {0: 3, 1: 5}


class BoolLoss(nn.Module):
    def forward(self, output, target):
        return F.softplus(torch.where(target, -output, output)).mean()


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
@pytest.mark.parametrize("place", ["inputs", "targets"])
def test_a_record_of_data_that_are_not_finite_is_read_back(tmp_path, bad, place):
    torch.manual_seed(0)
    model = nn.Linear(4, 3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    data = {"inputs": torch.randn(16, 4), "targets": torch.randn(16, 3)}
    data[place][2, 1] = bad
    with watch(model, optimizer=optimizer) as w:
        for _ in range(3):
            optimizer.zero_grad()
            F.mse_loss(model(data["inputs"]), data["targets"]).backward()
            optimizer.step()
    w.record.save(tmp_path / "record.jsonl")
    assert Record.load(tmp_path / "record.jsonl").updates == 3
