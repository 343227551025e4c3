"""report.html: the run on one page that opens anywhere, with no script and nothing fetched."""

from __future__ import annotations

from html import escape
from typing import Any

from latih._plot import number, svg_chart
from latih._recipe import write_toml
from latih.diagnose import read_findings
from latih.train import Run, run_folder

_STYLE = """
:root { color-scheme: light dark; }
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; }
h1 { font-size: 1.4rem; } h2 { font-size: 1.1rem; margin-top: 2rem; }
table { border-collapse: collapse; font-variant-numeric: tabular-nums; }
th, td { padding: .15rem .9rem .15rem 0; text-align: right; border-bottom: 1px solid #8884; }
th:first-child, td:first-child { text-align: left; }
pre { overflow-x: auto; } svg { max-width: 100%; height: auto; }
"""


def write_report(run: Run) -> None:
    """Write report.html into the run folder."""
    assert run.folder is not None
    run_folder.write(run.folder / run_folder.REPORT, page(run).encode())


def page(run: Run) -> str:
    """The whole page."""
    title = escape(str(run.folder or "run"))
    parts = [
        f"<!doctype html><html lang='en'><meta charset='utf-8'><title>{title}</title><style>{_STYLE}</style>",
        "<meta name='viewport' content='width=device-width'>",
        f"<h1>{title}</h1>",
        _table([_kept(run)]),
        *(f"<h2>{escape(name)}</h2>{chart}" for name, chart in _charts(run)),
        *_findings(run),
        *([f"<h2>Went back</h2>{_table(run.history.rollbacks)}"] if run.history.rollbacks else []),
        *([f"<p>Diverged: {escape(run.history.diverged)}.</p>"] if run.history.diverged else []),
        f"<h2>Epochs</h2>{_table(run.history.rows)}",
        f"<h2>Recipe</h2><pre>{escape(_recipe(run))}</pre></html>",
    ]
    return "\n".join(parts)


def _findings(run: Run) -> list[str]:
    """What was found while it trained, the gravest first; nothing for a run that nobody watched."""
    path = None if run.folder is None else run.folder / run_folder.FINDINGS
    if path is None or not path.exists():
        return []
    findings = read_findings(path)
    rows = [
        {
            "finding": f"{one.code} {one.name}",
            "severity": one.severity,
            "where": one.where,
            "why": one.why,
            "do": one.advice,
        }
        for one in findings
    ]
    passed = f"<p>Passed: {escape(', '.join(findings.passed))}.</p>" if findings.passed else ""
    return [f"<h2>Findings</h2>{_table(rows) if rows else '<p>Nothing found.</p>'}{passed}"]


def _charts(run: Run) -> list[tuple[str, str]]:
    rows = run.history.rows
    names = dict.fromkeys(key.partition("_")[2] for row in rows for key in row if key.startswith(("train_", "valid_")))
    charts = []
    for name in names:
        series = {
            part: [(row["epoch"], row[f"{part}_{name}"]) for row in rows if f"{part}_{name}" in row]
            for part in ("train", "valid")
        }
        drawn = {part: points for part, points in series.items() if points}
        charts.append((name.capitalize(), svg_chart(drawn, title="", x_label="epoch", y_label=name)))
    rates = {"lr": [(row["step"], row["lr"]) for row in rows]}
    return [*charts, ("Learning rate", svg_chart(rates, title="", x_label="update", y_label="learning rate"))]


def _kept(run: Run) -> dict[str, Any]:
    kept = run.summary["kept"] or {}
    shown = {"kept epoch": kept.get("epoch"), **{key: kept[key] for key in kept if key.startswith("valid_")}}
    return shown | run.summary.get("test", {}) | {"seconds": run.summary["seconds"]}


def _table(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(key for row in rows for key in row))
    head = "".join(f"<th>{escape(name.replace('_', ' '))}</th>" for name in names)
    body = "".join("<tr>" + "".join(f"<td>{_cell(row.get(name))}</td>" for name in names) + "</tr>" for row in rows)
    return f"<table><tr>{head}</tr>{body}</table>"


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return number(value) if isinstance(value, float) else escape(str(value))


def _recipe(run: Run) -> str:
    recipe = run.folder / run_folder.RECIPE if run.folder is not None else None
    return recipe.read_text() if recipe is not None and recipe.exists() else write_toml(run.recipe).decode()
