"""The guide's code runs and does what the guide says."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "rollback.md"


def test_the_blocks_of_the_guide_run(capsys):
    (block,) = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names = {}
    exec(block, names)
    run = names["run"]
    assert [one["changed"] for one in run.history.rollbacks] == ["left out 1 example (#7)"]
    assert [one["rate_factor"] for one in run.history.rollbacks] == [1.0]
    assert all(one.isfinite().all() for one in run.model.parameters())
    assert "left out 1 example (#7)" in capsys.readouterr().out
