"""Checkpoints: checked when they are read, written by another thread, complete, and the best one kept."""

import errno
import json
import os
import re
import subprocess
import sys
import textwrap
import threading
from contextlib import closing
from typing import get_args

import pytest
import torch
import xxhash
from PIL import Image
from safetensors.torch import load_file
from torch import nn

import latih
from latih import InputError, _extended
from latih.data import _stream, load
from latih.schedules._extend import Policy
from latih.train import Callback, Recipe
from latih.train._buffers import Buffers
from latih.train._checkpoint import Checkpoints
from latih.train._lasting import Lasting
from latih.train._manifest import Entry
from latih.train._writer import Writer
from latih.train._written import weights_written


def task(n=200, seed=0):
    generator = torch.Generator().manual_seed(seed)
    x = torch.randn(n, 8, generator=generator)
    return x, (x[:, 0] + x[:, 1] > 0).long()


def net():
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.3), nn.Linear(16, 2))


def train(out=None, recipe=None, **options):
    return latih.train(
        net(), task(), task(60, 1), recipe=recipe or Recipe(epochs=4), out=out, progress=False, **options
    )


@pytest.fixture
def waiting(monkeypatch):
    """Every checkpoint that is due waits for the one before, so that none is left out."""
    monkeypatch.setattr(Writer, "busy", False)


def names(run):
    return sorted(path.name for path in (run / "checkpoints").iterdir())


def same(one, other):
    return all(torch.equal(a, b) for a, b in zip(one.model.parameters(), other.model.parameters(), strict=True))


class StopAt(Callback):
    """End as a killed process would: nothing after this update is kept."""

    def __init__(self, step):
        self.step = step

    def on_gradients(self, trainer):
        if trainer.step.count == self.step:
            raise RuntimeError("killed")


def killed(out, step, recipe=None, **options):
    with pytest.raises(RuntimeError, match="killed"):
        train(out, recipe, callbacks=[StopAt(step)], **options)


def test_the_manifest_names_every_file_with_size_and_hash(tmp_path):
    train(tmp_path / "run")
    folder = tmp_path / "run/checkpoints/step-000000028"
    manifest = json.loads((folder / "manifest.json").read_text())
    assert (manifest["format"], manifest["step"], manifest["epoch"]) == (1, 28, 4)
    assert manifest["latih"] == latih.__version__
    assert sorted(manifest["files"]) == ["model.safetensors", "state.pt"]
    assert all((folder / name).stat().st_size == one["size"] for name, one in manifest["files"].items())


def cut(file):
    file.write_bytes(file.read_bytes()[:-10])


def flip(file):
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


