"""Findings as text of 80 columns, as a fragment of HTML, and as JSON; nothing is judged here."""

from __future__ import annotations

import html
import math
import textwrap
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from latih._checks import InputError

if TYPE_CHECKING:
    from ._base import Finding, Findings

WIDTH = 80
_INDENT = "  "
FORMAT = 1


def text(findings: Findings) -> str:
    """What was found, the gravest first; then one line on what passed, and one on what was not checked and why."""
    parts = [_headline(findings), *map(_finding, findings.found)]
    if findings.passed:
        parts.append(_wrapped(f"Passed: {', '.join(findings.passed)}."))
    if findings.skipped:
        parts.append(_wrapped(f"Not checked: {'; '.join(_reasons(findings.skipped))}."))
    return "\n\n".join(parts)


def as_html(findings: Findings) -> str:
    """The same for a notebook."""
    rows = "".join(_row(one) for one in findings.found)
    table = f"<table style='text-align:left'>{rows}</table>" if rows else ""
    passed = f"<p>Passed: {_safe(', '.join(findings.passed))}.</p>" if findings.passed else ""
    skipped = f"<p>Not checked: {_safe('; '.join(_reasons(findings.skipped)))}.</p>" if findings.skipped else ""
    return f"<div><p><b>{_safe(_headline(findings))}</b></p>{table}{passed}{skipped}</div>"


def as_plain(findings: Findings) -> dict[str, Any]:
    """Dicts, lists, strings and numbers only; numbers that are not finite become None."""
    return {
        "format": FORMAT,
        "found": [_plain_finding(one) for one in findings.found],
        "passed": list(findings.passed),
        "skipped": dict(findings.skipped),
    }


def findings_json(findings: Findings) -> bytes:
    """The content of findings.json, ended by a line break."""
    return msgspec.json.format(msgspec.json.encode(as_plain(findings)), indent=2) + b"\n"


def read_findings(source: str | Path | bytes) -> Findings:
    """Findings as `findings_json` wrote them, from a path or from the bytes.

    Raises `InputError` for anything else.
    """
    from ._base import Finding, Findings

    where = "findings" if isinstance(source, bytes) else str(source)
    try:
        content = source if isinstance(source, bytes) else Path(source).read_bytes()
        plain = msgspec.convert(msgspec.json.decode(content), dict[str, Any])
        found = msgspec.convert(plain["found"], list[Finding])
        passed, skipped = msgspec.convert((plain["passed"], plain["skipped"]), tuple[list[str], dict[str, str]])
        return Findings(found, passed, skipped)
    except (OSError, KeyError, TypeError, ValueError, RecursionError, msgspec.MsgspecError) as error:
        raise InputError(f"{where}: not a file of findings ({error}); delete it, or train again.") from None


def number(value: Any) -> str:
    """A number in at most four figures; anything else as it is."""
    if isinstance(value, float):
        return f"{value:.3g}" if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(number, value)) + "]"
    return str(value)


def _headline(findings: Findings) -> str:
    if not findings.found:
        return "Nothing found."
    counts = [(sum(one.severity == name for one in findings.found), name) for name in ("error", "warning", "info")]
    told = ", ".join(f"{count} {name}{'s' if count > 1 and name != 'info' else ''}" for count, name in counts if count)
    return f"{len(findings.found)} finding{'s' if len(findings.found) > 1 else ''}: {told}."


def _finding(finding: Finding) -> str:
    where = f" at {finding.where}" if finding.where else ""
    lines = [_wrapped(f"{finding.code} {finding.name} ({finding.severity}){where}"), _inside(finding.why)]
    if finding.evidence:
        lines.append(_inside("seen: " + _evidence(finding.evidence)))
    lines += ["", textwrap.indent(finding.advice.rstrip(), 2 * _INDENT)] if finding.advice else []
    return "\n".join(lines)


def _evidence(evidence: dict[str, Any]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {number(value)}" for name, value in evidence.items())


def _reasons(skipped: dict[str, str]) -> Iterable[str]:
    """One reason, all the names that share it."""
    names: dict[str, list[str]] = {}
    for name, reason in skipped.items():
        names.setdefault(reason.rstrip("."), []).append(name)
    return (f"{', '.join(those)} ({reason})" for reason, those in names.items())


def _row(finding: Finding) -> str:
    where = f" <i>at {_safe(finding.where)}</i>" if finding.where else ""
    seen = f"<br><small>seen: {_safe(_evidence(finding.evidence))}</small>" if finding.evidence else ""
    advice = f"<pre>{_safe(finding.advice.rstrip())}</pre>" if finding.advice else ""
    return (
        f"<tr><td style='vertical-align:top'>{_safe(finding.code)}<br>{_safe(finding.severity)}</td>"
        f"<td style='text-align:left'><b>{_safe(finding.name)}</b>{where}"
        f"<br>{_safe(finding.why)}{seen}{advice}</td></tr>"
    )


def _plain_finding(finding: Finding) -> dict[str, Any]:
    names = ("code", "name", "severity", "where", "evidence", "why", "advice", "cures", "weight")
    return {name: _plain(getattr(finding, name)) for name in names}


def _plain(value: Any) -> Any:
    if isinstance(value, dict):
        return {str(key): _plain(one) for key, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_plain(one) for one in value]
    if hasattr(value, "item") and not isinstance(value, str):  # a number of numpy's
        value = value.item()
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return value if isinstance(value, bool | int | str) or value is None else str(value)


def _inside(words: str) -> str:
    return _wrapped(words, _INDENT)


def _wrapped(words: str, indent: str = "") -> str:
    return textwrap.fill(
        words, WIDTH, initial_indent=indent, subsequent_indent=indent, break_long_words=False, break_on_hyphens=False
    )


def _safe(words: str) -> str:
    return html.escape(words)
