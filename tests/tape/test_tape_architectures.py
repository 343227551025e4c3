"""A table of architectures with what the tape must say of each."""

from dataclasses import dataclass, field

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations, prune, spectral_norm, weight_norm

from latih import tape

IMAGES, ROWS, TOKENS = torch.randn(4, 3, 8, 8), torch.randn(4, 8), torch.randint(0, 10, (4, 6))
SEQUENCES = torch.randn(4, 5, 8)


class Module(nn.Module):
    """A module from parts and a function."""

    def __init__(self, forward, **parts):
        super().__init__()
        self.run = forward
        for name, part in parts.items():
            setattr(self, name, part)

    def forward(self, *args, **kwargs):
        return self.run(self, *args, **kwargs)


@dataclass
class Case:
    model: nn.Module
    batch: object
    rows: list[str]
    """"layer | kind | fans | between | feeds" of every weight."""
    heads: list[str]
    residual: list[str] = field(default_factory=list)
    shared: list[str] = field(default_factory=list)
    inputs: dict[str, list[str]] = field(default_factory=dict)
    """Of some layers."""
    biased: list[str] | None = None
    """None: not compared."""


def residual_stack(self, x):
    x = self.stem(x)
    for up, down in zip(self.up, self.down, strict=True):
        x = x + down(F.dropout(F.elu(up(x)), 0.1))
    return self.head(x)


def resnet_block(self, x):
    main = self.norm2(self.conv2(F.relu(self.norm1(self.conv1(x)), inplace=True)))
    return F.relu(main + self.shortcut(x))


