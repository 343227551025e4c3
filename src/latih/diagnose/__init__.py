"""Say why a network does not learn: pure functions from a record to findings.

A rule looks at what was measured (`latih.watch.Record`) and finds something, passes, or says why it does not apply. A
`warning` or an `error` always rests on two signals that agree: the symptom, and a run or a batch that does not learn.
`latih.check` measures one batch before the first step; `latih.watch` measures a run.
"""

from ._base import Finding, Findings, NotApplicable, Rule, Severity
from ._check import check
from ._check import examine as examine
from ._judge import judge
from ._movement import Movement as Movement
from ._progress import Curve
from ._show import findings_json as findings_json
from ._show import read_findings as read_findings
from .rules import RULES

__all__ = ["RULES", "Curve", "Finding", "Findings", "NotApplicable", "Rule", "Severity", "check", "judge"]
