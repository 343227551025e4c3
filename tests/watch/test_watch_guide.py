"""The guide's code runs, in order, as one program."""

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "watch.md"


def test_the_blocks_of_the_guide_run(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", GUIDE.read_text(encoding="utf-8"), flags=re.DOTALL)
    names = {}
    for block in blocks:
        exec(block, names)
    assert len(blocks) == 4
    assert names["record"].updates == 128
    assert names["record"].notes == []
    assert (tmp_path / "record.jsonl").exists()


def test_every_name_that_the_guide_shows_is_there():
    from latih.watch import Reading, Record

    shown = set(re.findall(r"reading\.(\w+)", GUIDE.read_text(encoding="utf-8")))
    assert shown <= set(Reading.__struct_fields__)
    shown = set(re.findall(r"record\.(\w+)", GUIDE.read_text(encoding="utf-8"))) - {"save", "jsonl"}
    assert shown <= {*Record.__struct_fields__, "load"}
