"""latih.train takes what users have, and says in one sentence what does not fit."""

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

import latih
from latih import InputError
from latih.train import Recipe

X = np.random.default_rng(0).normal(size=(96, 5))
Y = (X[:, 0] > 0).astype(int)


def net(outputs=2):
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 12), nn.ReLU(), nn.Linear(12, outputs))


def train(model=None, data=(X, Y), recipe=None, **options):
    return latih.train(model or net(), data, recipe=recipe or Recipe(epochs=6, lr=0.2), progress=False, **options)


def tensors():
    return torch.tensor(X, dtype=torch.float32), torch.tensor(Y)


@pytest.mark.parametrize("source", ["arrays", "tensors", "dataset", "loader"])
def test_arrays_tensors_data_sets_and_loaders_train_alike(source):
    data = {
        "arrays": (X, Y),
        "tensors": tensors(),
        "dataset": TensorDataset(*tensors()),
        "loader": DataLoader(TensorDataset(*tensors()), batch_size=32),
    }[source]
    run = train(data=data, valid=data)
    assert run.summary["kept"]["valid_accuracy"] > 0.8
    assert run.summary["updates"] == 18


def test_a_regression_needs_no_settings():
    y = (X[:, :1] * 3).astype(np.float64)
    run = train(net(1), (X, y), valid=(X, y), recipe=Recipe(epochs=30, lr=0.05))
    assert run.summary["kept"]["valid_rmse"] < 1.0


def test_the_seed_decides_the_initial_weights_whatever_the_callers_random_state():
    def weights(state):
        model = net()
        torch.manual_seed(state)
        train(model, recipe=Recipe(epochs=1, init="he()", lr=1e-9, schedule="constant()"))
        return model[0].weight

    assert torch.equal(weights(1), weights(2))


def test_a_shuffling_loader_leaves_the_callers_random_state_alone():
    loader = DataLoader(TensorDataset(*tensors()), batch_size=32, shuffle=True)
    model = net()
    before = torch.get_rng_state()
    train(model, loader, Recipe(epochs=1))
    assert torch.equal(torch.get_rng_state(), before)


def test_r2_of_a_single_validation_example_is_unknown_and_not_an_error():
    y = X[:, :1] * 3
    run = train(net(1), (X, y), valid=(X[:1], y[:1]), recipe=Recipe(epochs=2, metric="r2", watch="loss"))
    assert np.isnan(run.history.column("valid_r2")).all()
    assert np.isfinite(run.history.column("train_r2")).all()


def test_the_weights_are_left_as_safetensors(tmp_path):
    run = train(out=tmp_path / "run")
    weights = load_file(tmp_path / "run/model.safetensors")
    for name, value in run.model.state_dict().items():
        assert torch.equal(weights[name], value)


def test_notation_and_a_named_set_train_together(tmp_path):
    np.savez(tmp_path / "toy.npz", x=X.astype(np.float32), y=Y)
    run = latih.train(
        "mlp(depth=1, width=8)", tmp_path / "toy.npz", recipe=Recipe(epochs=2), out=tmp_path / "run", progress=False
    )
    assert (tmp_path / "run/model.json").exists()
    assert run.history.rows


def test_a_module_and_data_by_path_get_standardisation_and_no_card(tmp_path):
    np.savez(tmp_path / "toy.npz", x=(X * 1000 + 5).astype(np.float32), y=Y)
    run = train(data=tmp_path / "toy.npz", recipe=Recipe(epochs=20, lr=0.05), out=tmp_path / "run")
    assert run.summary["kept"]["valid_accuracy"] > 0.8
    assert not (tmp_path / "run/model.json").exists()
    with pytest.raises(InputError, match="only that code can rebuild it"):
        latih.train.predict(tmp_path / "run", tmp_path / "toy.npz")


WRONG = {
    "lengths differ": (dict(data=(X, Y[:-1])), "96.*95|equal"),
    "labels out of range": (dict(data=(X, Y + 5)), r"labels run from 5 to 6 and the model has 2 outputs"),
    "negative labels": (dict(data=(X, Y - 1)), r"labels run from -1 to 0"),
    "a model that does not fit": (dict(model=nn.Linear(7, 2)), r"the model fails on a batch of shape \(32, 5\)"),
    "a model without parameters": (dict(model=nn.ReLU()), "no parameter that may be trained"),
    "a frozen model": (dict(model=net().requires_grad_(False)), "no parameter that may be trained"),
    "targets that would broadcast": (dict(model=net(1), data=(X, X[:, 0])), r"shape \(32, 1\) and the targets \(32,\)"),
    "a batch larger than the set": (dict(recipe=Recipe(batch_size=97)), "only 96 examples to train on"),
    "a loss of many numbers": (dict(loss=lambda o, t: o), "one number for a batch"),
    "a loss that raises": (dict(loss=nn.L1Loss()), "the loss fails on outputs"),
    "an unknown loss": (dict(loss="crossentropy"), "did you mean 'cross_entropy'"),
    "a loss for numbers on classes": (dict(loss="mse"), "these are classes"),
    "an unknown metric": (dict(recipe=Recipe(metric="acuracy")), "did you mean 'accuracy'"),
    "a metric for numbers on classes": (dict(recipe=Recipe(metric="rmse")), "does not fit these targets"),
    "no data": (dict(data=7), "int is no data"),
    "objects": (dict(data=(np.array([["a"]] * 96), Y)), "encode it as numbers"),
    "an unknown device": (dict(recipe=Recipe(device="gpu")), "choose cpu, cuda"),
    "an unknown method": (dict(optimizer="adamm()"), "did you mean 'adam'"),
    "an unknown argument": (dict(optimizer="adam(learning=1)"), "its signature is adam"),
    "a negative rate": (dict(optimizer="adam(lr=-1)"), r"adam\(lr=-1\): lr must be a number above 0"),
    "arrays with notation for a model": (dict(model="mlp()"), "needs data by name or path"),
}


@pytest.mark.parametrize("case", WRONG, ids=str)
def test_a_mistake_is_one_sentence_before_the_first_step(case, tmp_path):
    options, sentence = WRONG[case]
    with pytest.raises(InputError, match=sentence) as caught:
        train(out=tmp_path / "run", **options)
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "run").exists() or not list((tmp_path / "run").iterdir())


def test_a_dataset_may_give_its_classes_as_plain_numbers():
    class Signs(torch.utils.data.Dataset):
        x = torch.linspace(-1, 1, 40).reshape(40, 1)

        def __len__(self):
            return len(self.x)

        def __getitem__(self, index):
            return self.x[index], int(self.x[index] > 0)

    run = latih.train(nn.Linear(1, 2), Signs(), recipe=Recipe(epochs=1), progress=False)
    assert run.summary["updates"] == 2
