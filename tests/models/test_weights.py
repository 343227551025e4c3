"""Pretrained weights: what is copied by name and shape, what is reported, what is refused with the model untouched."""

import json
import pickle

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from latih import InputError
from latih.models import Loaded, load_weights


def net(outputs=3, seed=0):
    torch.manual_seed(seed)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, outputs))


def weights(**options):
    return {name: value.clone() for name, value in net(seed=1, **options).state_dict().items()}


def renamed(state, before):
    return {before + name: value for name, value in state.items()}


def snapshot(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def refused(model, source, **options):
    """The sentence, after making sure that the model is bit-identical."""
    before, mode = snapshot(model), model.training
    with pytest.raises(InputError) as caught:
        load_weights(model, source, **options)
    assert same(before, model.state_dict())
    assert model.training is mode
    return str(caught.value)


SAVED = {
    "weights.safetensors": save_file,
    "weights.pt": torch.save,
    "weights.pth": torch.save,
    "weights.bin": torch.save,
    "weights.ckpt": lambda state, path: torch.save({"epoch": 3, "state_dict": state, "optimizer": {"lr": 0.1}}, path),
}


@pytest.mark.parametrize("name", SAVED)
@pytest.mark.parametrize("kind", [str, lambda path: path], ids=["str", "Path"])
def test_a_file_of_every_kind_fills_the_model(tmp_path, name, kind):
    SAVED[name](weights(), tmp_path / name)
    model = net()
    report = load_weights(model, kind(tmp_path / name))
    assert same(model.state_dict(), weights())
    assert str(report) == "loaded 9 of 9 tensors"
    assert report == Loaded(tuple(weights()), (), (), (), "")


def test_a_dict_of_tensors_fills_the_model_and_is_not_shared_with_it():
    model, source = net(), weights()
    load_weights(model, source)
    with torch.no_grad():
        model[0].weight.add_(1.0)
    assert same(source, weights())


@pytest.mark.parametrize("key", ["state_dict", "model", "model_state_dict"])
def test_a_nested_state_dict_is_found(key):
    model = net()
    load_weights(model, {"epoch": torch.tensor(3), key: weights(), "optimizer": {"state": {}}})
    assert same(model.state_dict(), weights())


def test_a_state_dict_nested_twice_is_found():
    model = net()
    load_weights(model, {"model": {"state_dict": weights(), "step": 5}})
    assert same(model.state_dict(), weights())


def test_a_sharded_index_is_read_whole(tmp_path):
    shards = {"a.safetensors": ["0.weight", "0.bias"], "b.safetensors": list(weights())[2:]}
    for file, names in shards.items():
        save_file({name: weights()[name] for name in names}, tmp_path / file)
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {name: file for file, names in shards.items() for name in names}}))
    model = net()
    load_weights(model, index)
    assert same(model.state_dict(), weights())


@pytest.mark.parametrize(
    ("shard", "says"),
    [("../a.safetensors", "beside the index"), ("/a.safetensors", "beside the index"), ("b.pt", "beside the index"),
     (3, "beside the index"), ("absent.safetensors", "no such file")],
)  # fmt: skip
def test_an_index_that_points_elsewhere_is_refused(tmp_path, shard, says):
    index = tmp_path / "model.safetensors.index.json"
    index.write_text(json.dumps({"weight_map": {"0.weight": shard}}))
    assert says in refused(net(), index)


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"weight_map": 3}', '{"weight_map": {"a": {}}}', "[" * 100_000])
def test_an_index_that_is_none_is_refused(tmp_path, text):
    (tmp_path / "model.safetensors.index.json").write_text(text)
    assert "an index with a weight_map" in refused(net(), tmp_path / "model.safetensors.index.json")


PREFIXES = ["module.", "_orig_mod.", "model.", "backbone.", "encoder.", "module._orig_mod.model.", "anything.at.all."]


@pytest.mark.parametrize("prefix", PREFIXES)
def test_a_wrapper_s_prefix_is_left_out_and_reported(prefix):
    model = net()
    report = load_weights(model, renamed(weights(), prefix))
    assert same(model.state_dict(), weights())
    assert report.prefix == prefix
    assert str(report) == f"loaded 9 of 9 tensors; the file's names taken without {prefix!r}"


