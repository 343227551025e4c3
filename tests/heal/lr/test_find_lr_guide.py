"""The guide's code runs, block after block."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[3] / "docs" / "find-lr.md"


def test_the_blocks_of_the_guide_run(capsys):
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) == 2
    names: dict[str, object] = {}
    exec(compile(blocks[0], str(GUIDE), "exec"), names)
    assert names["finding"].lr > 0.01
    assert "<- kept" in capsys.readouterr().out
    exec(compile(blocks[1], str(GUIDE), "exec"), names)
    assert [group["lr"] for group in names["live"].param_groups] == list(names["finding"].groups)
