"""Learning-rate schedules: functions of the optimizer step, joined by `>>`.

A schedule answers one question, "by what is the base rate multiplied at this update?", and holds no state: it can be
plotted before a run, tested, and resumed by calling it. `factor(t)` is used for the (t + 1)-th update. After its end a
schedule stays at its last value. Every factor multiplies the base rate itself, also in a chain.

| name | when to use | source |
|---|---|---|
| `constant` | the reference; the flat part of a chain | |
| `power` | a run of unknown length | Senior et al., 2013 |
| `exponential` | long runs and fine-tuning that should end with small steps | Senior et al., 2013 |
| `piecewise` | a recipe tuned with steps | He et al., 2016 |
| `performance` | validation says when to slow down | Senior et al., 2013 |
| `one_cycle` | a short, fixed budget | Smith, 2018 |
| `cosine` | the default for a run of known length | Loshchilov and Hutter, 2017 |
| `linear` | fine-tuning; the decay after a flat part | Defazio et al., 2023 |
| `warmup` | in front of any other | Goyal et al., 2017 |

`schedule.plot(steps)` draws it, `schedule.over(steps)` fixes the run's length, and
`schedule.extended(old, new, policy)` declares what a finished run's schedule does when the run is made longer: stretch,
hold or restart.
"""

from ._base import At as At
from ._base import Schedule
from ._base import Scores as Scores
from ._constant import constant
from ._cosine import cosine
from ._exponential import exponential
from ._linear import linear
from ._one_cycle import one_cycle
from ._performance import performance
from ._piecewise import piecewise
from ._power import power
from ._warmup import warmup

__all__ = [
    "Schedule",
    "constant",
    "cosine",
    "exponential",
    "linear",
    "one_cycle",
    "performance",
    "piecewise",
    "power",
    "warmup",
]
