"""Live progress: one bar for the sweep with the time left, the present run and the failures so far; plain lines in a pipe."""

from __future__ import annotations

import time
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.text import Text


class SweepProgress:
    """`with SweepProgress(total, console) as progress:` then `progress.start(name)` and `progress.done(status)` for each run."""

    def __init__(self, total: int, console: Console) -> None:
        self.total, self.console = total, console
        self.completed = self.failures = 0
        self.name = ""
        self.began = self.run_began = time.monotonic()
        self.bar: Progress | None = None

    def __enter__(self) -> SweepProgress:
        if self.console.is_terminal and self.total:
            self.bar = Progress(
                BarColumn(bar_width=28), MofNCompleteColumn(), TimeElapsedColumn(), TextColumn("left"), TimeRemainingColumn(),
                TextColumn("{task.fields[failures]}"), TextColumn("{task.description}", markup=False),
                console=self.console, transient=True,
            )  # fmt: skip
            self.task = self.bar.add_task("", total=self.total, failures="")
            self.bar.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        if self.bar:
            self.bar.stop()

    def start(self, name: str) -> None:
        """A run begins."""
        self.name, self.run_began = name, time.monotonic()
        if self.bar:
            self.bar.update(self.task, description=name)

    def done(self, status: str, note: str = "") -> None:
        """The run that began last has ended."""
        self.completed += 1
        self.failures += status != "FINISHED"
        if self.bar:
            failures = f"[red]{self.failures} failed[/]" if self.failures else ""
            self.bar.update(self.task, advance=1, failures=failures)
        else:
            took = time.monotonic() - self.run_began
            left = (time.monotonic() - self.began) / self.completed * (self.total - self.completed)
            line = f"[{self.completed}/{self.total}] {self.name}: {status.lower()} in {took:.1f} s, {left:.0f} s left"
            self.console.print(Text(line + (f"; {note}" if note else "")), soft_wrap=True)
