"""What a finished run says on the terminal."""

from __future__ import annotations

from latih._plot import number, sparkline
from latih.train import Run, run_folder


def summary_lines(run: Run) -> list[str]:
    """The curve, the kept epoch's numbers, the test result, and what to do next."""
    summary, kept = run.summary, run.summary["kept"]
    lines = []
    name = summary["watched"]
    if len(run.history.rows) > 1:
        curve = run.history.column(name)
        lines.append(f"{_words(name):<16} {sparkline(curve, 40)}  {number(curve[0])} -> {number(curve[-1])}")
    if summary["stopped"]:
        lines.append(f"stopped early: {summary['stopped']}")
    if back := summary.get("rollbacks"):
        times = f"{len(back)} time{'s' * (len(back) > 1)}"
        lines.append(f"went back {times}: {'; '.join(dict.fromkeys(one['changed'] for one in back))}")
    if kept is not None:
        numbers = [f"{_words(key)} {number(kept[key])}" for key in kept if key.startswith("valid_")]
        lines.append(f"kept epoch {kept['epoch']:.0f}: {', '.join(numbers) or 'no validation'}")
    if "clipped" in summary:
        lines.append(_clipping(run))
    if "test" in summary:
        lines.append(
            "on the test part: " + ", ".join(f"{_words(key)} {number(value)}" for key, value in summary["test"].items())
        )
    lines.append(f"{summary['updates']:,} updates in {summary['seconds']:.0f} s")
    if run.folder is not None:
        changed = run.healing is not None and not (run.folder / run_folder.CARD).exists()
        lines.append(
            f"see {run.folder}/report.html; healing changed its layers: load {run.folder}/model.safetensors in Python"
            if changed
            else f"see {run.folder}/report.html; use it with: latih predict {run.folder} DATA"
        )
    return lines


def _clipping(run: Run) -> str:
    steps, share = (run.history.column(name) for name in ("clipped_steps", "clipped_share"))
    often, much = sum(steps) / len(steps), sum(share) / sum(steps)
    most = next(iter(run.summary["clipped"]))
    return f"clipped {often:.0%} of the steps, by {much:.0%} of their gradient on average; mostly {most}"


def _words(column: str) -> str:
    return column.replace("_", " ").replace("valid ", "validation ").replace("train ", "training ")