DAMAGE = {
    "a file cut short": (lambda folder: cut(folder / "state.pt"), "state.pt: .* bytes instead of"),
    "a bit flipped": (lambda folder: flip(folder / "model.safetensors"), "model.safetensors: its hash"),
    "a file missing": (lambda folder: (folder / "state.pt").unlink(), "state.pt: No such file"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json: No such file"),
    "half a manifest": (lambda folder: cut(folder / "manifest.json"), "manifest.json: "),
    "another manifest": (lambda folder: (folder / "manifest.json").write_text("{}"), "manifest.json: "),
}


@pytest.mark.parametrize("case", DAMAGE)
def test_the_one_before_a_damaged_checkpoint_is_used_and_one_line_says_so(case, tmp_path, capfd):
    damage, sentence = DAMAGE[case]
    whole = train()
    killed(tmp_path / "run", 18)
    damage(tmp_path / "run/checkpoints/step-000000014")
    resumed = train(tmp_path / "run", resume=True)
    said = capfd.readouterr().err
    assert said.count("\n") == 1
    assert "step-000000014" in said
    assert said.endswith("going on from step-000000007\n")
    assert re.search(sentence, said), said
    assert same(resumed, whole)
    assert "damaged-step-000000014" in names(tmp_path / "run")


def test_without_an_intact_checkpoint_there_is_one_sentence(tmp_path):
    killed(tmp_path / "run", 18)
    for file in (tmp_path / "run/checkpoints").glob("step-*/state.pt"):
        cut(file)
    with pytest.raises(InputError, match=r"none of its 2 checkpoints is intact \(step-000000014, state.pt"):
        train(tmp_path / "run", resume=True)


def test_checkpoints_that_are_a_link_elsewhere_are_not_touched(tmp_path):
    killed(tmp_path / "run", 18)
    elsewhere = (tmp_path / "run/checkpoints").rename(tmp_path / "elsewhere")
    before = sorted(one.name for one in elsewhere.iterdir())
    (tmp_path / "run/checkpoints").symlink_to(elsewhere)
    with pytest.raises(InputError, match="is a link that leads elsewhere"):
        train(tmp_path / "run", resume=True)
    assert sorted(one.name for one in elsewhere.iterdir()) == before


def test_a_checkpoint_of_a_newer_format_is_refused_and_kept(tmp_path):
    killed(tmp_path / "run", 18)
    file = tmp_path / "run/checkpoints/step-000000014/manifest.json"
    file.write_text(json.dumps({"format": 2, "latih": "9.0", "somewhere": "else"}))
    with pytest.raises(InputError, match=r"written by latih 9.0, whose format is newer; upgrade latih\."):
        train(tmp_path / "run", resume=True)
    assert "step-000000014" in names(tmp_path / "run")


def test_a_run_that_was_killed_before_its_first_checkpoint_begins_again(tmp_path, capfd):
    whole = train()
    killed(tmp_path / "run", 3)
    resumed = train(tmp_path / "run", resume=True)
    assert "beginning again" in capfd.readouterr().err
    assert same(resumed, whole)


def test_what_a_killed_process_had_begun_to_write_is_removed(tmp_path):
    killed(tmp_path / "run", 18)
    (tmp_path / "run/checkpoints/.step-000000018.tmp").mkdir()
    (tmp_path / "run/.history.jsonl.7.tmp").write_text("half")
    train(tmp_path / "run", resume=True)
    assert list((tmp_path / "run").rglob("*.tmp")) == []


def test_other_data_than_the_run_began_with_are_refused(tmp_path):
    killed(tmp_path / "run", 18)
    with pytest.raises(InputError, match=r"200 examples in batches of 32, not 200 in batches of 16"):
        train(tmp_path / "run", Recipe(epochs=4, batch_size=16), resume=True)


def test_the_best_checkpoint_is_kept_beside_the_newest_also_by_a_resumed_run(tmp_path):
    recipe = Recipe(epochs=6, lr=1e-9, patience=0, keep_checkpoints=2, watch="loss", schedule="constant()")

    class Worse(Callback):
        """The validation gets worse from the second epoch on."""

        def on_epoch_start(self, trainer):
            if trainer.epoch > 1:
                for parameter in trainer.step.parameters:
                    parameter.data.add_(0.5 * trainer.epoch)

    with pytest.raises(RuntimeError):
        train(tmp_path / "run", recipe, callbacks=[Worse(), StopAt(31)])
    train(tmp_path / "run", recipe, resume=True, callbacks=[Worse()])
    rows = [json.loads(line) for line in (tmp_path / "run/history.jsonl").read_text().splitlines()]
    best = min(rows, key=lambda row: row["valid_loss"])
    assert best["step"] < 28
    folder = f"step-{best['step']:09d}"
    assert names(tmp_path / "run") == ["best", folder, "step-000000035", "step-000000042"]
    assert os.readlink(tmp_path / "run/checkpoints/best") == folder


@pytest.mark.usefixtures("waiting")
@pytest.mark.parametrize("every", ["3 steps", "0.00001 minutes"])
def test_a_run_saved_within_epochs_resumes_to_the_same_weights(every, tmp_path):
    recipe = Recipe(epochs=4, save_every=every, watch="loss", clip="auto(50)", optimizer="nag()")
    whole = train(recipe=recipe)
    killed(tmp_path / "run", 13, recipe)
    assert names(tmp_path / "run")[-1] == ("step-000000012" if every == "3 steps" else "step-000000013")
    resumed = train(tmp_path / "run", recipe, resume=True)
    assert same(resumed, whole)
    assert resumed.history.losses == whole.history.losses
    assert resumed.history.clipped == whole.history.clipped


@pytest.mark.parametrize("text", ["5 hours", "0 steps", "1.5 steps", "steps", "", "-3 minutes", "50steps!"])
def test_a_wrong_rhythm_is_one_sentence(text):
    with pytest.raises(InputError, match=r"save_every must be 'epoch', .* write '50 steps' or '10 minutes'\."):
        Recipe(save_every=text)


def test_a_run_that_early_stopping_had_ended_is_not_trained_on(tmp_path):
    recipe = Recipe(epochs=40, lr=0.3, patience=3, watch="loss", schedule="constant()")
    first = train(tmp_path / "run", recipe)
    again = train(tmp_path / "run", recipe, resume=True)
    assert again.history.rows == first.history.rows
    assert again.history.stopped == first.history.stopped
    assert same(again, first)


class Average(Callback):
    """An average of the weights: what a callback may have to remember."""

    def __init__(self):
        self.mean, self.seen = {}, 0

    def on_step_end(self, trainer):
        self.seen += 1
        for name, value in trainer.step.model.named_parameters():
            self.mean[name] = self.mean.get(name, 0.0) * 0.9 + 0.1 * value.detach()

    def state(self):
        return {"mean": self.mean, "seen": self.seen}

    def load(self, state):
        self.mean, self.seen = state["mean"], state["seen"]


def test_a_callback_goes_on_with_its_own_state(tmp_path):
    recipe, alone, broken, resumed = Recipe(epochs=4, save_every="2 steps"), Average(), Average(), Average()
    train(recipe=recipe, callbacks=[alone])
    with pytest.raises(RuntimeError):
        train(tmp_path / "run", recipe, callbacks=[Average(), broken, StopAt(18)])
    train(tmp_path / "run", recipe, resume=True, callbacks=[Average(), resumed])
    assert resumed.seen == alone.seen == 28
    assert all(torch.equal(resumed.mean[name], alone.mean[name]) for name in alone.mean)


def test_state_that_nobody_takes_is_said(tmp_path, capfd):
    with pytest.raises(RuntimeError):
        train(tmp_path / "run", callbacks=[Average(), StopAt(18)])
    train(tmp_path / "run", resume=True)
    assert "the saved state of Average is not used" in capfd.readouterr().err


def test_state_that_only_a_pickle_could_hold_is_refused(tmp_path):
    class Wrong(Callback):
        def state(self):
            return {"what": {1, 2}}

    with pytest.raises(InputError, match=r"state\.callbacks\..*Wrong\.what is a set, which only a pickle could hold"):
        train(tmp_path / "run", callbacks=[Wrong()])


def test_a_copy_does_not_change_with_what_was_copied_and_uses_its_memory_again():
    buffers, live = Buffers(), {"a": [torch.ones(3)], "b": (1, "two", None), "t": torch.ones(2, 3).t()}
    first = buffers.copy(live)
    live["a"][0] += 1
    assert first["a"][0].tolist() == [1, 1, 1]
    assert first["b"] == (1, "two", None)
    assert first["t"].stride() == (1, 3)
    second = buffers.copy(live)
    assert second["a"][0] is first["a"][0]
    assert second["a"][0].tolist() == [2, 2, 2]


def test_a_checkpoint_is_written_by_another_thread_and_only_those_due_by_steps_are_left_out(tmp_path, monkeypatch):
    threads, go_on, write = [], threading.Event(), Checkpoints._write

    def slow(self, target, snapshot):
        threads.append((threading.current_thread(), snapshot.step))
        assert go_on.wait(60)
        write(self, target, snapshot)

    class GoOn(Callback):
        def on_step_end(self, trainer):
            if trainer.step.count == 6:
                go_on.set()

    monkeypatch.setattr(Checkpoints, "_write", slow)
    train(tmp_path / "run", Recipe(epochs=1, save_every="2 steps"), callbacks=[GoOn()])
    steps = [step for _, step in threads]
    assert steps[0] == 2
    assert 4 not in steps
    assert steps[-1] == 7
    assert threading.main_thread() not in [thread for thread, _ in threads]
    assert "step-000000007" in names(tmp_path / "run")


def test_a_failure_of_the_writer_reaches_whoever_waits_for_it_once():
    def fail():
        raise InputError("the disk is full")

    writer = Writer()
    writer.start(fail)
    with pytest.raises(InputError, match="full"):
        writer.wait()
    writer.wait()
    assert not writer.busy


@pytest.mark.parametrize("epochs", [1, 3])
def test_a_disk_that_fills_up_ends_the_run_with_one_sentence(epochs, tmp_path, monkeypatch):
    def full(self, target, snapshot):
        with latih.train.run_folder.writing(target):
            raise OSError(28, "No space left on device")

    monkeypatch.setattr(Checkpoints, "_write", full)
    with pytest.raises(InputError, match=r"cannot write .*step-000000007: No space left on device; free some space"):
        train(tmp_path / "run", Recipe(epochs=epochs))


@pytest.mark.usefixtures("waiting")
def test_no_batch_is_decoded_to_get_to_where_the_run_stood(tmp_path, monkeypatch):
    pictures = tmp_path / "pictures"
    for name in "ab":
        (pictures / name).mkdir(parents=True)
        for number in range(20):
            Image.new("L", (8, 8), 100 * (name == "a") + number).save(pictures / name / f"{number}.png")
    data = load(str(pictures), workers=0, in_memory_bytes=0)
    decoded, decode = [], _stream.decode
    monkeypatch.setattr(_stream, "decode", lambda path, shape: decoded.append(path) or decode(path, shape))

    class Floats(nn.Module):
        def forward(self, x):
            return x.float() / 255

    def run(**options):
        model = nn.Sequential(Floats(), nn.Flatten(), nn.Linear(64, 2))
        recipe = Recipe(epochs=2, batch_size=2, save_every="1 steps")
        return latih.train(model, data.train, recipe=recipe, out=tmp_path / "run", progress=False, **options)

    with pytest.raises(RuntimeError):
        run(callbacks=[StopAt(14)])
    decoded.clear()
    run(callbacks=[First(decoded)], resume=True)
    count = len(data.train)
    assert First.before <= 4  # the batch that is looked at before a run, and that of the first step
    assert len(decoded) <= (count - 2 * 14) + count + 4


class First(Callback):
    before = 0

    def __init__(self, decoded):
        self.decoded, self.done = decoded, False

    def on_loss(self, trainer):
        if not self.done:
            self.done, First.before = True, len(self.decoded)


def test_a_longer_run_needs_a_policy(tmp_path):
    train(tmp_path / "run", Recipe(epochs=2))
    with pytest.raises(InputError, match=r"planned for 2 epochs; choose with --extend .*'stretch'.*'hold'.*'restart'"):
        train(tmp_path / "run", Recipe(epochs=4), resume=True)
    with pytest.raises(InputError, match=r"planned for 2 epochs, and its schedule with it"):
        train(tmp_path / "run", Recipe(epochs=1), resume=True)
    with pytest.raises(InputError, match="did you mean 'hold'"):
        train(tmp_path / "run", Recipe(epochs=4), resume=True, extend="holt")
    with pytest.raises(InputError, match="only a run that is resumed can be extended"):
        train(tmp_path / "new", extend="hold")
    with pytest.raises(InputError, match="planned for 2 epochs already"):
        train(tmp_path / "run", Recipe(epochs=2), resume=True, extend="hold")


@pytest.mark.parametrize("policy", ["stretch", "hold", "restart"])
def test_an_extended_run_has_the_rates_that_the_policy_declares(policy, tmp_path):
    rates = []

    class Rates(Callback):
        def on_step_end(self, trainer):
            rates.append(trainer.step.lr)

    recipe = Recipe(epochs=2, lr=0.1, patience=0, schedule="linear(floor=0.1)")
    longer = Recipe(epochs=4, lr=0.1, patience=0, schedule="linear(floor=0.1)")
    train(tmp_path / "run", recipe, callbacks=[Rates()])
    # interrupted on the way, and gone on with in the same words
    with pytest.raises(RuntimeError):
        train(tmp_path / "run", longer, resume=True, extend=policy, callbacks=[StopAt(22)])
    run = train(tmp_path / "run", longer, resume=True, extend=policy, callbacks=[Rates()])
    expected = latih.schedules.linear(floor=0.1).extended(14, 28, policy)
    assert rates[:14] == pytest.approx([0.1 * latih.schedules.linear(14, floor=0.1)(step) for step in range(14)])
    assert rates[14:] == pytest.approx([0.1 * expected(step) for step in range(21, 28)])
    assert run.summary["extended"] == f"{policy} after 2"
    assert Recipe.read(tmp_path / "run/recipe.toml").extended == f"{policy} after 2"
    assert Recipe.read(tmp_path / "run/recipe.toml").epochs == 4


def test_a_run_is_extended_more_than_once(tmp_path):
    recipes = [Recipe(epochs=epochs, patience=0) for epochs in (1, 2, 3)]
    train(tmp_path / "run", recipes[0])
    train(tmp_path / "run", recipes[1], resume=True, extend="stretch")
    run = train(tmp_path / "run", recipes[2], resume=True, extend="stretch")
    assert run.summary["extended"] == "stretch after 1, stretch after 2"
    assert run.history.rows[-1]["lr"] == pytest.approx(0.001 * latih.schedules.cosine(21)(20))


def test_the_policies_are_those_of_the_schedules():
    assert get_args(Policy) == _extended.POLICIES


@pytest.mark.parametrize("text", ["hold", "hold after x", "hold after 4", "hold after 2, stretch after 2", "x after 1"])
def test_a_wrong_extension_in_a_recipe_is_one_sentence(text):
    with pytest.raises(InputError, match=r"extended must be a policy \(stretch, hold, restart\)"):
        Recipe(epochs=4, extended=text)


@pytest.mark.skipif(sys.platform == "win32", reason="no such limit there")
@pytest.mark.parametrize("megabytes", [1, 5], ids=["while writing weights", "while writing the state"])
def test_a_file_that_cannot_grow_further_is_one_sentence(megabytes, tmp_path):
    script = textwrap.dedent(f"""
        import resource
        import torch
        from torch import nn
        import latih
        resource.setrlimit(resource.RLIMIT_FSIZE, ({megabytes} << 20, {megabytes} << 20))
        data = torch.randn(64, 1000), torch.randint(10, (64,))
        model = nn.Sequential(nn.Linear(1000, 1000), nn.Linear(1000, 10))
        latih.train(model, data, recipe=latih.Recipe(epochs=1), out="run")
    """)
    said = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True)
    assert said.returncode != 0
    assert "InputError: cannot write run/checkpoints/step-" in said.stderr
    assert "File too large; free some space" in said.stderr
    assert not list((tmp_path / "run" / "checkpoints").glob("*"))