def block(inputs, outputs, stride):
    conv = lambda i, o, k, s: nn.Conv2d(i, o, k, s, padding=k // 2, bias=False)  # noqa: E731
    shortcut = (
        nn.Identity() if inputs == outputs else nn.Sequential(conv(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))
    )
    parts = dict(conv1=conv(inputs, outputs, 3, stride), conv2=conv(outputs, outputs, 3, 1))
    return Module(
        resnet_block, **parts, norm1=nn.BatchNorm2d(outputs), norm2=nn.BatchNorm2d(outputs), shortcut=shortcut
    )


def hand_written(self, x):
    x = torch.tanh(x @ self.w1 + self.b1)
    x = F.linear(x, self.w2, self.b2).relu()
    x = torch.einsum("bi,ij->bj", x, self.w3)
    return torch.addmm(self.b4, x, self.w4.t())


def transposed(self, x):
    return (self.w2 @ torch.relu(self.w1 @ x.t() + self.b[:, None])).t()


def matrices(**sizes):
    return {name: nn.Parameter(torch.randn(size) / 4) for name, size in sizes.items()}


def recurrent(kind, **options):
    width = 5 * (2 if options.get("bidirectional") else 1)
    layers = kind(8, 5, batch_first=True, **options)
    return Module(
        lambda self, x: self.head(self.rnn(self.embed(x))[0][:, -1]),
        embed=nn.Embedding(10, 8),
        rnn=layers,
        head=nn.Linear(width, 3),
    )


def cell_loop(self, x):
    state = torch.zeros(len(x), 5)
    for step in range(x.shape[1]):
        state = self.cell(x[:, step], state)
    return self.head(state)


def scan(self, x):
    state = torch.zeros(len(x), 5)
    for step in range(x.shape[1]):
        state = torch.tanh(self.read(x[:, step]) + self.carry(state))
    return self.head(state)


def gpt(self, tokens):
    x = self.wte(tokens) + self.wpe(torch.arange(tokens.shape[1]))
    q, k, v = (part.unflatten(-1, (2, 4)).transpose(1, 2) for part in self.qkv(self.norm1(x)).split(8, -1))
    mixed = F.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
    x = x + self.out(mixed)
    x = x + self.down(F.gelu(self.up(self.norm2(x))))
    return self.head(self.norm3(x))


def make_gpt(tied):
    model = Module(
        gpt,
        wte=nn.Embedding(10, 8),
        wpe=nn.Embedding(6, 8),
        norm1=nn.LayerNorm(8),
        qkv=nn.Linear(8, 24),
        out=nn.Linear(8, 8),
        norm2=nn.LayerNorm(8),
        up=nn.Linear(8, 32),
        down=nn.Linear(32, 8),
        norm3=nn.LayerNorm(8),
        head=nn.Linear(8, 10, bias=False),
    )
    if tied:
        model.head.weight = model.wte.weight
    return model


GPT_ROWS = [
    "wte | embedding | 1 > 8 | add, layer_norm | none",
    "wpe | embedding | 1 > 8 | add, layer_norm | none",
    "qkv | attention | 8 > 24 | view, attention | none",
    "out | linear | 8 > 8 | add, layer_norm | none",
    "up | linear | 8 > 32 | - | gelu(approximate=none)",
    "down | linear | 32 > 8 | add, layer_norm | none",
]


def cross_attention(self, x):
    mixed, _ = self.attention(self.latents.expand(len(x), -1, -1), x, x)
    return torch.softmax(mixed.mean(1) @ self.weight, -1)


def plain_attention(self, x):
    q, k, v = self.q(x), self.k(x), self.v(x)
    return self.head(torch.softmax(q @ k.transpose(1, 2) / 8**0.5, -1) @ v)


CASES = {
    "sequential with norms and dropout": Case(
        nn.Sequential(
            nn.Linear(8, 16),
            nn.BatchNorm1d(16),
            nn.Dropout(0.2),
            nn.SELU(),
            nn.Linear(16, 6),
            nn.ReLU(),
            nn.LayerNorm(6),
            nn.AlphaDropout(0.1),
            nn.Linear(6, 3),
        ),
        ROWS,
        [
            "0 | linear | 8 > 16 | batch_norm, dropout | selu",
            "4 | linear | 16 > 6 | - | relu",
            "8 | linear | 6 > 3 | - | none",
        ],
        ["8"],
        inputs={"0": [], "4": ["0"], "8": ["4"]},
        biased=["0", "4", "8"],
    ),
    "a stack without activations": Case(
        nn.Sequential(nn.Linear(8, 8), nn.Linear(8, 8), nn.Dropout(0.0), nn.Linear(8, 3), nn.Softmax(-1)),
        ROWS,
        ["0 | linear | 8 > 8 | - | none", "1 | linear | 8 > 8 | - | none", "3 | linear | 8 > 3 | - | softmax(dim=-1)"],
        ["3"],
    ),
    "every norm": Case(
        nn.Sequential(
            nn.Conv2d(3, 4, 1),
            nn.GroupNorm(2, 4),
            nn.ReLU(),
            nn.Conv2d(4, 4, 1),
            nn.InstanceNorm2d(4, affine=True),
            nn.ReLU(),
            nn.Conv2d(4, 4, 1),
            nn.LocalResponseNorm(2),
            nn.ReLU(),
            nn.Conv2d(4, 4, 1),
            nn.RMSNorm([8]),
            nn.ReLU(),
            nn.Conv2d(4, 4, 1),
            nn.BatchNorm2d(4, affine=False),
            nn.Flatten(),
            nn.Linear(256, 2),
        ),
        IMAGES,
        [
            "0 | conv2d | 3 > 4 | group_norm | relu",
            "3 | conv2d | 4 > 4 | instance_norm | relu",
            "6 | conv2d | 4 > 4 | local_response_norm | relu",
            "9 | conv2d | 4 > 4 | rms_norm | relu",
            "12 | conv2d | 4 > 4 | batch_norm, view | none",
            "15 | linear | 256 > 2 | - | none",
        ],
        ["15"],
    ),
    "convolutions, pools and a projection": Case(
        nn.Sequential(
            nn.Conv2d(3, 4, 3, padding=1),
            nn.MaxPool2d(2),
            nn.ReLU(),
            block(4, 4, 1),
            block(4, 8, 2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(8, 3),
        ),
        IMAGES,
        [
            "0 | conv2d | 27 > 36 | pool | relu",
            "3.conv1 | conv2d | 36 > 36 | batch_norm | relu",
            "3.conv2 | conv2d | 36 > 36 | batch_norm, add | relu",
            "4.conv1 | conv2d | 36 > 72 | batch_norm | relu",
            "4.conv2 | conv2d | 72 > 72 | batch_norm, add | relu",
            "4.shortcut.0 | conv2d | 4 > 8 | batch_norm, add | relu",
            "7 | linear | 8 > 3 | - | none",
        ],
        ["7"],
        residual=["3.conv1", "3.conv2", "4.conv1", "4.conv2"],
        inputs={"4.conv1": ["3.conv2"], "7": ["4.conv2", "4.shortcut.0"]},
        biased=["0", "7"],
    ),
    "one and three dimensions, groups": Case(
        Module(
            lambda self, x: self.c(F.silu(self.b(F.relu(self.a(x)).unsqueeze(-1).unsqueeze(-1)))),
            a=nn.Conv1d(3, 6, 3, groups=3),
            b=nn.Conv3d(6, 4, (3, 1, 1)),
            c=nn.Conv3d(4, 4, 1, groups=4),
        ),
        torch.randn(2, 3, 9),
        ["a | conv1d | 3 > 6 | - | relu", "b | conv3d | 18 > 12 | - | silu", "c | conv3d | 1 > 1 | - | none"],
        ["c"],
    ),
    "transposed convolutions": Case(
        nn.Sequential(
            nn.ConvTranspose2d(3, 4, 3),
            nn.Tanh(),
            nn.Upsample(scale_factor=2),
            nn.ConvTranspose2d(4, 2, 3, groups=2),
            nn.Sigmoid(),
        ),
        IMAGES,
        ["0 | conv_transpose2d | 27 > 36 | - | tanh", "3 | conv_transpose2d | 18 > 9 | - | sigmoid"],
        ["3"],
    ),
    "residual blocks": Case(
        Module(
            residual_stack,
            stem=nn.Linear(8, 8),
            head=nn.Linear(8, 3),
            up=nn.ModuleList(nn.Linear(8, 16) for _ in range(3)),
            down=nn.ModuleList(nn.Linear(16, 8) for _ in range(3)),
        ),
        ROWS,
        [
            "stem | linear | 8 > 8 | - | none",
            "up.0 | linear | 8 > 16 | - | elu(alpha=1)",
            "down.0 | linear | 16 > 8 | add | none",
            "up.1 | linear | 8 > 16 | - | elu(alpha=1)",
            "down.1 | linear | 16 > 8 | add | none",
            "up.2 | linear | 8 > 16 | - | elu(alpha=1)",
            "down.2 | linear | 16 > 8 | add | none",
            "head | linear | 8 > 3 | - | none",
        ],
        ["head"],
        residual=["up.0", "down.0", "up.1", "down.1", "up.2", "down.2"],
        inputs={"up.1": ["down.0"], "head": ["down.2"]},
    ),
    "a skip from the raw input": Case(
        Module(lambda self, x: x + self.f(x), f=nn.Sequential(nn.Linear(8, 8), nn.Mish(), nn.Linear(8, 8))),
        ROWS,
        ["f.0 | linear | 8 > 8 | - | mish", "f.2 | linear | 8 > 8 | add | none"],
        ["f.2"],
        residual=["f.0", "f.2"],
    ),
    "two towers": Case(
        Module(
            lambda self, a, b: self.head(self.deep(a) + self.flat(b)),
            deep=nn.Sequential(nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 4)),
            flat=nn.Linear(5, 4),
            head=nn.Linear(4, 1),
        ),
        ((ROWS, torch.randn(4, 5)), torch.randn(4, 1)),
        [
            "deep.0 | linear | 8 > 8 | - | relu",
            "deep.2 | linear | 8 > 4 | add | none",
            "flat | linear | 5 > 4 | add | none",
            "head | linear | 4 > 1 | - | none",
        ],
        ["head"],
        inputs={"head": ["deep.2", "flat"]},
    ),
    "dense connections": Case(
        Module(
            lambda self, x: self.c(
                torch.cat([h := torch.cat([x, torch.relu(self.a(x))], 1), torch.relu(self.b(h))], 1)
            ),
            a=nn.Linear(8, 4),
            b=nn.Linear(12, 4),
            c=nn.Linear(16, 2),
        ),
        ROWS,
        ["a | linear | 8 > 4 | - | relu", "b | linear | 12 > 4 | - | relu", "c | linear | 16 > 2 | - | none"],
        ["c"],
        inputs={"c": ["a", "b"]},
    ),
    "matrices by hand": Case(
        Module(hand_written, **matrices(w1=(8, 6), b1=6, w2=(5, 6), b2=5, w3=(5, 7), w4=(3, 7), b4=3)),
        ROWS,
        [
            "w1 | linear | 8 > 6 | - | tanh",
            "w2 | linear | 6 > 5 | - | relu",
            "w3 | linear | 5 > 7 | view | none",
            "w4 | linear | 7 > 3 | - | none",
        ],
        ["w4"],
        biased=["w1", "w2", "w4"],
    ),
    "weights on the left": Case(
        Module(transposed, **matrices(w1=(6, 8), b=6, w2=(3, 6))),
        ROWS,
        ["w1 | linear | 8 > 6 | - | relu", "w2 | linear | 6 > 3 | view | none"],
        ["w2"],
        biased=["w1"],
    ),
    "a shared layer": Case(
        Module(lambda self, x: self.b(F.relu(self.a(F.relu(self.a(x))))), a=nn.Linear(8, 8), b=nn.Linear(8, 2)),
        ROWS,
        ["a | linear | 8 > 8 | - | relu", "b | linear | 8 > 2 | - | none"],
        ["b"],
        shared=["a"],
    ),
    "a shared layer before different activations": Case(
        Module(lambda self, x: self.b(F.tanh(self.a(F.relu(self.a(x))))), a=nn.Linear(8, 8), b=nn.Linear(8, 2)),
        ROWS,
        ["a | linear | 8 > 8 | - | unknown", "b | linear | 8 > 2 | - | none"],
        ["b"],
        shared=["a"],
    ),
    "bytes as input": Case(
        Module(lambda self, x: self.b(F.relu(self.a(x.float() / 255))), a=nn.Linear(8, 8), b=nn.Linear(8, 2)),
        torch.randint(0, 255, (4, 8), dtype=torch.uint8),
        ["a | linear | 8 > 8 | - | relu", "b | linear | 8 > 2 | - | none"],
        ["b"],
    ),
    "an embedding bag and a bilinear layer": Case(
        Module(
            lambda self, x: self.b(F.relu(self.a(self.e(x), self.e(x)))),
            e=nn.EmbeddingBag(10, 8),
            a=nn.Bilinear(8, 8, 4),
            b=nn.Linear(4, 2),
        ),
        TOKENS,
        ["e | embedding | 1 > 8 | - | none", "a | bilinear | 64 > 4 | - | relu", "b | linear | 4 > 2 | - | none"],
        ["b"],
        shared=["e"],
        biased=["a", "b"],
    ),
    "rnn": Case(
        recurrent(nn.RNN, nonlinearity="relu"),
        TOKENS,
        [
            "embed | embedding | 1 > 8 | - | none",
            "rnn.weight_ih_l0 | rnn | 8 > 5 | - | relu",
            "rnn.weight_hh_l0 | rnn | 5 > 5 | - | relu",
            "head | linear | 5 > 3 | - | none",
        ],
        ["head"],
        inputs={"rnn": ["embed"], "head": ["rnn"]},
    ),
    "gru": Case(
        recurrent(nn.GRU),
        TOKENS,
        [
            "embed | embedding | 1 > 8 | - | none",
            "rnn.weight_ih_l0 | gru | 8 > 5 | - | tanh(gates=sigmoid)",
            "rnn.weight_hh_l0 | gru | 5 > 5 | - | tanh(gates=sigmoid)",
            "head | linear | 5 > 3 | - | none",
        ],
        ["head"],
    ),
    "lstm, two layers, both ways": Case(
        recurrent(nn.LSTM, num_layers=2, bidirectional=True, dropout=0.1),
        TOKENS,
        [
            "embed | embedding | 1 > 8 | - | none",
            *(
                f"rnn.weight_{part}_l{layer}{way} | lstm | {fan} > 5 | - | tanh(gates=sigmoid)"
                for layer in range(2)
                for way in ("", "_reverse")
                for part, fan in (("ih", (8, 10)[layer]), ("hh", 5))
            ),
            "head | linear | 10 > 3 | - | none",
        ],
        ["head"],
    ),
    "a cell in a loop": Case(
        Module(cell_loop, cell=nn.GRUCell(8, 5), head=nn.Linear(5, 2)),
        SEQUENCES,
        [
            "cell.weight_ih | gru | 8 > 5 | - | tanh(gates=sigmoid)",
            "cell.weight_hh | gru | 5 > 5 | - | tanh(gates=sigmoid)",
            "head | linear | 5 > 2 | - | none",
        ],
        ["head"],
        shared=["cell"],
    ),
    "a recurrence by hand": Case(
        Module(scan, read=nn.Linear(8, 5), carry=nn.Linear(5, 5), head=nn.Linear(5, 2)),
        SEQUENCES,
        [
            "read | linear | 8 > 5 | add | tanh",
            "carry | linear | 5 > 5 | add | tanh",
            "head | linear | 5 > 2 | - | none",
        ],
        ["head"],
        shared=["read", "carry"],
    ),
    "gpt": Case(
        make_gpt(tied=False),
        TOKENS,
        [*GPT_ROWS, "head | linear | 8 > 10 | - | none"],
        ["head"],
        residual=["qkv", "out", "up", "down"],
        inputs={"qkv": ["wte", "wpe"], "out": ["qkv"], "up": ["out"], "head": ["down"]},
    ),
    "gpt with tied embeddings": Case(
        make_gpt(tied=True),
        TOKENS,
        GPT_ROWS,
        ["wte"],
        residual=["qkv", "out", "up", "down"],
        shared=["wte"],
    ),
    "transformer encoder": Case(
        nn.Sequential(
            nn.TransformerEncoder(
                nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, norm_first=True), 1, enable_nested_tensor=False
            ),
            nn.Linear(8, 3),
        ),
        SEQUENCES,
        [
            "0.layers.0.self_attn | attention | 8 > 8 | view, scale, view, product | none",
            "0.layers.0.self_attn.out_proj | attention | 8 > 8 | view, dropout, add, layer_norm | none",
            "0.layers.0.linear1 | linear | 8 > 16 | - | relu",
            "0.layers.0.linear2 | linear | 16 > 8 | dropout, add | none",
            "1 | linear | 8 > 3 | - | none",
        ],
        ["1"],
        residual=["0.layers.0.self_attn", "0.layers.0.self_attn.out_proj", "0.layers.0.linear1", "0.layers.0.linear2"],
    ),
    "cross attention from learned queries": Case(
        Module(
            cross_attention,
            attention=nn.MultiheadAttention(8, 2, batch_first=True),
            **matrices(latents=(1, 3, 8), weight=(8, 3)),
        ),
        SEQUENCES,
        [
            "attention | attention | 8 > 8 | view, scale, product | none",
            "attention.out_proj | attention | 8 > 8 | view, pool | none",
            "weight | linear | 8 > 3 | - | softmax(dim=-1)",
        ],
        ["weight"],
    ),
    "attention with other widths for keys and values": Case(
        Module(
            lambda self, x: self.attention(x, x[..., :6], x[..., :4], need_weights=False)[0],
            attention=nn.MultiheadAttention(8, 2, kdim=6, vdim=4, batch_first=True),
        ),
        SEQUENCES,
        [
            "attention.q_proj_weight | attention | 8 > 8 | view, attention | none",
            "attention.k_proj_weight | attention | 6 > 8 | view, attention | none",
            "attention.v_proj_weight | attention | 4 > 8 | view, attention | none",
            "attention.out_proj | attention | 8 > 8 | view | none",
        ],
        ["attention.out_proj"],
    ),
    "attention by hand": Case(
        Module(plain_attention, q=nn.Linear(8, 8), k=nn.Linear(8, 8), v=nn.Linear(8, 8), head=nn.Linear(8, 2)),
        SEQUENCES,
        [
            "q | linear | 8 > 8 | view, product | none",
            "k | linear | 8 > 8 | view, product | none",
            "v | linear | 8 > 8 | view, product | none",
            "head | linear | 8 > 2 | - | none",
        ],
        ["head"],
        inputs={"head": ["q", "k", "v"]},
    ),
    "a gate beside the signal": Case(
        Module(
            lambda self, x: self.c(F.relu((y := self.a(x)) * torch.sigmoid(self.b(y)))),
            a=nn.Linear(8, 6),
            b=nn.Linear(6, 6),
            c=nn.Linear(6, 2),
        ),
        ROWS,
        ["a | linear | 8 > 6 | - | unknown", "b | linear | 6 > 6 | - | sigmoid", "c | linear | 6 > 2 | - | none"],
        ["c"],
    ),
    "swiglu": Case(
        Module(
            lambda self, x: self.c(F.silu(self.a(x)) * self.b(x)),
            a=nn.Linear(8, 16),
            b=nn.Linear(8, 16),
            c=nn.Linear(16, 8),
        ),
        ROWS,
        ["a | linear | 8 > 16 | - | silu", "b | linear | 8 > 16 | mul | none", "c | linear | 16 > 8 | - | none"],
        ["c"],
    ),
    "low-rank update": Case(
        Module(
            lambda self, x: F.relu(F.linear(x, self.weight + 0.5 * self.b @ self.a)),
            **matrices(weight=(6, 8), a=(2, 8), b=(6, 2)),
        ),
        ROWS,
        ["weight | linear | 8 > 6 | - | relu"],
        ["weight"],
    ),
    "parametrized weights": Case(
        nn.Sequential(
            parametrizations.weight_norm(nn.Linear(8, 8)),
            nn.ReLU(),
            parametrizations.spectral_norm(nn.Linear(8, 8)),
            nn.SELU(),
            parametrizations.orthogonal(nn.Linear(8, 3)),
        ),
        ROWS,
        ["0 | linear | 8 > 8 | - | relu", "2 | linear | 8 > 8 | - | selu", "4 | linear | 8 > 3 | - | none"],
        ["4"],
        biased=["0", "2", "4"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_the_table_of_an_architecture(name):
    case = CASES[name]
    read = tape.read(case.model, case.batch)
    lines = [[cell.strip() for cell in line.split("  ") if cell.strip()] for line in read.table().splitlines()[1:]]
    assert [" | ".join(line) for line in lines] == case.rows


@pytest.mark.parametrize("name", CASES)
def test_where_the_layers_of_an_architecture_sit(name):
    case = CASES[name]
    layers = tape.read(case.model, case.batch).layers
    told = {layer.name or layer.parameter: layer for layer in layers}
    assert [key for key, layer in told.items() if layer.is_head] == case.heads
    assert [key for key, layer in told.items() if layer.in_residual] == case.residual
    assert [key for key, layer in told.items() if layer.shared] == case.shared
    assert {key: told[key].inputs for key in case.inputs} == case.inputs
    if case.biased is not None:
        assert [key for key, layer in told.items() if layer.bias is not None] == case.biased


@pytest.mark.parametrize("name", CASES)
def test_every_weight_is_the_parameter_itself(name):
    case = CASES[name]
    parameters = dict(case.model.named_parameters())
    read = tape.read(case.model, case.batch)
    assert all(layer.weight is parameters[layer.parameter] for layer in read.layers)
    assert read.unreached == []


def test_stacked_matrices_are_counted():
    blocks = {layer.parameter: layer.blocks for layer in tape.read(recurrent(nn.LSTM, proj_size=0), TOKENS).layers}
    assert blocks == {"embed.weight": 1, "rnn.weight_ih_l0": 4, "rnn.weight_hh_l0": 4, "head.weight": 1}
    attention = CASES["transformer encoder"]
    assert [layer.blocks for layer in tape.read(attention.model, attention.batch).layers] == [3, 1, 1, 1, 1]


def test_a_projected_lstm_has_three_matrices():
    model = Module(lambda self, x: self.rnn(x)[0], rnn=nn.LSTM(8, 5, proj_size=3))
    layers = tape.read(model, SEQUENCES).layers
    assert [(layer.parameter, layer.fan_in, layer.fan_out, layer.recurrent) for layer in layers] == [
        ("rnn.weight_ih_l0", 8, 5, False),
        ("rnn.weight_hh_l0", 3, 5, True),
        ("rnn.weight_hr_l0", 5, 3, False),
    ]


def test_the_original_of_a_parametrized_weight_is_named():
    case = CASES["parametrized weights"]
    assert [layer.parameter for layer in tape.read(case.model, case.batch).layers] == [
        "0.parametrizations.weight.original1",
        "2.parametrizations.weight.original",
        "4.parametrizations.weight.original",
    ]


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated:FutureWarning")
def test_weights_rewritten_by_hooks_are_traced_to_their_originals():
    pruned = nn.Linear(8, 8)
    prune.random_unstructured(pruned, "weight", amount=0.3)
    model = nn.Sequential(pruned, nn.ReLU(), spectral_norm(nn.Linear(8, 8)), nn.Tanh(), weight_norm(nn.Linear(8, 3)))
    weights = [model[0].weight, model[2].weight, model[4].weight]
    layers = tape.read(model, ROWS).layers
    assert [(layer.parameter, layer.feeds.name) for layer in layers] == [
        ("0.weight_orig", "relu"),
        ("2.weight_orig", "tanh"),
        ("4.weight_v", "none"),
    ]
    assert all(now is before for now, before in zip([m.weight for m in model[::2]], weights, strict=True))


class TimesWeight(torch.autograd.Function):
    @staticmethod
    def forward(ctx, x, weight):
        ctx.save_for_backward(x, weight)
        return x @ weight

    @staticmethod
    def backward(ctx, grad):
        x, weight = ctx.saved_tensors
        return grad @ weight.t(), x.t() @ grad


def test_a_custom_function_with_a_weight_is_a_layer_of_unknown_kind():
    model = Module(lambda self, x: F.relu(TimesWeight.apply(x, self.weight)), **matrices(weight=(8, 3)))
    (layer,) = tape.read(model, ROWS).layers
    assert (layer.kind, layer.fan_in, layer.fan_out, layer.feeds.name) == ("unknown", 0, 0, "relu")


@pytest.mark.parametrize("depth", [1000])
def test_a_thousand_layers_are_read(depth):
    chain = nn.Sequential(*(part for _ in range(depth) for part in (nn.Linear(4, 4), nn.SELU())))
    read = tape.read(chain, torch.randn(2, 4))
    assert len(read.layers) == depth
    assert {layer.feeds.name for layer in read.layers} == {"selu"}
    assert [layer.inputs for layer in read.layers[1:]] == [[layer.name] for layer in read.layers[:-1]]


def test_a_thousand_residual_layers_are_read():
    def forward(self, x):
        for layer in self.layers:
            x = x + layer(F.relu(x))
        return x

    model = Module(forward, layers=nn.ModuleList(nn.Linear(4, 4) for _ in range(1000)))
    read = tape.read(model, torch.randn(2, 4))
    assert len(read.layers) == 1000
    assert all(layer.in_residual for layer in read.layers)
    assert [layer.feeds.name for layer in read.layers] == ["relu"] * 999 + ["none"]
