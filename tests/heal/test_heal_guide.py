"""The guide's code runs, in order, as one program."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "heal.md"


def test_the_blocks_of_the_guide_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 3
    assert names["healing"].verdict == "healed"
    assert names["run"].history.rows[-1]["valid_accuracy"] > 0.8