def test_a_prefix_is_added_where_the_model_has_it():
    model = nn.ModuleDict({"backbone": net(), "head": nn.Linear(3, 2)})
    report = load_weights(model, weights())
    assert same(model["backbone"].state_dict(), weights())
    assert report.prefix == "-> backbone."
    assert report.missing == ("head.weight", "head.bias")
    assert "taken with 'backbone.' before them; not in the file: head.weight, head.bias" in str(report)


def test_one_prefix_is_exchanged_for_another():
    model = nn.ModuleDict({"backbone": net()})
    report = load_weights(model, renamed(weights(), "module.encoder."))
    assert same(model["backbone"].state_dict(), weights())
    assert report.prefix == "module.encoder. -> backbone."
    assert "without 'module.encoder.' and with 'backbone.' before them" in str(report)


def test_a_prefix_that_both_sides_share_is_not_made_a_change():
    model = nn.ModuleDict({"net": net()})
    assert load_weights(model, renamed(weights(), "net.")).prefix == ""
    assert load_weights(model, renamed(weights(), "module.net.")).prefix == "module."


def test_a_wrapped_model_is_looked_through():
    model = net()
    report = load_weights(nn.DataParallel(model), weights())
    assert same(model.state_dict(), weights())
    assert report.prefix == ""


def test_two_copies_in_one_file_are_asked_about_and_named_by_the_user():
    other = {name: value + 1 for name, value in weights().items()}
    both = renamed(weights(), "student.") | renamed(other, "teacher.")
    model = net()
    assert "2 prefixes match equally well, 9 tensors each ('student.', 'teacher.')" in refused(model, both)
    report = load_weights(model, both, prefix="teacher.")
    assert same(model.state_dict(), other)
    assert report.unexpected == tuple(renamed(weights(), "student."))


@pytest.mark.parametrize("prefix", ["module.encoder. -> backbone.", "module.encoder->backbone"])
def test_a_prefix_given_is_the_one_used(prefix):
    model = nn.ModuleDict({"backbone": net()})
    load_weights(model, renamed(weights(), "module.encoder."), prefix=prefix)
    assert same(model["backbone"].state_dict(), weights())


@pytest.mark.parametrize("prefix", ["", "module", "backbone."])
def test_a_prefix_given_that_does_not_fit_is_not_replaced_by_a_better_one(prefix):
    assert "wrong checkpoint" in refused(net(), renamed(weights(), "module.encoder."), prefix=prefix)


def test_a_head_of_another_shape_stays_as_it_was_and_is_reported():
    model = net(outputs=10)
    head = snapshot(model[3])
    report = load_weights(model, weights())
    assert same(model[3].state_dict(), head)
    assert torch.equal(model[0].weight, weights()["0.weight"])
    assert report.reshaped == (("3.weight", (3, 16), (10, 16)), ("3.bias", (3,), (10,)))
    assert str(report) == (
        "loaded 7 of 9 tensors; of another shape, left as they were: 3.weight (3, 16) -> (10, 16), 3.bias (3,) -> (10,)"
    )


def test_what_only_one_side_has_is_reported_a_few_names_each():
    source = weights() | {f"extra.{number}": torch.zeros(1) for number in range(5)} | {"note": "text"}
    del source["3.bias"]
    report = load_weights(net(), source)
    assert report.missing == ("3.bias",)
    assert report.unexpected == (*(f"extra.{number}" for number in range(5)), "note")
    assert str(report) == (
        "loaded 8 of 9 tensors; not in the file: 3.bias; "
        "not in the model: extra.0, extra.1, extra.2 and 3 more"
    )  # fmt: skip


def test_counts_of_batches_may_be_missing_without_a_word():
    source = weights()
    del source["1.num_batches_tracked"]
    assert str(load_weights(net(), source)) == "loaded 8 of 8 tensors"


