"""L301: weights that start too small, too large, or all alike."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from latih.diagnose import NotApplicable, examine, judge
from latih.diagnose.rules._l301_bad_initialisation import RULE
from latih.watch import Layer, Loss, Probes, Reading, Record, Sample, watch


def record(gain: float, *, fitted: float = 2.3, between: tuple[str, ...] = (), step: int = 0) -> Record:
    """Five relu layers of 64 whose weights deviate from He's rule by `gain`, with what they then put out."""
    layers, readings = [], []
    for place in range(6):
        head = place == 5
        name = str(place)
        layers.append(
            Layer(
                name=name,
                parameter=f"{name}.weight",
                kind="linear",
                activation="none" if head else "relu",
                fan_in=64,
                fan_out=64,
                elements=64 * 64,
                is_head=head,
                between=list(between),
            )
        )
        norm = gain * (2 / 64) ** 0.5 * 64
        signal = gain ** (place + 1)
        readings.append(
            Reading(
                layer=name, weight_norm=norm, weight_std=norm / 64, out_std=signal, std=0.6 * signal, alive_spread=0.7
            )
        )
    probes = Probes(start_loss=2.3, fit=[2.3, fitted], fit_safe=[2.3, fitted], blind=[2.3, 2.25])
    return Record(
        layers=layers,
        samples=[Sample(step=step, readings=readings)],
        probes=probes,
        batch_size=32,
        loss=Loss(kind="cross_entropy", baseline=2.3, floor=0.0),
    )


def test_weights_that_lose_the_signal_are_found_where_nothing_is_learned():
    (finding,) = RULE.judge(record(0.1))
    assert finding.severity == "error"
    assert finding.evidence["signal_kept"] == pytest.approx(1e-5)
    assert finding.evidence["at_least"] == 0.01
    assert finding.cures[0] == "reinitialise"


def test_the_same_weights_pass_where_the_batch_is_fitted():
    assert RULE.judge(record(0.1, fitted=0.5)) == []


def test_torch_s_own_factor_passes_over_a_few_layers():
    assert RULE.judge(record(0.41)) == []


def test_weights_behind_a_norm_pass():
    assert RULE.judge(record(0.1, between=("batch_norm",))) == []


def test_weights_that_grow_the_signal_are_found_where_the_loss_stays_far():
    loud = record(3.0)
    assert loud.probes is not None
    loud.probes.fit = [900.0, 50.0]
    (finding,) = RULE.judge(loud)
    assert "too large" in finding.why
    assert finding.evidence["loss_at_most"] == pytest.approx(6.9)
    assert RULE.judge(record(3.0, fitted=0.5)) == []


def test_a_run_that_was_joined_late_is_not_judged():
    assert isinstance(RULE.judge(record(0.1, step=500)), NotApplicable)
    assert isinstance(RULE.judge(Record()), NotApplicable)


def checked(fill) -> list:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(8, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
    net.append(nn.Linear(32, 3))
    for layer in net[::2]:
        fill(layer.weight)
        nn.init.zeros_(layer.bias)
    inputs = torch.randn(64, 8)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05, momentum=0.9)
    return RULE.judge(examine(net, (inputs, inputs[:, :3].argmax(1)), F.cross_entropy, optimizer=optimizer))


@pytest.mark.parametrize(
    "fill",
    [
        lambda weight: nn.init.normal_(weight, std=1e-3),
        lambda weight: nn.init.normal_(weight, std=8.0),
        nn.init.zeros_,
        lambda weight: nn.init.constant_(weight, 0.05),
    ],
)
def test_a_net_that_has_it(fill):
    (finding,) = checked(fill)
    assert finding.name == "bad-initialisation"


@pytest.mark.parametrize("fill", [nn.init.kaiming_normal_, nn.init.xavier_uniform_, nn.init.orthogonal_])
def test_its_fix(fill):
    assert checked(fill) == []


def adapters(drawn: bool) -> Record:
    """A frozen layer with a product of two thin matrices beside it, the only thing that is trained."""
    torch.manual_seed(0)

    class Adapted(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(8, 8).requires_grad_(False)
            self.down, self.up = nn.Linear(8, 2, bias=False), nn.Linear(2, 8, bias=False)
            nn.init.zeros_(self.up.weight)
            if not drawn:
                nn.init.zeros_(self.down.weight)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.layer(x) + self.up(self.down(x))

    model = nn.Sequential(Adapted(), nn.Tanh(), nn.Linear(8, 2).requires_grad_(False))
    optimizer = torch.optim.Adam([one for one in model.parameters() if one.requires_grad], lr=0.01)
    with watch(model, optimizer=optimizer, every=2) as w:
        for _ in range(60):
            x = torch.randn(16, 8)
            optimizer.zero_grad()
            F.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()
    return w.finish()


def test_factors_that_are_all_zero_are_how_they_start_and_not_a_missing_path():
    found = judge(adapters(drawn=False))
    assert "bad-initialisation" in [one.name for one in found if one.severity != "info"]
    assert "unreached-parameters" not in [one.name for one in found]
    assert "bad-initialisation" not in [one.name for one in judge(adapters(drawn=True))]


def test_a_faint_start_is_given_time_to_get_over_it():
    faint = record(0.37)  # over six layers between a hundredth and a thousandth is left
    faint.probes, faint.ended = None, False
    faint.losses = [2.3 + 0.01 * (step % 3) for step in range(60)]
    assert RULE.judge(faint) == []
    faint.losses = [2.3 + 0.01 * (step % 3) for step in range(120)]
    assert RULE.judge(faint)[0].name == "bad-initialisation"