@pytest.mark.parametrize("direct", [True, False], ids=["past the page cache", "through it"])
def test_files_are_what_was_written_in_pieces_of_any_size(direct, tmp_path, monkeypatch):
    if not direct:
        monkeypatch.delattr(os, "O_DIRECT", raising=False)
    pieces = [os.urandom(size) for size in (0, 1, 7, 4096, 1 << 20, 3 * (1 << 20) + 5, 12)]
    with closing(Lasting(tmp_path / "file")) as file:
        for piece in pieces:
            assert file.write(piece) == len(piece)
        entry = file.end()
    content = (tmp_path / "file").read_bytes()
    assert content == b"".join(pieces)
    assert entry == Entry(len(content), xxhash.xxh3_128_hexdigest(content))


def test_a_file_system_that_refuses_late_is_written_through_the_page_cache(tmp_path, monkeypatch):
    write, refused = os.write, []

    def refuse_once(handle, view):
        if len(view) == 4096 and not refused:
            refused.append(handle)
            raise OSError(errno.EINVAL, "Invalid argument")
        return write(handle, view)

    monkeypatch.setattr(os, "write", refuse_once)
    with closing(Lasting(tmp_path / "file")) as file:
        file.write(b"abc")
        file.end()
    assert refused
    assert (tmp_path / "file").read_bytes() == b"abc"


def test_weights_of_every_type_and_shape_come_back(tmp_path):
    weights = {
        "half": torch.randn(3).half(),
        "wide": torch.randn(2, 3, dtype=torch.float64),
        "turned": torch.randn(4, 3).t(),
        "flag": torch.tensor([True, False, True]),
        "count": torch.tensor(5),
        "none": torch.zeros(0, 4),
        "eight": torch.randn(4).to(torch.float8_e4m3fn),
        "complex": torch.randn(2, dtype=torch.complex64),
    }
    weights_written(tmp_path / "model.safetensors", weights, {"said": "so"})
    found = load_file(tmp_path / "model.safetensors")
    assert found.keys() == weights.keys()
    for name, one in weights.items():
        assert (found[name].dtype, found[name].shape) == (one.dtype, one.shape)
        assert found[name].reshape(-1).view(torch.uint8).equal(one.reshape(-1).view(torch.uint8))
    with pytest.raises(InputError, match="which safetensors cannot hold"):
        weights_written(tmp_path / "other", {"wide": torch.zeros(2, dtype=torch.complex128)})
