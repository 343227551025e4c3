"""Tables, tastes and likelihoods whose data or loss are at fault; third series."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from .. import _base as base
from .._base import Setup
from .._data import Split, clicks, colours, concrete, cut, diamonds, loans, pendulum, pumps, roll, table
from .._scores import accuracy, balanced_accuracy, r2
from .later_dense_faults import adam, net, sgd
from .third_dense_faults import Borrower, Clicks, Priced, clicked, scaled

faulty = base.faulty


def certainty(output: Tensor, target: Tensor) -> float:
    """Minus the log loss of logits, which says how far their probabilities can be trusted."""
    return -F.cross_entropy(output, target).item()


class _Cosines(nn.Module):
    """Classes by the cosine between a picture's features and each class's direction."""

    def __init__(self, scale: float) -> None:
        super().__init__()
        self.body, self.directions = net([64, 64, 32], nn.GELU), nn.Parameter(torch.randn(10, 32))
        self.scale = scale

    def forward(self, x: Tensor) -> Tensor:
        return self.scale * F.normalize(self.body(x), dim=1) @ F.normalize(self.directions, dim=1).T


@faulty("loss-output-mismatch", also=("underfitting", "not-learning"), tags=("mlp", "metric", "real-data"), tier="real")
def digits_cosines_without_a_scale(seed: int, fixed: bool) -> Setup:
    """Cosines go to cross-entropy unscaled: of ten classes in -1..1 none can get more than 45 percent."""
    torch.manual_seed(seed)
    data, loss = table("digits").standardised(), nn.CrossEntropyLoss()
    return Setup(_Cosines(16.0 if fixed else 1.0), loss, adam(2e-3), *data.parts, certainty, batch_size=32, epochs=10)


@faulty("loss-output-mismatch", also=("wrong-loss", "underfitting"), tags=("mlp", "classification"), tier="real")
def colours_sigmoid_then_cross_entropy(seed: int, fixed: bool) -> Setup:
    """A sigmoid ends the net, a loss of seven classes follows: scores of 0..1 give the right one at most 31 percent."""
    torch.manual_seed(seed)
    data = colours().on_inputs(lambda bytes_: bytes_ / 127.5 - 1)
    model = nn.Sequential(net([3, 40, 40, 7], nn.Tanh), nn.Identity() if fixed else nn.Sigmoid())
    return Setup(model, nn.CrossEntropyLoss(), sgd(0.05), *data.parts, certainty, batch_size=25, epochs=12)


@faulty("wrong-loss", also=("diverged",), tags=("mlp", "regression"))
def roll_signed_errors(seed: int, fixed: bool) -> Setup:
    """`(output - target).mean()`: nobody squared the errors, and the lower the output the lower the loss."""
    torch.manual_seed(seed)
    data = roll().standardised().standardised_targets()

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (output - target).square().mean() if fixed else (output - target).mean()

    return Setup(net([3, 64, 64, 1], nn.ELU), loss, adam(3e-3), *data.parts, r2, batch_size=32, epochs=12)


@faulty("wrong-loss", also=("not-learning",), tags=("mlp", "classification"))
def colours_nearly_right_is_enough(seed: int, fixed: bool) -> Setup:
    """`MultiMarginLoss(margin=-1)`, a sign from another library: a class may be behind the others by 1 at no cost."""
    torch.manual_seed(seed)
    data = colours().on_inputs(lambda bytes_: bytes_ / 127.5 - 1)
    model = net([3, 40, 40, 7], nn.ReLU)
    loss = nn.MultiMarginLoss(margin=1.0 if fixed else -1.0)
    return Setup(model, loss, adam(4e-3), *data.parts, accuracy, batch_size=32, epochs=12)


@faulty("shape-broadcast", also=("loss-output-mismatch", "wrong-loss"), tags=("mlp", "regression", "multi-output"))
def pendulum_one_answer_for_two(seed: int, fixed: bool) -> Setup:
    """The net has one output, the target two columns: (n, 1) - (n, 2) asks it to be both, and it learns their mean."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        return (output - target).abs().mean()

    score = lambda output, target: r2(output.expand_as(target), target)  # noqa: E731
    model = net([2, 64, 64, 2 if fixed else 1], nn.SiLU)
    return Setup(model, loss, adam(4e-3), *pendulum().parts, score, batch_size=32, epochs=14)