def test_a_tied_weight_needs_only_one_of_its_names():
    model = nn.ModuleDict({"table": nn.Embedding(9, 4), "head": nn.Linear(4, 9, bias=False)})
    model["head"].weight = model["table"].weight
    report = load_weights(model, {"table.weight": torch.ones(9, 4)})
    assert report.missing == ()
    assert model["head"].weight is model["table"].weight
    assert model["head"].weight.eq(1).all()


def test_the_model_keeps_its_dtype_its_parameters_and_its_mode():
    model = net().bfloat16().eval()
    before = dict(model.named_parameters())
    model[0].weight.requires_grad_(False)
    load_weights(model, weights())
    after = dict(model.named_parameters())
    assert all(after[name] is before[name] for name in before)
    assert {value.dtype for value in after.values()} == {torch.bfloat16}
    assert torch.equal(model[0].weight, weights()["0.weight"].bfloat16())
    assert not model.training
    assert not model[0].weight.requires_grad
    assert model[3].weight.requires_grad


def test_a_file_of_half_precision_fills_a_model_of_full_precision():
    model = net()
    load_weights(
        model, {name: value.half() if value.is_floating_point() else value for name, value in weights().items()}
    )
    assert model[0].weight.dtype == torch.float32
    assert torch.equal(model[0].weight, weights()["0.weight"].half().float())


def test_the_wrong_checkpoint_is_refused_with_names_of_both_sides():
    sentence = refused(net(), {"conv.kernel": torch.zeros(3, 3), "0.weight": torch.zeros(5, 5)})
    assert "wrong checkpoint" in sentence
    assert "it has conv.kernel, 0.weight, the model has 0.weight, 0.bias, 1.weight and 6 more" in sentence
    assert "of another shape: 0.weight (5, 5) -> (16, 8)" in sentence


def test_chance_matches_are_no_reason_to_speak_of_prefixes():
    other = {f"block{number}.norm.bias": torch.zeros(16) for number in range(4)}
    model = nn.ModuleDict(
        {f"stage{number}": nn.ModuleDict({"norm": nn.LayerNorm(16), "up": nn.Linear(16, 99)}) for number in range(9)}
    )
    assert "wrong checkpoint" in refused(model, other | {f"x{number}": torch.zeros(7) for number in range(9)})


def test_less_than_half_is_refused_unless_asked_for():
    model, few = net(), {"3.weight": torch.ones(3, 16), "3.bias": torch.zeros(3)}
    sentence = refused(model, few)
    assert "only 22.5% of the model's weights are in it, 2 of 8 tensors" in sentence  # 51 of 227 numbers
    assert "partial=True" in sentence
    body = snapshot(model[:3])
    load_weights(model, few, partial=True)
    assert model[3].weight.eq(1).all()
    assert same(model[:3].state_dict(), body)


def test_half_is_counted_in_numbers_not_in_tensors():
    assert load_weights(net(), {"0.weight": torch.ones(16, 8)}).loaded == ("0.weight",)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt"])
@pytest.mark.parametrize("share", [0.0, 0.05, 0.5, 0.98])
def test_a_truncated_file_is_refused(tmp_path, name, share):
    SAVED[name](weights(), tmp_path / name)
    content = (tmp_path / name).read_bytes()
    (tmp_path / name).write_bytes(content[: int(len(content) * share)])
    assert ("cut off" if share else "is empty") in refused(net(), tmp_path / name)


@pytest.mark.parametrize("name", ["weights.safetensors", "weights.pt", "weights.bin"])
@pytest.mark.parametrize("content", [b"hello", b"\xff" * 100, b"\x80\x02}q\x00X\xff", b"PK\x03\x04", b"\x00" * 64])
def test_a_file_that_is_no_checkpoint_is_refused(tmp_path, name, content):
    (tmp_path / name).write_bytes(content)
    sentence = refused(net(), tmp_path / name)
    assert "\n" not in sentence
    assert "cannot be read as" in sentence or "more than tensors" in sentence


class Trap:
    """What an attacker would pickle."""

    def __reduce__(self):
        return print, ("this code has run",)


