"""Progress: a bar for who watches, a line a run for who reads later."""

from __future__ import annotations

import io
import re

import pytest
from rich.console import Console

from harness import progress
from harness.progress import SweepProgress


def watch(console, ends, clock=None, total=None):
    with SweepProgress(total or len(ends), console) as shown:
        for number, (name, status, note) in enumerate(ends):
            shown.start(name)
            if clock:
                clock["now"] += number + 1
            shown.done(status, note)
    return console.file.getvalue()


ENDS = [
    ("index=0", "FINISHED", ""),
    ("index=1", "FAILED", "ValueError: [bold]no[/bold]"),
    ("index=2", "KILLED", "stopped"),
]


def test_a_line_for_each_run_in_a_pipe(monkeypatch):
    clock = {"now": 50.0}
    monkeypatch.setattr(progress.time, "monotonic", lambda: clock["now"])
    written = watch(Console(file=io.StringIO(), width=30), ENDS, clock)
    assert written.splitlines() == [
        "[1/3] index=0: finished in 1.0 s, 2 s left",
        "[2/3] index=1: failed in 2.0 s, 2 s left; ValueError: [bold]no[/bold]",
        "[3/3] index=2: killed in 3.0 s, 0 s left; stopped",
    ]


def test_a_bar_in_a_terminal():
    file = io.StringIO()
    written = watch(Console(file=file, force_terminal=True, width=120), ENDS)
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", written)
    assert "3/3" in plain
    assert "left" in plain
    assert "2 failed" in plain
    assert "index=2" in plain
    assert "[1/3]" not in plain


def test_a_bar_counts_the_failed_only():
    written = watch(Console(file=io.StringIO(), force_terminal=True, width=120), [("a", "FINISHED", "")])
    assert "failed" not in written


@pytest.mark.parametrize("terminal", [True, False])
def test_nothing_to_do_shows_nothing(terminal):
    console = Console(file=io.StringIO(), force_terminal=terminal)
    with SweepProgress(0, console):
        pass
    assert console.file.getvalue() == ""


def test_a_bar_ends_where_the_sweep_is_stopped():
    console = Console(file=io.StringIO(), force_terminal=True, width=100)
    shown = SweepProgress(3, console)
    with pytest.raises(ZeroDivisionError), shown:
        shown.start(str(1 / 0))
    assert shown.bar is not None
    assert not shown.bar.live.is_started


def test_a_name_is_no_markup():
    written = watch(
        Console(file=io.StringIO(), force_terminal=True, width=120), [("[red]a[/red]", "FINISHED", "")], total=2
    )
    assert "[red]a[/red]" in written
