"""The report in the terminal: how the runs ended, their figures averaged over seeds, and the verdicts."""

from __future__ import annotations

import pandas as pd
from rich.console import Console
from rich.table import Table
from rich.text import Text

from harness import frames
from harness.contract import Verdict
from harness.report.figures import axes, label
from harness.report.page import Drawing, number

COLOURS = {"PASS": "bold green", "FAIL": "bold red", "INCONCLUSIVE": "bold yellow"}
SHOWN_ROWS = 24
SHOWN_METRICS = 3


def show(runs: pd.DataFrame, verdicts: list[Verdict], drawings: list[Drawing], console: Console) -> None:
    """Print a table for each experiment, the counts of runs by status, and the verdicts."""
    for target, mine in frames.comparable(runs).groupby("experiment_class", sort=False):
        for table in _tables(str(target).rpartition(".")[2].lower(), mine, drawings):
            console.print(table, soft_wrap=False, markup=False)
    counts = runs["status"].str.lower().value_counts()
    console.print(
        ", ".join(f"{count} run{'s' * (count != 1)} {status}" for status, count in counts.items()), highlight=False
    )
    said = Table.grid(padding=(0, 2))
    for v in verdicts:
        low, high = (number(bound) for bound in v.interval)
        figures = (
            f"predicted {number(v.evidence.predicted)}, measured {number(v.measured)}; {v.interval_of}: [{low}, {high}]"
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


def _tables(experiment: str, runs: pd.DataFrame, drawings: list[Drawing]) -> list[Table]:
    """A table for each part of the sweep: what varies, and the mean over seeds of the metrics that its figures show."""
    tables = []
    for grid, part in runs.groupby("grid", dropna=False, sort=False):
        part = part.dropna(axis="columns", how="all")
        name = str(grid or "").replace("_", " ")
        drawn = dict.fromkeys(d.metric for d in drawings if d.part == name and d.metric in part)
        keys, metrics = axes(part), list(drawn)[:SHOWN_METRICS]
        if not keys or not metrics:
            continue
        means = part.groupby(keys, dropna=False)[metrics].mean().reset_index()
        more = f", {len(means) - SHOWN_ROWS} more in the report" if len(means) > SHOWN_ROWS else ""
        table = Table(title=f"{experiment} {name}".strip() + more, title_justify="left", title_style="bold")
        for key in keys:
            table.add_column(key)
        for metric in metrics:
            table.add_column(metric, justify="right", overflow="fold")
        for _, row in means.head(SHOWN_ROWS).iterrows():
            table.add_row(*(label(row[key]) for key in keys), *(number(row[metric]) for metric in metrics))
        tables.append(table)
    return tables
