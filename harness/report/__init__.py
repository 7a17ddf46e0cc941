"""The report of a sweep: verdicts, figures and every run, from the runs in the store.

`publish` writes `results/reports/NAME/` (index.html, report.md, runs.parquet, history.parquet, verdicts.csv), prints the
verdicts, and hangs all of it on the sweep's summary run in MLflow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from rich.console import Console

from harness import frames
from harness.config import locate
from harness.contract import Experiment, Verdict
from harness.report import page, terminal
from harness.report.figures import draw
from harness.report.page import Drawing
from harness.report.verdicts import Weighed, decide, table, weigh
from harness.tracking import Store

OUTCOMES = {"PASS": 1.0, "FAIL": 0.0, "INCONCLUSIVE": 0.5}


@dataclass(frozen=True)
class Report:
    """What a report says, before it is laid out."""

    title: str
    sweep: str
    runs: pd.DataFrame
    history: pd.DataFrame
    verdicts: list[Verdict]
    drawings: list[Drawing]
    left_out: Sequence[str]


def assemble(store: Store, title: str, sweep: str, left_out: Sequence[str] = ()) -> Report:
    """Read the sweep's runs and let its experiments' claims and figures speak. Timings are this machine's alone."""
    runs = frames.runs(store, title, sweep)
    history = frames.history(store, title, sweep)
    history = history[history["run_id"].isin(runs["run_id"])]
    weighed: list[Weighed] = []
    drawings: list[Drawing] = []
    for target, of_experiment in frames.comparable(runs).groupby("experiment_class", sort=False):
        experiment: type[Experiment] = locate(str(target))
        mine = frames.subset(runs, of_experiment["run_id"])
        weighed += weigh(experiment.claims, mine, history[history["run_id"].isin(mine["run_id"])])
        for grid, of_grid in of_experiment.groupby("grid", dropna=False, sort=False):
            shown = frames.subset(runs, of_grid["run_id"])
            steps = history[history["run_id"].isin(shown["run_id"])]
            for figure in experiment.figures:
                drawn = draw(figure, shown, steps, mine)
                if drawn is not None:
                    drawings.append(Drawing(figure.title, str(grid or "").replace("_", " "), drawn))
    return Report(title, sweep, runs, history, decide(weighed), drawings, left_out)


def publish(store: Store, title: str, sweep: str, console: Console, left_out: Sequence[str] | None = None) -> Path:
    """Write, print and log the report of a sweep; returns its folder.

    `left_out`: what was not run, and why, a line each; None for what the sweep's last report was told.
    """
    experiment_id = store.experiment(title)
    report = assemble(store, title, sweep, store.left_out(experiment_id, sweep) if left_out is None else left_out)
    folder = store.results / "reports" / title
    folder.mkdir(parents=True, exist_ok=True)
    replaced = _replaced(folder, report)
    report.runs.attrs["sweep"] = sweep
    report.runs.to_parquet(folder / "runs.parquet")
    report.history.to_parquet(folder / "history.parquet")
    table(report.verdicts).to_csv(folder / "verdicts.csv", index=False)
    markdown = page.markdown(title, report.runs, report.verdicts, report.left_out)
    (folder / "report.md").write_text(markdown, encoding="utf-8")
    (folder / "index.html").write_text(
        page.html(
            title, sweep, report.runs, report.verdicts, report.drawings,
            f"{page.UI if store.database else store.uri}/#/experiments/{experiment_id}", report.left_out,
        ), encoding="utf-8",
    )  # fmt: skip
    measured = {f"verdict/{v.claim.id}": OUTCOMES[v.outcome] for v in report.verdicts}
    store.summarise(experiment_id, sweep, title, markdown, measured, folder, report.left_out)
    terminal.show(report.runs, report.verdicts, console)
    console.print(f"report: {folder / 'index.html'}", highlight=False, markup=False)
    if replaced:
        again = f"python -m harness.report sweep={title} id={replaced} {store.option()}".rstrip()
        console.print(
            f"it replaces the report of other runs; to have that one again: {again}", highlight=False, markup=False
        )
    runs = f"python -m harness.ui {store.option()}".rstrip() if store.database else store.uri
    console.print(f"runs in MLflow: {runs}", highlight=False, markup=False)
    return folder


def _replaced(folder: Path, report: Report) -> str:
    """The id of the sweep whose report is in the folder, if it has runs that the new report leaves out; else empty."""
    try:
        old = pd.read_parquet(folder / "runs.parquet", columns=["hash"])
    except (OSError, ValueError):  # none there, or none that can be read
        return ""
    return "" if set(old["hash"]) <= set(report.runs["hash"]) else str(old.attrs.get("sweep", ""))
