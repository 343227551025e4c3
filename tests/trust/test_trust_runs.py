"""Run folders from a stranger: nothing runs, nothing absurd is allocated, and each is refused in one sentence."""

import json
import os
import struct

import msgspec
import pytest
import torch
import xxhash
from safetensors.torch import load_file, save, save_file

from latih.cli import main


class Payload:
    def __reduce__(self):
        return os.mkdir, ("payload-ran",)


def written(head, body=b""):
    words = head if isinstance(head, bytes) else json.dumps(head).encode()
    return struct.pack("<Q", len(words)) + words + body


def tensor(shape, end, kind="F32"):
    return written({"a": {"dtype": kind, "shape": shape, "data_offsets": [0, end]}}, b"\0" * 64)


WEIGHTS = {
    "no bytes": b"",
    "seven bytes": b"\0" * 7,
    "text": b"these are no weights, but a sentence",
    "a length beyond the file": struct.pack("<Q", 2**62) + b"{}",
    "a negative length": b"\xff" * 8 + b"{}",
    "a header that is no JSON": written(b"hello"),
    "a header nested beyond the stack": written(b'{"a":' * 50_000),
    "a header that is a list": written([1, 2]),
    "offsets beyond the file": tensor([10**9], 4 * 10**9),
    "a shape beyond its offsets": tensor([10**6, 10**6], 64),
    "a shape beyond 64 bits": tensor([2**62, 2**62], 64),
    "a negative shape": tensor([-4, -4], 64),
    "an unknown type": tensor([16], 64, "Q9"),
    "4-bit floats": tensor([128], 64, "F4"),
    "other names": save({"other": torch.zeros(3)}),
    "no tensors": save({}),
    "a pickle": b"\x80\x04cos\nmkdir\n(S'payload-ran'\ntR.",
}


@pytest.mark.parametrize("case", WEIGHTS)
def test_weights_are_refused(case, place, refused):
    (place / "run" / "model.safetensors").write_bytes(WEIGHTS[case])
    said = refused("predict run good.npz", names="damaged|do not fit")
    assert said.startswith("latih: run: ")
    assert not (place / "payload-ran").exists()


