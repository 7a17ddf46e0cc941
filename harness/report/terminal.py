"""The report in the terminal: how the runs ended, the medians over seeds, and the verdicts."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import frames
from harness.config import choice
from harness.contract import NONE, Verdict, counted, label, number
from harness.report.looks import axes, diverged, share_diverged
from harness.report.page import between, metrics_of

COLOURS = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}
SHOWN_ROWS = 24
SHOWN_METRICS = 3


def show(runs: pd.DataFrame, verdicts: list[Verdict], console: Console) -> None:
    """Print a table for each experiment, the counts of runs by status, and the verdicts."""
    for target, mine in frames.comparable(runs).groupby("experiment_class", sort=False):
        for table in _tables(str(target), mine):
            console.print(table, soft_wrap=False, markup=False)
    counts = runs["status"].str.lower().value_counts()
    console.print(", ".join(f"{counted(count, 'run')} {status}" for status, count in counts.items()), highlight=False)
    said = Table.grid(padding=(0, 2))
    for v in verdicts:
        figures = (
            f"predicted {number(v.evidence.predicted)}, accepted {between(v.evidence.accept)}, measured {number(v.measured)}; "
            f"{v.interval_of}: {between(v.interval)}"
        )
        if not len(v.evidence.samples):
            figures = v.evidence.conditions or v.rule
        said.add_row(
            Text(v.outcome, COLOURS[v.outcome]),
            Text.assemble(
                (v.claim.id, "bold"), f": {v.claim.statement}\n", (f"{v.evidence.quantity}: {figures}\n", "dim")
            ),
        )
    console.print(said, soft_wrap=False)
    if not verdicts:
        console.print("no claim is decided by these runs")
        for line in frames.why_unknown(runs):
            console.print(f"not known, {line}", highlight=False, markup=False)


def _tables(target: str, runs: pd.DataFrame) -> list[Table]:
    """A table for each part of the sweep: what varies, the medians over seeds of the foremost metrics, and who diverged."""
    tables = []
    for grid, part in runs.groupby("grid", dropna=False, sort=False):
        part = part.dropna(axis="columns", how="all")
        keys = axes(part)
        metrics = [metric for metric in metrics_of(target) if metric in part][:SHOWN_METRICS]
        if not metrics:
            continue
        groups = list(part.groupby(keys, dropna=False)) if keys else [((), part)]
        more = f", {len(groups) - SHOWN_ROWS} more in the report" if len(groups) > SHOWN_ROWS else ""
        name = " ".join(dict.fromkeys([choice(target), *str(grid or "").split("_")])).strip()
        table = Table(title=f"{name}: medians{more}", title_justify="left", title_style="bold")
        for key in keys:
            table.add_column(key)
        for metric in metrics:
            table.add_column(metric, justify="right", overflow="fold")
        some = bool(diverged(part).any())
        if some:
            table.add_column("diverged", justify="right")
        for values, group in groups[:SHOWN_ROWS]:
            kept = group[~diverged(group)]
            cells = [number(kept[metric].median()) for metric in metrics] + [share_diverged(group)] * some
            table.add_row(*(label(value, NONE) for value in values), *cells)
        tables.append(table)
    return tables
