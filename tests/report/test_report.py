"""What a run says of itself, on the terminal and on its page."""

from pathlib import Path

import torch

from latih import Recipe
from latih.report import method_page, method_tables, summary_lines
from latih.report._html import page
from latih.train import History, Run


def run(stopped=None, rows=3, test=None):
    history = History([row(epoch) for epoch in range(1, rows + 1)], stopped=stopped)
    kept = history.rows[-1] if rows else None
    summary = {"epochs": rows, "updates": 10 * rows, "stopped": stopped, "kept": kept, "watched": "valid_accuracy"}
    summary |= {"seconds": 61.2} | ({"test": test} if test else {})
    return Run(torch.nn.Linear(1, 1), history, Recipe(), summary, Path("runs/<odd> & name"))


def row(epoch):
    losses = {"train_loss": 1 / epoch, "valid_loss": 2 / epoch}
    return {"epoch": epoch, "step": 10 * epoch, "lr": 0.1 / epoch, **losses, "valid_accuracy": 0.5 + 0.1 * epoch}


def test_the_terminal_says_what_was_kept_and_what_to_do_next():
    said = summary_lines(run(test={"test_accuracy": 0.75}))
    assert said[0].startswith("validation accuracy")
    assert "kept epoch 3: validation loss 0.6667, validation accuracy 0.8" in said
    assert "on the test part: test accuracy 0.75" in said
    assert said[-1].endswith("use it with: latih predict runs/<odd> & name DATA")


def test_an_early_stop_gives_its_reason():
    assert "stopped early: no better valid_loss in 3 epochs" in summary_lines(run("no better valid_loss in 3 epochs"))


def test_a_run_without_a_finished_epoch_still_reports():
    empty = run(rows=0)
    assert "0 updates in 61 s" in summary_lines(empty)
    assert "Recipe" in page(empty)


def test_the_page_escapes_names_and_draws_each_curve():
    shown = page(run())
    assert "runs/&lt;odd&gt; &amp; name" in shown
    assert "<odd>" not in shown
    assert shown.count("<svg") == 3  # loss, accuracy, learning rate
    assert "optimizer = " in shown


def test_a_broken_run_s_nan_does_not_break_the_page():
    broken = run()
    broken.history.rows[1]["train_loss"] = float("nan")
    assert "nan" in page(broken)


def test_tables_and_pages_come_from_the_docstrings():
    table = method_tables(["schedules"])
    assert "power(steps=1000," in table
    assert max(map(len, table.splitlines())) <= 80
    assert method_page("clip", "norm").startswith("clip.norm(limit=1.0)\n\nShortens")
