"""The report as one HTML file that opens offline, and as Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files

import jinja2
import pandas as pd
import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from harness import frames, machine
from harness.config import locate
from harness.contract import (
    DIVERGED,
    NONE,
    TABULATED,
    Experiment,
    Interval,
    Verdict,
    as_table,
    axes,
    counted,
    label,
    metric_of,
    number,
)

UI = "http://127.0.0.1:5000"


@dataclass(frozen=True)
class Drawing:
    """A drawn figure: its title, and the part of the sweep it shows."""

    title: str
    part: str
    figure: go.Figure


def html(
    title: str,
    sweep: str,
    runs: pd.DataFrame,
    verdicts: list[Verdict],
    drawings: list[Drawing],
    experiment: str,
    left_out: Sequence[str] = (),
) -> str:
    """The page: verdicts first, then figures, then every run with its link below `experiment`'s, then the machine."""
    environment = jinja2.Environment(
        loader=jinja2.BaseLoader(),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    template = environment.from_string(files("harness.report").joinpath("page.html.j2").read_text(encoding="utf-8"))
    figures = [
        {
            "title": d.title,
            "part": d.part,
            "html": d.figure.to_html(full_html=False, include_plotlyjs=False, config=CONFIG, auto_play=False),
        }
        for d in drawings
    ]
    shown = columns(runs)
    return template.render(
        title=title, sweep=sweep, verdicts=[_verdict(v) for v in verdicts], figures=figures,
        plotly=get_plotlyjs() if figures else "", runs=counted(len(runs), "run"), columns=shown,
        rows=_rows(runs, shown, experiment), left_out=left_out, unknown=frames.why_unknown(runs),
        counts=runs["status"].value_counts().to_dict(), machine=machine.fingerprint(), identity=machine.identity(),
        others=sorted(set(runs["machine"].dropna()) - {machine.identity()}),
        address=UI, links_move=experiment.startswith(UI),
        when=pd.Timestamp.now(tz="UTC").strftime("%Y-%m-%d %H:%M UTC"), revision=machine.git_revision(),
        source=machine.source_digest(),
    )  # fmt: skip


CONFIG = {"displaylogo": False, "responsive": True, "modeBarButtonsToRemove": ["lasso2d", "select2d"]}


def between(bounds: Interval) -> str:
    """`[0.98, 1.02]`."""
    return "[" + ", ".join(map(number, bounds)) + "]"


def _verdict(v: Verdict) -> dict[str, object]:
    return {
        "id": v.claim.id, "statement": v.claim.statement, "source": v.claim.source, "outcome": v.outcome, "rule": v.rule,
        "quantity": v.evidence.quantity, "predicted": number(v.evidence.predicted), "measured": number(v.measured),
        "accepted": between(v.evidence.accept), "interval": between(v.interval), "interval_of": v.interval_of,
        "conditions": v.evidence.conditions,
        "details": _table(v.evidence.details), "unit": v.evidence.unit,
    }  # fmt: skip


def _table(markdown: str) -> list[list[str]]:
    """The cells of a Markdown table, head first."""
    lines = [line.strip().strip("|") for line in markdown.splitlines() if line.strip().startswith("|")]
    cells = [[cell.strip() for cell in line.split("|")] for line in lines]
    return [row for row in cells if not all(set(cell) <= set(":- ") for cell in row)]


def columns(runs: pd.DataFrame) -> list[str]:
    """What the table of runs shows: the settings that vary, and what is shown of their experiments' metrics."""
    metrics: dict[str, None] = {}
    for target in runs["experiment_class"].dropna().unique():
        metrics |= dict.fromkeys(metrics_of(str(target)))
    return axes(runs) + [metric for metric in metrics if metric in runs]


def metrics_of(target: str) -> list[str]:
    """The metrics that tables show: the experiment's foremost, then those that it has figures of, but for what runs tabulate."""
    experiment: type[Experiment] = locate(target)
    drawn = [metric_of(figure) for figure in experiment.figures]
    return list(
        dict.fromkeys([*experiment.foremost, *(metric for metric in drawn if not metric.startswith(TABULATED))])
    )


def _rows(runs: pd.DataFrame, shown: list[str], experiment: str) -> list[dict[str, object]]:
    return [
        {
            "name": run["name"], "status": run["status"], "diverged": bool(run.get(DIVERGED, 0) > 0),
            "seconds": number(run["seconds"]),
            "link": f"{experiment}/runs/{run['run_id']}?workflowType=machine_learning",
            "reason": run["reason"] if isinstance(run["reason"], str) else "",
            "cells": [number(run[column]) if "/" in column else label(run[column], NONE) for column in shown],
        }
        for _, run in runs.iterrows()
    ]  # fmt: skip


def markdown(title: str, runs: pd.DataFrame, verdicts: list[Verdict], left_out: Sequence[str] = ()) -> str:
    """The report as Markdown: for the summary run in MLflow, and for a terminal."""
    counts = ", ".join(f"{count} {str(status).lower()}" for status, count in runs["status"].value_counts().items())
    parts = [f"# {title}", f"{counted(len(runs), 'run')}: {counts}.", "## Verdicts"]
    if verdicts:
        rows = [
            [v.claim.id, v.claim.statement, number(v.evidence.predicted), between(v.evidence.accept), number(v.measured),
             f"{between(v.interval)}, {v.interval_of}", f"**{v.outcome}**"]
            for v in verdicts
        ]  # fmt: skip
        head = ["claim", "statement", "predicted", "accepted", "measured", "interval or range", "verdict"]
        parts.append(as_table(pd.DataFrame(rows, columns=head)))
        for v in verdicts:
            parts.append(f"### {v.claim.id}: {v.outcome}\n\n{v.claim.statement} ({v.claim.source}).\n")
            parts.append(f"Measured: {v.evidence.quantity}. Rule: {v.rule}. Conditions: {v.evidence.conditions}.")
            parts.append(v.evidence.details)
    else:
        parts.append("No claim is decided by these runs.")
    for heading, lines in (("Left out", left_out), ("Not known", frames.why_unknown(runs))):
        if lines:
            parts += [f"## {heading}", "\n".join(f"- {line}" for line in lines)]
    facts = {"identity": machine.identity(), **machine.fingerprint(), "sources": machine.source_digest()}
    parts += ["## Machine", "\n".join(f"- {key}: {value}" for key, value in facts.items())]
    return "\n\n".join(part for part in parts if part) + "\n"