@pytest.mark.parametrize("part", range(1, 8))
def test_weights_that_are_cut_are_refused(part, place, refused):
    path = place / "run" / "model.safetensors"
    path.write_bytes(path.read_bytes()[: path.stat().st_size * part // 8])
    refused("predict run good.npz", names="damaged")


def test_weights_of_another_shape_are_refused(place, refused):
    path = place / "run" / "model.safetensors"
    weights = load_file(path)
    name = next(name for name in weights if name.startswith("net.") and weights[name].dim() == 2)
    for wrong in (weights[name][:, :1].contiguous(), weights[name].repeat(3, 1), weights[name].flatten()):
        save_file(weights | {name: wrong}, path)
        refused("predict run good.npz", names="the weights do not fit")


def table(**changes):
    return {"kind": "table", "target": "y", "numeric": [], "categorical": {}, "dates": {}} | changes


CARDS = {
    "another format": ({"format": 99}, "upgrade latih"),
    "no model": ({"model": None}, "damaged"),
    "an unknown model": ({"model": "perceptron()"}, "not a method of models"),
    "notation that imports": ({"model": "mlp(depth=__import__('os').mkdir('payload-ran'))"}, "must be literals"),
    "code of the stranger's": ({"model": "payload:net"}, "pass --model payload:net if you trust it"),
    "code by another way": ({"model": "os.path:exists"}, "only imported when you name it"),
    "code as an activation": ({"activation": "payload:net"}, "not notation"),
    "an absurd depth": ({"model": "mlp(depth=1000000000)"}, "layers are more than"),
    "an absurd width": ({"model": "mlp(depth=3, width=1000000000)"}, "weights are more|cannot be built"),
    "a width beyond 64 bits": ({"model": f"mlp(depth=3, width={10**30})"}, "cannot be built"),
    "stages beyond 64 bits": ({"model": "cnn(depth=900)"}, "cannot be built|needs images"),
    "another depth": ({"model": "mlp(depth=2, width=4)"}, "the weights do not fit"),
    "another kind of network": ({"model": "resnet()"}, "needs images"),
    "an absurd shape": ({"shape": [10**12]}, "damaged"),
    "a shape of nothing": ({"shape": []}, "damaged"),
    "a negative shape": ({"shape": [-3]}, "damaged"),
    "a shape of many axes": ({"shape": [2] * 60}, "damaged"),
    "a large shape": ({"shape": [4096] * 3, "schema": {"kind": "images", "shape": [3, 4096, 4096]}}, "damaged"),
    "absurd outputs": ({"outputs": 10**12}, "damaged"),
    "no outputs": ({"outputs": 0}, "damaged"),
    "text for outputs": ({"outputs": "two"}, "damaged"),
    "fewer classes than outputs": ({"classes": ["a"]}, "1 classes for 2 outputs"),
    "a class twice": ({"classes": ["a", "a"]}, "damaged"),
    "another task": ({"task": "generation"}, "damaged"),
    "regression on classes": ({"task": "regression"}, "damaged"),
    "a negative count of flags": ({"flagged": -1}, "damaged"),
    "an absurd count of flags": ({"flagged": 10**12}, "damaged"),
    "no schema": ({"schema": None}, "damaged"),
    "an unknown schema": ({"schema": {"kind": "sound"}}, "damaged"),
    "a schema of absurd pictures": ({"schema": {"kind": "images", "shape": [3, 10**6, 10**6]}}, "damaged"),
    "a schema of an absurd text": (
        {"schema": {"kind": "text", "target": "y", "column": "x", "tokenizer": "{}", "length": 10**12, "pad": 0}},
        "damaged",
    ),
    "a schema of tables": ({"schema": table(numeric=["a"])}, "damaged"),
    "a table without columns": ({"schema": table()}, "damaged"),
    "a date that is none": ({"schema": table(numeric=["a"], dates={"a": "2024-99-99"})}, "damaged"),
    "a backbone of the stranger's": ({"backbone": '{"source": "factory"}'}, "only imported when you name it"),
    "a backbone that is damaged": ({"backbone": "{"}, "damaged"),
    "a backbone nested beyond the stack": ({"backbone": "[" * 100_000}, "damaged"),
}


def change_card(place, changes):
    path = place / "run" / "model.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


@pytest.mark.parametrize("case", CARDS)
def test_a_card_is_refused(case, place, refused):
    changes, sentence = CARDS[case]
    (place / "payload.py").write_text("import os\nos.mkdir('payload-ran')\n")
    change_card(place, changes)
    refused("predict run good.npz", names=sentence)
    assert not (place / "payload-ran").exists()


CONTENTS = {
    "no bytes": b"",
    "text": b"hello",
    "not UTF-8": b'{"model": "\xff"}',
    "cut": b'{"format": 1, "model": "mlp',
    "a list": b"[1, 2]",
    "nested beyond the stack": b'{"extra": ' + b"[" * 100_000,
    "closed, and nested beyond the stack": b'{"extra": ' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "an absurd number": b'{"format": ' + b"9" * 5000 + b"}",
}


@pytest.mark.parametrize("case", CONTENTS)
@pytest.mark.parametrize("command", ["predict run good.npz", "export run"])
def test_a_card_that_is_no_card_is_refused(case, command, place, refused):
    (place / "run" / "model.json").write_bytes(CONTENTS[case])
    refused(command, names="run: the saved model is damaged")


@pytest.mark.parametrize("case", [*CONTENTS, "of another program", "of wrong types"])
def test_findings_are_refused(case, place, refused):
    strange = {
        "of another program": b'{"found": {"a": 1}, "passed": 3, "skipped": null}',
        "of wrong types": b'{"format": 1, "found": [{"code": 3, "cures": []}], "passed": [], "skipped": {}}',
    }
    (place / "run" / "findings.json").write_bytes((CONTENTS | strange)[case])
    refused("check --run run", names="findings.json: not a file of findings")


def _gone(name):
    return lambda run: (run / name).unlink()


def _link(name, target):
    def change(run):
        (run / name).unlink()
        (run / name).symlink_to(target)

    return change


def _pipe(run):
    (run / "model.json").unlink()
    os.mkfifo(run / "model.json")


FOLDERS = {
    "without weights": (_gone("model.safetensors"), "no finished run"),
    "without a card": (_gone("model.json"), "only that code can rebuild it"),
    "a card that is a device": (_link("model.json", "/dev/zero"), "no finished run"),
    "weights that are a device": (_link("model.safetensors", "/dev/zero"), "no finished run"),
    "a card that is a pipe": (_pipe, "no finished run"),
    "weights that link in a circle": (_link("model.safetensors", "model.safetensors"), "no finished run"),
    "weights that the system cannot read": (_link("model.safetensors", "/proc/self/mem"), "no finished run"),
    "a card that is a secret": (_link("model.json", "/etc/passwd"), "damaged"),
}


@pytest.mark.parametrize("case", FOLDERS)
def test_a_folder_is_refused(case, place, refused):
    change, sentence = FOLDERS[case]
    change(place / "run")
    assert "root:" not in refused("predict run good.npz", names=sentence)


def test_what_is_no_run_folder_is_refused(place, refused):
    for name in ("good.npz", "nowhere", "a" * 5000):
        refused(["predict", name, "good.npz"])
        refused(["export", name])


@pytest.mark.parametrize("honest", [True, False], ids=["with its hash", "with the hash of another"])
def test_a_pickle_in_a_checkpoint_is_not_run(honest, place, capfd):
    folder = next((place / "run" / "checkpoints").glob("step-*"))
    torch.save(Payload(), folder / "state.pt")
    if honest:
        content, path = (folder / "state.pt").read_bytes(), folder / "manifest.json"
        said = json.loads(path.read_text())
        said["files"]["state.pt"] = {"size": len(content), "xxh3": xxhash.xxh3_128_hexdigest(content)}
        path.write_text(json.dumps(said))
    assert main(["train", "good.npz", "--out", "run", "--resume", "--no-check", "--model", "mlp(depth=1,width=4)"]) == 2
    said = capfd.readouterr().err
    assert "UnpicklingError" in said if honest else "none of its 1 checkpoints is intact" in said
    assert not (place / "payload-ran").exists()


def test_names_in_a_stranger_s_files_are_text_in_the_report(place):
    from latih import Recipe
    from latih.report._html import page
    from latih.train import History, Run

    bad = "<script>alert(1)</script>"
    rows = [{"epoch": 1, "step": 1, "lr": 0.1, f"train_{bad}": 1.0, f"valid_{bad}": 2.0, bad: bad}]
    findings = {"code": bad, "name": bad, "severity": "error", "where": bad, "evidence": {bad: bad}, "why": bad}
    folder = place / "<script>"
    folder.mkdir()
    plain = {
        "found": [findings | {"advice": bad, "cures": [bad], "weight": 1.0}],
        "passed": [bad],
        "skipped": {bad: bad},
    }
    (folder / "findings.json").write_bytes(msgspec.json.encode(plain))
    (folder / "recipe.toml").write_text(bad)
    summary = {"kept": {"epoch": 1, f"valid_{bad}": 1.0}, "seconds": 1.0, "test": {bad: 1.0}}
    drawn = page(Run(torch.nn.Linear(1, 1), History(rows=rows), Recipe(), summary, folder))
    assert "<script" not in drawn
    assert "&lt;script" in drawn