def test_a_pickle_that_could_run_code_is_refused_and_does_not_run(tmp_path, capsys):
    torch.save({"0.weight": Trap()}, tmp_path / "zip.pt")
    (tmp_path / "plain.pt").write_bytes(pickle.dumps({"0.weight": Trap()}))
    torch.save(net(), tmp_path / "module.pt")
    for name, says in {"zip": "print", "plain": "more than tensors", "module": "torch.nn.modules.container"}.items():
        sentence = refused(net(), tmp_path / f"{name}.pt")
        assert says in sentence
        assert "could run code; where you trust it" in sentence
        assert "safetensors.torch.save_file" in sentence
        assert "\n" not in sentence
    assert "this code has run" not in capsys.readouterr().out


def test_a_git_lfs_pointer_is_named_as_such(tmp_path):
    pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:1234\nsize 77\n"
    for name in ("model.safetensors", "model.bin", "model.safetensors.index.json"):
        (tmp_path / name).write_text(pointer)
        assert "Git LFS pointer" in refused(net(), tmp_path / name)


def test_no_file_a_folder_and_an_unknown_ending_are_refused(tmp_path):
    assert "no such file" in refused(net(), tmp_path / "absent.safetensors")
    assert "this is a folder; name the file." in refused(net(), tmp_path)
    save_file(weights(), tmp_path / "model.safetensors")
    assert f"such as {tmp_path / 'model.safetensors'}." in refused(net(), tmp_path)
    (tmp_path / "weights.h5").write_bytes(b"something")
    assert "must end in .safetensors" in refused(net(), tmp_path / "weights.h5")
    assert "cannot be opened" in refused(net(), "a\0b.pt")


@pytest.mark.parametrize("source", [{}, {"model": {}}, {"a": 1}, {"model": net()}])
def test_a_dict_without_tensors_is_refused(source):
    assert "no tensors by name" in refused(net(), source)


def test_a_dict_that_holds_itself_is_refused():
    source = {}
    source["model"] = source
    assert "no tensors by name" in refused(net(), source)


def test_a_file_that_holds_no_dict_is_refused(tmp_path):
    torch.save([torch.zeros(3)], tmp_path / "list.pt")
    assert "no tensors by name in it (list)" in refused(net(), tmp_path / "list.pt")


@pytest.mark.parametrize("source", [net(), 3, None])
def test_a_source_that_is_neither_path_nor_dict_is_refused(source):
    assert "must be a path or a dict" in refused(net(), source)


@pytest.mark.parametrize("number", [float("nan"), float("inf"), float("-inf")])
@pytest.mark.parametrize("name", ["3.bias", "1.running_var"])
def test_weights_that_are_not_finite_are_refused(number, name):
    source = weights()
    source[name][1] = number
    assert f"{name} holds NaN or infinity" in refused(net(), source)


def test_a_mask_of_infinities_that_the_model_has_too_is_accepted():
    model = net()
    model.register_buffer("mask", torch.full((4, 4), float("-inf")).triu(1))
    assert load_weights(model, model.state_dict()).missing == ()
    assert "mask holds NaN" in refused(model, weights() | {"mask": torch.full((4, 4), float("-inf"))})


def test_numbers_beyond_the_model_s_dtype_are_refused():
    source = weights()
    source["0.weight"][0, 0] = 1e6
    assert "0.weight has numbers beyond float16" in refused(net().half(), source)


@pytest.mark.parametrize("dtype", [torch.int8, torch.uint8, torch.complex64, torch.float8_e4m3fn])
def test_quantised_and_complex_weights_are_refused(dtype):
    source = weights()
    source["0.weight"] = source["0.weight"].to(dtype)
    assert "0.weight has dtype" in refused(net(), source)


def test_weights_on_the_meta_device_are_refused():
    source = weights()
    source["0.weight"] = source["0.weight"].to("meta")
    assert "0.weight is on the meta device and holds no numbers" in refused(net(), source)


def test_a_model_that_cannot_hold_numbers_is_refused():
    with pytest.raises(InputError, match=r"0.weight is on the meta device"):
        load_weights(net().to("meta"), weights())
    with pytest.raises(InputError, match=r"0.weight has no shape yet; run the model once"):
        load_weights(nn.Sequential(nn.LazyLinear(3)), weights())
    with pytest.raises(InputError, match=r"model=list\): the model must be a torch.nn.Module"):
        load_weights([], weights())
