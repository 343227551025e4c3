"""Findings as text, as HTML and as JSON."""

import json

import numpy as np
import pytest

from latih import InputError
from latih.diagnose import Finding, Findings, findings_json, read_findings


def findings() -> Findings:
    found = Finding(
        "L305",
        "dead-units",
        "warning",
        "body.3",
        {"dead": 0.71234, "at_most": np.float32(0.5), "layers": ["a", "b"], "lost": float("nan")},
        "71% of the relu units behind body.3 never fire, " + "which is a long sentence, " * 5 + "and ends.",
        "latih.initialize(model, batch, loss)\nmodel = latih.activations.swap(model, '<leaky>')",
        ("reinitialise", "swap_activation"),
        1.5,
    )
    info = Finding("L306", "loss-at-start", "info", "", {}, "Loud.", "", ())
    skipped = {"frozen-parameters": "no optimizer was given", "unoptimised-parameters": "no optimizer was given."}
    return Findings([found, info], ["bad-initialisation", "vanishing-gradient"], skipped)


def test_text_fits_a_terminal_and_says_everything():
    text = str(findings())
    assert all(len(line) <= 80 for line in text.splitlines())
    for part in ["2 findings: 1 warning, 1 info.", "L305 dead-units (warning) at body.3", "dead 0.712", "at most 0.5"]:
        assert part in text
    assert "    latih.initialize(model, batch, loss)\n    model = latih" in text
    assert "Passed: bad-initialisation, vanishing-gradient." in text
    assert "Not checked: frozen-parameters, unoptimised-parameters (no optimizer was given)." in " ".join(text.split())


def test_nothing_found_is_said():
    assert str(Findings()) == "Nothing found."


def test_html_is_escaped():
    html = findings()._repr_html_()
    assert "&lt;leaky&gt;" in html
    assert "<leaky>" not in html
    assert "dead-units" in html


def test_json_comes_back_as_it_was():
    content = findings_json(findings())
    assert json.loads(content)["found"][0]["evidence"]["lost"] is None
    again = read_findings(content)
    assert (again.passed, again.skipped) == (findings().passed, findings().skipped)
    assert [(one.code, one.cures, one.weight) for one in again] == [
        ("L305", ("reinitialise", "swap_activation"), 1.5),
        ("L306", (), 1.0),
    ]
    assert findings_json(again) == content == findings().to_json().encode()


def test_findings_are_read_from_a_file(tmp_path):
    path = tmp_path / "findings.json"
    path.write_bytes(findings_json(findings()))
    assert len(read_findings(path)) == 2


@pytest.mark.parametrize("content", [b"", b"{}", b"[1]", b'{"found": [{"code": "L1"}], "passed": [], "skipped": {}}'])
def test_what_holds_no_findings_is_refused(content):
    with pytest.raises(InputError, match="not a file of findings"):
        read_findings(content)
    with pytest.raises(InputError, match="nowhere"):
        read_findings("nowhere.json")