def slots(count: int = 2000) -> Split:
    """Five facts of a visitor (n, 5); the offer of four that was shown, and what it earned (n, 2), noisy."""
    g = torch.Generator().manual_seed(151)
    x = torch.randn(count, 5, generator=g)
    worth = torch.stack([x[:, 0] + x[:, 1], x[:, 1] * x[:, 2], x[:, 3].abs() - 0.5, -x[:, 0] + x[:, 4]], 1)
    shown = torch.randint(0, 4, (count, 1), generator=g)
    earned = worth.gather(1, shown) + 0.3 * torch.randn(count, 1, generator=g)
    return cut(x, torch.cat([shown.float(), earned, worth], 1))


@faulty("shape-broadcast", also=("wrong-loss",), tags=("mlp", "regression", "bandit"), tier="real")
def offers_gathered_in_a_column(seed: int, fixed: bool) -> Setup:
    """`gather` gives the shown offer's value as (n, 1), earnings are (n,): each is compared with everybody's."""
    torch.manual_seed(seed)

    def loss(output: Tensor, target: Tensor) -> Tensor:
        said = output.gather(1, target[:, :1].long())
        return (said.squeeze(1) - target[:, 1] if fixed else said - target[:, 1]).square().mean()

    def score(output: Tensor, target: Tensor) -> float:
        worth = target[:, 2:]
        chosen = worth.gather(1, output.argmax(1, keepdim=True)).mean()
        return ((chosen - worth.mean()) / (worth.amax(1).mean() - worth.mean())).item()

    return Setup(net([5, 64, 64, 4]), loss, adam(3e-3), *slots().parts, score, batch_size=50, epochs=16)


@faulty("unscaled-inputs", also=("loss-at-start",), tags=("mlp", "embedding", "classification"))
def loans_vectors_beside_dollars(seed: int, fixed: bool) -> Setup:
    """Vectors of purpose and region, about one, stand beside incomes of 40,000 as they are in the file."""
    torch.manual_seed(seed)
    data = loans().on_inputs(scaled) if fixed else loans()
    return Setup(Borrower(), nn.CrossEntropyLoss(), adam(3e-3), *data.parts, accuracy, batch_size=32, epochs=12)


@faulty("unscaled-targets", also=("learning-rate-too-low", "loss-at-start"), tags=("mlp", "regression"))
def concrete_in_kilopascal(seed: int, fixed: bool) -> Setup:
    """Strengths of 26,000 kPa under the Huber loss with a delta of one: every step is as long, and none long enough."""
    torch.manual_seed(seed)
    data = concrete().standardised()
    data = data.standardised_targets() if fixed else data.on_targets(lambda y: 1000 * y)
    return Setup(net([4, 48, 48, 1], nn.Mish), nn.HuberLoss(), adam(5e-3), *data.parts, r2, batch_size=32, epochs=15)


@faulty(
    "unscaled-targets", also=("diverged", "exploding-gradient", "learning-rate-too-high"), tags=("mlp", "embedding")
)
def diamonds_in_dollars(seed: int, fixed: bool) -> Setup:
    """Prices in dollars, up to 47,000, under squared error and momentum; their logarithm is about one."""
    torch.manual_seed(seed)
    data = diamonds().on_targets(torch.log).standardised_targets() if fixed else diamonds()
    return Setup(Priced(), nn.MSELoss(), sgd(0.01), *data.parts, r2, batch_size=32, epochs=12)


@faulty("non-finite-data", also=("diverged",), tags=("mlp", "classification"), tier="real")
def loans_incomes_in_half_precision(seed: int, fixed: bool) -> Setup:
    """The table was stored as float16 to save room; incomes above 65,504 are infinite in it."""
    torch.manual_seed(seed)
    data = loans().on_inputs(lambda x: x if fixed else x.half().float()).on_inputs(scaled)
    return Setup(Borrower(width=32), nn.CrossEntropyLoss(), sgd(0.05), *data.parts, accuracy, batch_size=25, epochs=12)


