"""The report in the terminal: how the runs ended, and the verdicts."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table

from harness.contract import Verdict

COLOURS = {"PASS": "green", "FAIL": "bold red", "INCONCLUSIVE": "yellow"}


def show(runs: pd.DataFrame, verdicts: list[Verdict], console: Console) -> None:
    """Print the counts of runs by status, and a table of the verdicts."""
    counts = runs["status"].str.lower().value_counts()
    console.print(", ".join(f"{count} runs {status}" for status, count in counts.items()), highlight=False)
    if not verdicts:
        console.print("no claim is decided by these runs")
        return
    table = Table(title="Verdicts", title_justify="left", show_lines=False)
    for column, justify in (("claim", "left"), ("predicted", "right"), ("measured", "right"), ("interval", "left")):
        table.add_column(column, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    table.add_column("verdict", no_wrap=True)
    table.add_column("of what", overflow="fold")
    for v in verdicts:
        low, high = v.interval
        table.add_row(
            v.claim.id, f"{v.evidence.predicted:.4g}", f"{v.measured:.4g}", f"[{low:.3g}, {high:.3g}]".replace("[", "\\["),
            f"[{COLOURS[v.outcome]}]{v.outcome}[/]", v.evidence.quantity.replace("[", "\\["),
        )  # fmt: skip
    console.print(table, soft_wrap=False)
