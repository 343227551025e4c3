"""The guide's code runs, block after block."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "transfer.md"


def test_the_guide_runs_from_top_to_bottom(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    blocks = re.findall(r"```python\n(.+?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    assert len(blocks) >= 4
    names: dict[str, object] = {}
    for block in blocks:
        exec(compile(block, str(GUIDE), "exec"), names)
    run = names["run"]
    assert run.summary["phases"] == ["head", "whole"]
    assert "frozen" in capsys.readouterr().out