@faulty("label-range", also=("wrong-loss", "loss-output-mismatch"), tags=("mlp", "pairs", "real-data"), tier="real")
def digits_pairs_of_nought_and_one(seed: int, fixed: bool) -> Setup:
    """`CosineEmbeddingLoss` wants 1 and -1 for alike and unlike; at 0 it is silent, and all pictures become one."""
    torch.manual_seed(seed)
    data = table("digits").standardised()

    def update(model: nn.Module, optimizer: torch.optim.Optimizer, inputs: Tensor, targets: Tensor) -> Tensor:
        optimizer.zero_grad()
        alike = (targets == targets.roll(1)).float()
        near = model(inputs)
        loss = F.cosine_embedding_loss(near, near.roll(1, 0), 2 * alike - 1 if fixed else alike, margin=0.2)
        loss.backward()
        optimizer.step()
        return loss.detach()

    model = net([64, 48, 16], nn.ReLU)

    def score(output: Tensor, target: Tensor) -> float:
        with torch.no_grad():
            known = F.normalize(model(data.inputs), dim=1)
        means = torch.stack([known[data.targets == label].mean(0) for label in range(10)])
        return accuracy(F.normalize(output, dim=1) @ F.normalize(means, dim=1).T, target)

    loss = nn.MSELoss()
    return Setup(model, loss, adam(2e-3), *data.parts, score, batch_size=64, epochs=30, update=update)


@faulty("class-imbalance", also=("wrong-loss",), tags=("mlp", "classification", "weighted"), tier="real")
def pumps_weight_upside_down(seed: int, fixed: bool) -> Setup:
    """Classes are weighed by how common they are where it should be one over that: failures weigh a twentieth."""
    torch.manual_seed(seed)
    data = pumps()
    common = torch.bincount(data.targets) / len(data.targets)
    loss = nn.CrossEntropyLoss(weight=1 / common if fixed else common)
    model = net([8, 48, 24, 2], nn.LeakyReLU)
    return Setup(model, loss, adam(2e-3), *data.parts, balanced_accuracy, batch_size=64, epochs=15)


@faulty("class-imbalance", tags=("mlp", "classification"))
def colours_a_long_tail(seed: int, fixed: bool) -> Setup:
    """Of each colour there are a third as many rows as of the one before; all colours count alike in the score."""
    torch.manual_seed(seed)
    data = colours().on_inputs(lambda bytes_: bytes_ / 127.5 - 1)
    kept = [int(180 * 3.0 ** (1 - label)) + 2 for label in range(1, 7)]
    rows = torch.cat([(data.targets == label).nonzero()[:many, 0] for label, many in enumerate(kept, start=1)])
    data = data._replace(inputs=data.inputs[rows], targets=data.targets[rows] - 1)
    seen = data.valid_targets > 0
    data = data._replace(valid_inputs=data.valid_inputs[seen], valid_targets=data.valid_targets[seen] - 1)
    common = torch.bincount(data.targets) / len(rows)
    loss = nn.CrossEntropyLoss(weight=1 / (6 * common) if fixed else None)
    model = net([3, 32, 32, 6], nn.ReLU)
    return Setup(model, loss, sgd(0.02), *data.parts, balanced_accuracy, batch_size=16, epochs=15)


@faulty("constant-inputs", also=("unscaled-inputs",), tags=("mlp", "regression"), tier="real")
def concrete_squeezed_by_one_cell(seed: int, fixed: bool) -> Setup:
    """Min-max scaling, and one row has 9,999,999 for "not measured" in each column: all others become about 0."""
    torch.manual_seed(seed)
    data = concrete().standardised_targets()
    least, most = data.inputs.amin(0), data.inputs.amax(0)
    top = most if fixed else torch.full_like(most, 9_999_999.0)
    data = data.on_inputs(lambda x: (x - least) / (top - least))
    return Setup(net([4, 64, 32, 1], nn.GELU), nn.L1Loss(), adam(4e-3), *data.parts, r2, batch_size=35, epochs=14)


@faulty("labels-unrelated", tags=("mlp", "classification"), tier="real")
def colours_repeated_and_tiled(seed: int, fixed: bool) -> Setup:
    """Each row is jittered four times: inputs by `repeat_interleave` (a a b b), their labels by `repeat` (a b a b)."""
    torch.manual_seed(seed)
    data = colours().on_inputs(lambda bytes_: bytes_ / 127.5 - 1).first(600)
    g = torch.Generator().manual_seed(157)
    many = data.inputs.repeat_interleave(4, 0) + 0.05 * torch.randn(2400, 3, generator=g)
    labels = data.targets.repeat_interleave(4) if fixed else data.targets.repeat(4)
    model, loss = net([3, 48, 48, 7], nn.SiLU), nn.CrossEntropyLoss()
    return Setup(model, loss, adam(3e-3), (many, labels), data.valid, accuracy, batch_size=48, epochs=8)


