"""The output layer: found on the tape, replaced by a fresh one, refused where that cannot be right."""

import copy
import warnings
from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune

import latih
from latih import InputError
from latih._notation import build
from latih.init import glorot
from latih.transfer import find_head, replace_head

ROWS, IMAGES, SEQUENCES = torch.randn(4, 8), torch.randn(4, 3, 16, 16), torch.randn(4, 5, 8)


class Module(nn.Module):
    """A module from parts and a function."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args, **kwargs):
        return self.run(self, *args, **kwargs)


def mlp(outputs=7, **options):
    return nn.Sequential(nn.Linear(8, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, outputs, **options))


def cnn():
    body = nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    return nn.Sequential(body, nn.Dropout(0.2), nn.Linear(8, 7), nn.LogSoftmax(-1))


def residual(self, x):
    return F.relu(self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x))))) + self.downsample(x))


def block(inputs, outputs):
    return Module(
        residual,
        conv1=nn.Conv2d(inputs, outputs, 3, 2, 1, bias=False),
        norm1=nn.BatchNorm2d(outputs),
        conv2=nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False),
        norm2=nn.BatchNorm2d(outputs),
        downsample=nn.Sequential(nn.Conv2d(inputs, outputs, 1, 2, bias=False), nn.BatchNorm2d(outputs)),
    )


def resnet():
    return Module(
        lambda self, x: self.fc(self.layer2(self.layer1(x)).mean((2, 3))),
        layer1=block(3, 8), layer2=block(8, 16), fc=nn.Linear(16, 7), num_classes=7,
    )  # fmt: skip


def squeezenet():
    classifier = nn.Sequential(nn.Dropout(0.5), nn.Conv2d(8, 7, 1), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
    features = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU())
    forward = lambda self, x: self.classifier(self.features(x)).flatten(1)  # noqa: E731
    return Module(forward, classifier=classifier, features=features, num_classes=7)


def signal(dims):
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[dims - 1]
    return nn.Sequential(conv(3, 8, 3), nn.ReLU(), conv(8, 7, 1, bias=False))


def latih_s(text, shape=(3, 16, 16)):
    return build("models", text)(shape, 7)


@pytest.fixture(scope="module")
def hf():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return pytest.importorskip("transformers")


SMALL = dict(hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32)
TOKENS = {"input_ids": torch.randint(1, 50, (4, 7), generator=torch.Generator().manual_seed(0))}
TINY = dict(vocab_size=50, n_embd=16, n_layer=2, n_head=2, bos_token_id=1, eos_token_id=2)


def bert(hf, kind="BertForSequenceClassification", **options):
    return getattr(hf, kind)(hf.BertConfig(vocab_size=50, **SMALL, **options))


def vit(hf):
    return hf.ViTForImageClassification(hf.ViTConfig(image_size=16, patch_size=8, num_labels=7, **SMALL))


def gpt2(hf, kind="GPT2ForSequenceClassification"):
    return getattr(hf, kind)(hf.GPT2Config(pad_token_id=0, num_labels=7, **TINY))


@dataclass
class Case:
    make: object
    batch: object
    path: str
    counts: dict = field(default_factory=dict)
    """Attribute paths that must hold the number of classes."""


CASES = {
    "mlp": Case(mlp, ROWS, "3"),
    "mlp_without_bias": Case(lambda: mlp(bias=False), ROWS, "3"),
    "cnn": Case(cnn, (IMAGES, torch.zeros(4)), "2"),
    "resnet": Case(resnet, IMAGES, "fc"),
    "squeezenet": Case(squeezenet, IMAGES, "classifier.1"),
    "conv1d": Case(lambda: signal(1), IMAGES.flatten(2), "2"),
    "conv2d": Case(lambda: signal(2), IMAGES, "2"),
    "conv3d": Case(lambda: signal(3), IMAGES[..., None].expand(4, 3, 16, 16, 4), "2"),
    "latih_mlp": Case(lambda: latih_s("mlp(depth=3, width=8)", (8,)), ROWS, "4"),
    "latih_cnn": Case(lambda: latih_s("cnn(width=4)"), IMAGES, "head"),
    "latih_resnet": Case(lambda: latih_s("resnet(blocks=1, width=4)"), IMAGES, "head"),
    "class_tokens": Case(lambda: nn.Sequential(nn.Linear(8, 6), nn.ReLU(), nn.Linear(6, 7)), SEQUENCES, "2"),
    "one_squeezed_output": Case(
        lambda: Module(lambda self, x: self.end(x.relu()).squeeze(1), end=nn.Linear(8, 1)), ROWS, "end"
    ),
    "weight_used_by_a_function": Case(
        lambda: Module(lambda self, x: F.linear(x.relu(), self.end.weight), end=nn.Linear(8, 7), a=nn.Linear(8, 8)),
        ROWS, "end",
    ),
}  # fmt: skip


def snapshot(model, without=""):
    """Everything of a model that must not change, by name."""
    tensors = {name: value.clone() for name, value in model.state_dict().items() if not name.startswith(f"{without}.")}
    modes = {name: module.training for name, module in model.named_modules()}
    trained = {name: value.requires_grad for name, value in model.named_parameters() if not name.startswith(without)}
    return tensors, modes, trained


def same(one, other):
    return (
        one[0].keys() == other[0].keys()
        and all(torch.equal(one[0][name], other[0][name]) for name in one[0])
        and one[1:] == other[1:]
    )


def logits(model, batch):
    inputs = batch[0] if isinstance(batch, tuple) else batch
    with torch.no_grad():
        output = model(**inputs) if isinstance(inputs, dict) else model(inputs)
    return output if isinstance(output, torch.Tensor) else output.logits


def outputs(layer):
    return layer.weight.shape[1 if hasattr(layer, "nf") else 0]


def check(model, batch, path, classes):
    """Find, replace, and hold everything else to be as it was."""
    model.eval()
    next(model.parameters()).requires_grad_(False)
    before, shape = snapshot(model, path), logits(model, batch).shape
    assert find_head(model, batch) == path
    old = model.get_submodule(path)
    names = list(model.state_dict())
    assert replace_head(model, classes, batch) == path
    new = model.get_submodule(path)
    assert new is not old
    assert type(new) is type(old)
    assert same(before, snapshot(model, path))
    assert list(model.state_dict()) == names
    assert (new.bias is None) == (old.bias is None)
    assert new.bias is None or not new.bias.any()
    assert all(parameter.requires_grad for parameter in new.parameters())
    after = logits(model, batch)
    assert after.shape[0] == shape[0]
    assert after.numel() * outputs(old) == shape.numel() * classes
    model.train()
    logits(model, batch)


@pytest.mark.parametrize("classes", [1, 3, 40])
@pytest.mark.parametrize("name", CASES)
def test_the_head_is_found_and_replaced_and_nothing_else_changes(name, classes):
    torch.manual_seed(0)
    case = CASES[name]
    check(case.make(), case.batch, case.path, classes)


def test_a_head_with_two_names_is_replaced_under_both():
    end = nn.Linear(8, 7)
    model = Module(lambda self, x: self.b(self.body(x)), body=nn.Linear(8, 8), a=end, b=end)
    assert replace_head(model, 5, ROWS) == "a"
    assert model.a is model.b
    assert model(ROWS).shape == (4, 5)


@pytest.mark.parametrize("classes", [1, 5])
def test_the_head_of_efficientnet_lite_is_its_fc(classes):
    package = pytest.importorskip("efficientnet_lite_pytorch")
    model = package.EfficientNet.from_name("efficientnet-lite0")
    check(model, torch.randn(2, 3, 64, 64), "_fc", classes)
    assert model._global_params.num_classes == classes
    assert model._global_params.image_size == 224


@pytest.mark.parametrize("classes", [1, 5])
@pytest.mark.parametrize(
    ("make", "batch", "path"),
    [(bert, TOKENS, "classifier"), (vit, {"pixel_values": IMAGES}, "classifier"), (gpt2, TOKENS, "score")],
)
def test_the_head_of_transformers_is_found_and_its_config_tells_the_truth(hf, make, batch, path, classes):
    model = make(hf)
    check(model, batch, path, classes)
    assert model.num_labels == classes
    assert model.config.num_labels == classes
    assert model.config.id2label == {number: f"LABEL_{number}" for number in range(classes)}
    assert model.config.label2id == {f"LABEL_{number}": number for number in range(classes)}
    assert type(model.config).from_dict(model.config.to_dict()).num_labels == classes


def test_a_model_that_computes_its_own_loss_does_so_for_the_new_classes(hf):
    model = bert(hf)
    batch = TOKENS | {"labels": torch.tensor([0, 1, 1, 0])}
    assert replace_head(model, 4, batch) == "classifier"
    assert model(**TOKENS, labels=torch.tensor([0, 3, 2, 1])).loss.isfinite()


def test_looking_does_not_decide_what_problem_the_model_solves(hf):
    model = bert(hf)
    find_head(model, TOKENS | {"labels": torch.tensor([0, 1, 1, 0])})
    assert model.config.problem_type is None


@pytest.mark.parametrize(
    ("before", "kind", "classes", "after"),
    [
        (1, "regression", 5, None),
        (2, "single_label_classification", 1, None),
        (2, "single_label_classification", 5, "single_label_classification"),
        (2, "multi_label_classification", 5, "multi_label_classification"),
        (3, "regression", 5, "regression"),
    ],
)
def test_a_problem_that_the_number_of_outputs_decided_is_decided_again(hf, before, kind, classes, after):
    model = bert(hf, num_labels=before, problem_type=kind)
    replace_head(model, classes, TOKENS)
    assert model.config.problem_type == after
    assert type(model.config).from_dict(model.config.to_dict()).problem_type == after


def test_labels_of_old_classes_are_forgotten_even_where_there_are_as_many_new_ones(hf):
    model = bert(hf, id2label={0: "cat", 1: "dog"}, label2id={"cat": 0, "dog": 1})
    replace_head(model, 2, TOKENS)
    assert model.config.id2label == {0: "LABEL_0", 1: "LABEL_1"}


def test_a_conv1d_of_transformers_is_replaced_and_drawn_across_its_own_layout(hf):
    from transformers.pytorch_utils import Conv1D

    model = nn.Sequential(nn.Linear(8, 400), nn.ReLU(), Conv1D(7, 400))
    check(model, ROWS, "2", 200)
    assert model[2].weight.shape == (400, 200)
    assert model[2].nf == 200
    assert model[2].weight.var().item() * (400 + 200) / 2 == pytest.approx(1.0, rel=0.02)


@pytest.mark.parametrize("make", [resnet, squeezenet])
def test_the_number_of_classes_that_a_model_records_is_corrected(make):
    model = make()
    replace_head(model, 5, IMAGES)
    assert model.num_classes == 5


def test_a_number_that_only_has_the_same_name_is_left_alone():
    model = resnet()
    model.num_classes, model.fc.num_labels, model.layer1.num_classes = 1000, 7, 7
    replace_head(model, 5, IMAGES)
    assert (model.num_classes, model.fc.num_labels, model.layer1.num_classes) == (1000, 7, 7)


@pytest.mark.parametrize("outputs", [50, 300])
def test_the_fresh_head_has_glorot_s_variance(outputs):
    model = nn.Sequential(nn.Linear(8, 500), nn.ReLU(), nn.Linear(500, 7))
    replace_head(model, outputs, ROWS)
    weight = model[2].weight.detach().double()
    assert weight.var().item() * (500 + outputs) / 2 == pytest.approx(1.0, rel=0.03)  # 4 sigma are sqrt(32/25,000)
    assert abs(weight.mean().item()) < 4 * weight.std().item() / weight.numel() ** 0.5


def test_the_fresh_convolution_has_glorot_s_variance():
    model = nn.Sequential(nn.Conv2d(3, 400, 3), nn.ReLU(), nn.Conv2d(400, 7, 1))
    replace_head(model, 100, IMAGES)
    assert model[2].weight.shape == (100, 400, 1, 1)
    assert model[2].weight.double().var().item() * (400 + 100) / 2 == pytest.approx(1.0, rel=0.03)


@pytest.mark.parametrize("name", ["mlp", "resnet", "squeezenet", "conv1d", "latih_cnn"])
def test_the_fresh_head_is_what_initialize_draws_for_it(name):
    torch.manual_seed(0)
    case = CASES[name]
    model = case.make()
    replace_head(model, 5, case.batch, seed=11)
    other = copy.deepcopy(model)
    keep = [one for one, _ in other.named_parameters() if not one.startswith(case.path)]
    table = latih.initialize(other, case.batch, keep=keep, seed=11)
    assert [row.rule for row in table.rows][-1] == glorot().text
    assert torch.equal(other.get_submodule(case.path).weight, model.get_submodule(case.path).weight)


def test_the_seed_decides_the_weights_and_the_caller_s_random_state_stays():
    state = torch.get_rng_state()
    models = [copy.deepcopy(mlp()) for _ in range(3)]
    torch.set_rng_state(state)
    for model, seed in zip(models, (1, 1, 2), strict=True):
        replace_head(model, 5, ROWS, seed=seed)
    assert torch.equal(torch.get_rng_state(), state)
    first, second, third = (model[3].weight for model in models)
    assert torch.equal(first, second)
    assert not torch.equal(first, third)


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_the_dtype_of_the_head_is_kept(dtype):
    model = mlp().to(dtype)
    replace_head(model, 5, ROWS.to(dtype))
    assert model[3].weight.dtype == model[3].bias.dtype == dtype


def test_hooks_of_the_model_and_of_the_head_are_kept():
    model, seen = mlp(), []
    handles = [
        part.register_forward_hook(lambda *_, who=who: seen.append(who)) for who, part in enumerate([model, model[3]])
    ]
    replace_head(model, 5, head="3")
    model(ROWS)
    assert seen == [1, 0]
    handles[1].remove()
    model(ROWS)
    assert seen == [1, 0, 0]


def test_another_model_that_holds_the_old_head_keeps_it():
    model = mlp()
    other = nn.Sequential(model[0], model[3])
    old = model[3].weight.clone()
    replace_head(model, 5, ROWS)
    assert torch.equal(other[1].weight, old)


def test_a_frozen_head_gives_way_to_one_that_trains():
    model = mlp().requires_grad_(False)
    replace_head(model, 5, ROWS)
    assert [name for name, value in model.named_parameters() if value.requires_grad] == ["3.weight", "3.bias"]


@pytest.mark.parametrize("wrap", [nn.DataParallel, torch.compile])
def test_a_wrapped_model_is_looked_through(wrap):
    model = mlp()
    assert find_head(wrap(model), ROWS) == "3"
    assert replace_head(wrap(model), 5, ROWS) == "3"
    assert model[3].out_features == 5


@pytest.mark.parametrize(
    ("make", "batch", "head", "path"),
    [(mlp, ROWS, "3", "3"), (squeezenet, IMAGES, "classifier", "classifier.1"), (cnn, (IMAGES, None), "2", "2")],
)
def test_a_head_named_by_the_user_is_taken_with_and_without_a_batch(make, batch, head, path):
    assert find_head(make(), batch, head=head) == path
    for given in (batch, None):
        model = make()
        assert replace_head(model, 5, given, head=head) == path
        assert 5 in logits(model, batch).shape


def test_of_several_layers_in_a_named_module_the_tape_says_which_comes_last():
    def make():
        end = Module(lambda self, x: self.out(self.hidden(x).tanh()), out=nn.Linear(5, 7), hidden=nn.Linear(8, 5))
        return Module(lambda self, x: self.end(self.body(x)), body=nn.Linear(8, 8), end=end)

    assert find_head(make(), ROWS, head="end") == "end.out"
    assert replace_head(make(), 3, ROWS, head="end") == "end.out"
    with pytest.raises(InputError, match=r"holds several layers \(end.out, end.hidden\); name one of them, or pass"):
        replace_head(make(), 3, head="end")


def test_without_a_batch_the_last_part_of_a_sequential_comes_last():
    model = nn.Sequential(nn.Linear(8, 8), nn.Sequential(nn.Linear(8, 5), nn.Sequential(nn.Linear(5, 7), nn.Tanh())))
    assert replace_head(model, 3, head="1") == "1.1.0"


def test_one_of_several_heads_is_replaced_where_it_is_named():
    model = Module(lambda self, x: (self.a(x), self.b(x)), a=nn.Linear(8, 7), b=nn.Linear(8, 2))
    assert replace_head(model, 5, ROWS, head="a") == "a"
    assert [output.shape[1] for output in model(ROWS)] == [5, 2]


def recurrent():
    return Module(lambda self, x: self.lstm(x)[0], lstm=nn.LSTM(8, 8))


def attention():
    return Module(lambda self, x: self.mix(x, x, x)[0], mix=nn.MultiheadAttention(8, 2, batch_first=True))


def bare():
    return Module(
        lambda self, x: F.linear(self.body(x), self.w), body=nn.Linear(8, 8), w=nn.Parameter(torch.ones(7, 8))
    )


def inner_bare():
    end = Module(lambda self, x: F.linear(x, self.w), w=nn.Parameter(torch.ones(7, 8)))
    return nn.Sequential(nn.Linear(8, 8), end)


def tied():
    model = Module(lambda self, x: self.end(self.table(x)), table=nn.Embedding(9, 4), end=nn.Linear(4, 9, bias=False))
    model.end.weight = model.table.weight
    return model


def twice():
    return nn.Sequential(nn.Linear(8, 8), end := nn.Linear(8, 8), nn.ReLU(), end)


def siamese():
    return Module(lambda self, x: self.end(x) - self.end(x.flip(1)), end=nn.Linear(8, 7))


def two_heads():
    return Module(lambda self, x: (self.a(x), self.b(x)), a=nn.Linear(8, 7), b=nn.Linear(8, 2))


def summed():
    return Module(lambda self, x: self.a(x) + self.b(x.relu()), a=nn.Linear(8, 7), b=nn.Linear(8, 7))


def skipped():
    return Module(lambda self, x: x + self.b(self.a(x).relu()), a=nn.Linear(8, 8), b=nn.Linear(8, 8))


def features():
    return Module(lambda self, x: self.layer2(self.layer1(x)), layer1=block(3, 8), layer2=block(8, 16))


def pooled():
    """Like a bare encoder: the states, and beside them what a pooler makes of the first."""
    forward = lambda self, x: (h := self.body(x), self.pooler(h[:, 0]).tanh())  # noqa: E731
    return Module(forward, body=nn.Linear(8, 8), pooler=nn.Linear(8, 8))


def normed():
    return nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 7), nn.BatchNorm1d(7))


def patches():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 7, 3))


def grouped():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Conv2d(8, 8, 1, groups=2))


def weight_normed():
    model = mlp()
    parametrizations.weight_norm(model[3])
    return model


def imaginary():
    return nn.Sequential(nn.Linear(8, 7, dtype=torch.complex64))


def pruned():
    model = mlp()
    prune.l1_unstructured(model[3], "weight", 0.5)
    return model


@pytest.mark.parametrize(
    ("make", "batch", "says"),
    [
        (recurrent, SEQUENCES, "'lstm', which is of kind lstm"),
        (attention, SEQUENCES, "'mix.out_proj', which is of kind attention"),
        (bare, ROWS, "'w', which belongs to the model itself"),
        (inner_bare, ROWS, "'1', which is a Module"),
        (tied, torch.randint(0, 9, (4, 5)), "'table', which is of kind embedding and used more than once"),
        (twice, ROWS, "'1', which is used more than once in a pass"),
        (siamese, ROWS, "'end', which is used more than once in a pass"),
        (two_heads, ROWS, "several layers make the output ('a', 'b'); name the head, with head='a'"),
        (summed, ROWS, "several layers make the output ('a', 'b')"),
        (skipped, ROWS, "'b', which is followed by a"),
        (features, IMAGES, "several layers make the output ('layer2.conv2', 'layer2.downsample.0')"),
        (pooled, SEQUENCES, "several layers make the output ('body', 'pooler')"),
        (normed, ROWS, "'2', which is followed by batch_norm"),
        (patches, IMAGES, "'2', which has kernel (3, 3)"),
        (grouped, IMAGES, "'2', which has kernel (1, 1) and 2 groups"),
        (weight_normed, ROWS, "'3', which has a weight that a parametrization computes"),
        (pruned, ROWS, "'3', which holds more than a weight and a bias (weight_mask, weight_orig)"),
        (lambda: nn.Linear(8, 7), ROWS, "which belongs to the model itself"),
        (imaginary, ROWS.to(torch.complex64), "'0', which has no weight that is a plain tensor of real numbers"),
        (mlp, IMAGES, "fails on the batch"),
    ],
)  # fmt: skip
def test_a_model_without_a_head_of_its_own_is_refused_and_stays_as_it_was(make, batch, says):
    model = make()
    before = snapshot(model)
    for sentence in refusals(model, batch):
        assert says in sentence
    assert same(before, snapshot(model))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda: mlp().to("meta"), "0.weight is on the meta device"),
        (lambda: nn.Sequential(nn.Linear(8, 4), nn.LazyLinear(7)), "1.weight has no shape yet"),
        (lambda: nn.Flatten(), "no parameters"),
        (lambda: [1], "model=list): the model must be a torch.nn.Module"),
    ],
)
def test_what_holds_no_weights_is_refused(make, says):
    for sentence in refusals(make(), ROWS):
        assert says in sentence


def refusals(model, batch):
    """What each of the two functions says."""
    for call in (find_head, lambda model, batch: replace_head(model, 5, batch)):
        with pytest.raises(InputError) as caught:
            call(model, batch)
        assert "\n" not in str(caught.value)
        yield str(caught.value)


def test_the_head_of_a_language_model_is_refused_for_it_is_its_embedding(hf):
    model = gpt2(hf, "GPT2LMHeadModel")
    with pytest.raises(InputError, match=r"'transformer.wte', which is of kind embedding and used more than once"):
        replace_head(model, 5, TOKENS)
    with pytest.raises(InputError, match=r"lm_head'\): it shares its weight with 'transformer.wte'"):
        replace_head(model, 5, head="lm_head")


def test_an_encoder_without_a_head_is_refused_though_it_has_a_pooler(hf):
    with pytest.raises(InputError, match=r"output \('encoder.layer.1.output.dense', 'pooler.dense'\)"):
        find_head(bert(hf, "BertModel"), TOKENS)


@pytest.mark.parametrize(
    ("head", "says"),
    [
        ("fcc", "the model has no module of that path; did you mean 'fc'?"),
        ("layer1.conv2", "it has kernel (3, 3)"),
        ("layer1", "the model does not run with 5 outputs at 'layer1.downsample.0'"),
        ("layer1.norm1", "it is a BatchNorm2d, and must be a Linear"),
        ("layer2.downsample", "the model does not run with 5 outputs at 'layer2.downsample.0'"),
    ],
)
def test_a_named_head_that_is_none_is_refused_and_the_model_stays_as_it_was(head, says):
    model = resnet()
    before, modules = snapshot(model), dict(model.named_modules())
    with pytest.raises(InputError) as caught:
        replace_head(model, 5, IMAGES, head=head)
    assert says in str(caught.value)
    assert same(before, snapshot(model))
    assert dict(model.named_modules()) == modules
    assert model.num_classes == 7


def test_a_named_layer_that_does_not_make_the_output_is_refused_and_put_back():
    model = Module(lambda self, x: (self.b(x), self.a(x)), a=nn.Linear(8, 7), b=nn.Linear(8, 2), num_classes=7)
    before, a = snapshot(model), model.a
    with pytest.raises(InputError, match=r"the model's output has shape \(4, 2\) instead of \(4, 2\), so it does not"):
        replace_head(model, 5, ROWS, head="a")
    assert same(before, snapshot(model))
    assert model.a is a
    assert model.num_classes == 7


def test_the_model_itself_is_no_head_that_could_be_replaced_in_it():
    with pytest.raises(InputError, match="is the model itself; wrap it"):
        replace_head(nn.Linear(8, 7), 5, head="")


@pytest.mark.parametrize("classes", [0, -1, 2.0, True, "5", None])
def test_classes_must_be_a_whole_number_of_at_least_one(classes):
    with pytest.raises(InputError, match=r"classes must be a whole number, at least 1"):
        replace_head(mlp(), classes, ROWS)


def test_a_seed_must_be_a_whole_number():
    with pytest.raises(InputError, match="seed must be a whole number"):
        replace_head(mlp(), 5, ROWS, seed=0.5)


def test_without_batch_and_path_nothing_is_guessed():
    with pytest.raises(InputError, match="pass one, or head='path'"):
        replace_head(mlp(), 5)
