"""The report in the terminal: no more than fits, nothing taken for markup, and what diverged counted."""

from __future__ import annotations

import io

import pandas as pd
from rich.console import Console

from harness import machine
from harness.contract import Claim, Evidence
from harness.report import terminal
from harness.report.verdicts import judge


def shown(all_runs, verdicts=()):
    console = Console(file=io.StringIO(), width=100)
    terminal.show(all_runs, list(verdicts), console)
    return console.file.getvalue()


def test_the_terminal_shows_no_more_rows_than_fit():
    frame = pd.DataFrame({"run_id": map(str, range(30)), "index": range(30), "train/value": 1.0}).assign(
        status="FINISHED",
        machine=machine.identity(),
        experiment_class="toys.Figured",
        grid="",
        unknown=None,
        say="[a,/b]",
    )
    frame.loc[0, "say"] = "[bold]"
    text = shown(frame)
    assert "figured: medians, 6 more in the report" in " ".join(text.split())
    assert text.count("[a,/b]") == 23  # brackets in a setting are no markup
    assert "[bold]" in text
    assert "no claim is decided by these runs" in text


def test_the_terminal_says_why_a_claim_could_not_be_read():
    frame = pd.DataFrame(
        {"run_id": ["a"], "status": ["FINISHED"], "machine": ["m"], "experiment_class": ["toys.Toy"], "grid": [""]}
    )
    evidence = Evidence("q", 1.0, (), (0, 1), conditions="KeyError: 'x'")
    text = shown(frame, [judge(Claim("c", "s", "n", lambda *_: None), evidence, 0.9)])
    assert "INCONCLUSIVE" in text
    assert "q: KeyError: 'x'" in text
    assert "1 run finished" in text


def test_the_terminal_counts_what_diverged_and_leaves_it_out():
    frame = pd.DataFrame({"run_id": list("abcd"), "index": [1, 1, 2, 2], "train/value": [1.0, 1e9, 7.0, 8.0]}).assign(
        status="FINISHED",
        machine=machine.identity(),
        experiment_class="toys.Figured",
        grid="",
        unknown=None,
        seed=[0, 1, 0, 1],
    )
    frame["train/diverged"] = [0.0, 1.0, 1.0, 1.0]
    rows = [[cell.strip() for cell in line.split("│")[1:-1]] for line in shown(frame).splitlines() if "│" in line]
    assert rows == [["1", "1", "1 of 2"], ["2", "–", "2 of 2"]]


def test_a_part_of_the_sweep_that_no_figure_fits_has_its_numbers_all_the_same():
    frame = pd.DataFrame({"run_id": ["a", "b"], "when": [1, 2], "train/value": [0.25, 0.5]}).assign(
        status="FINISHED", machine=machine.identity(), experiment_class="toys.Figured", grid="", unknown=None
    )
    assert "0.25" in shown(frame)


def test_a_single_run_has_its_numbers_too():
    frame = pd.DataFrame({"run_id": ["a"], "train/value": [0.25]}).assign(
        status="FINISHED", machine=machine.identity(), experiment_class="toys.Figured", grid="", unknown=None
    )
    rows = [line.split("│")[1:-1] for line in shown(frame).splitlines() if "│" in line]
    assert [[cell.strip() for cell in row] for row in rows] == [["0.25"]]