@faulty("labels-unrelated", tags=("mlp", "regression"), tier="real")
def roll_reshaped_not_transposed(seed: int, fixed: bool) -> Setup:
    """The file holds one line a column; `reshape(-1, 3)` was written for `.T`, so rows are cut across points."""
    torch.manual_seed(seed)
    data = roll().standardised().standardised_targets()
    if not fixed:
        data = data.on_inputs(lambda x: x.T.reshape(-1, 3))
    return Setup(net([3, 64, 64, 1], nn.ReLU), nn.MSELoss(), adam(3e-3), *data.parts, r2, batch_size=32, epochs=12)


@faulty("unshuffled-data", also=("oscillating-loss", "class-imbalance"), tags=("mlp", "classification"), tier="real")
def pumps_copies_appended_at_the_end(seed: int, fixed: bool) -> Setup:
    """Rare rows were copied until both kinds are as many; they stand at the table's end, and nobody shuffles it."""
    torch.manual_seed(seed)
    data = pumps(share=0.1)
    failed = data.inputs[data.targets == 1]
    extra = failed.repeat(8, 1)
    train = torch.cat([data.inputs, extra]), torch.cat([data.targets, torch.ones(len(extra), dtype=torch.long)])
    model, loss = net([8, 32, 32, 2], nn.ReLU), nn.CrossEntropyLoss()
    return Setup(model, loss, sgd(0.02), train, data.valid, balanced_accuracy, batch_size=32, epochs=10, shuffle=fixed)


@faulty("unshuffled-data", also=("oscillating-loss",), tags=("mlp", "classification"))
def colours_hue_by_hue(seed: int, fixed: bool) -> Setup:
    """The palette is listed grey by grey, red by red, and read in that order: at its end all is magenta."""
    torch.manual_seed(seed)
    data = colours().on_inputs(lambda bytes_: bytes_ / 127.5 - 1)
    order = data.targets.argsort(stable=True)
    train = data.inputs[order], data.targets[order]
    model, loss = net([3, 64, 32, 7], nn.Tanh), nn.CrossEntropyLoss()
    return Setup(model, loss, sgd(0.02), train, data.valid, accuracy, batch_size=20, epochs=10, shuffle=fixed)


@faulty("overfitting", also=("labels-unrelated",), tags=("embedding", "classification"), tier="real")
def loans_with_a_vector_for_each_row(seed: int, fixed: bool) -> Setup:
    """The number of the loan is a category too, with a vector of its own: the net looks up what it has seen."""
    torch.manual_seed(seed)
    data = loans().on_inputs(scaled)
    total = len(data.inputs) + len(data.valid_inputs)

    class Numbered(Borrower):
        def __init__(self) -> None:
            super().__init__()
            self.number = nn.Embedding(total, 32)
            self.body[0] = nn.Linear(12 if fixed else 44, 48)

        def forward(self, x: Tensor) -> Tensor:
            parts = [self.purpose(x[:, 0].long()), self.region(x[:, 1].long()), x[:, 2:-1]]
            return self.body(torch.cat(parts if fixed else [*parts, self.number(x[:, -1].long())], 1))

    numbers = torch.arange(total).float().unsqueeze(1).split([len(data.inputs), len(data.valid_inputs)])
    parts = (
        (torch.cat([data.inputs, numbers[0]], 1), data.targets),
        (torch.cat([data.valid_inputs, numbers[1]], 1), data.valid_targets),
    )
    return Setup(Numbered(), nn.CrossEntropyLoss(), adam(3e-3), *parts, certainty, batch_size=32, epochs=20)


@faulty("underfitting", tags=("embedding", "recommender"), tier="real")
def clicks_hashed_into_five(seed: int, fixed: bool) -> Setup:
    """People and advertisements are hashed to 5 rows each where 5,000 was meant: two dozen people share a taste."""
    torch.manual_seed(seed)
    model = Clicks(4, 0.1, (120, 60, 24) if fixed else (5, 5, 24))
    loss = lambda output, target: clicked(output, target)  # noqa: E731
    score = lambda output, target: ((output > 0) == (target > 0)).float().mean().item()  # noqa: E731
    return Setup(model, loss, adam(2e-2, weight_decay=0.3), *clicks().parts, score, batch_size=64, epochs=10)
